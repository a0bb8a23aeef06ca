"""What the members of a council say to each other: typed, versioned, bound to one decision, signed.

A message counts for one decision (a nonce that is fresh for each question), one round and one sender; none can be used
again elsewhere. The JSON Schema is in ``docs/council.schema.json``.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gatllm.errors import GatllmError, VerificationError
from gatllm.records import canonical_bytes, sha256, write_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

LONGEST_TEXT = 100_000  # characters of a proposal
_Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Message(BaseModel):
    """What every message says: the decision and round it belongs to, and who sends it (an Ed25519 public key)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: Literal[1] = 1
    decision: _Hash
    round: Annotated[int, Field(ge=1, le=9)]
    sender: _Hash
    signature: Annotated[str, Field(pattern="^([0-9a-f]{128})?$")] = ""

    def signed_bytes(self) -> bytes:
        """Return what the signature is over: the message in canonical JSON, without the signature."""
        return canonical_bytes(self.model_dump(exclude={"signature"}))


class Proposal(_Message):
    """A proposal of the first round. First only its commitment is sent, later text and salt: nobody can copy."""

    kind: Literal["Proposal"] = "Proposal"
    commitment: _Hash
    text: Annotated[str, Field(max_length=LONGEST_TEXT)] | None = None
    salt: _Hash | None = None

    @property
    def is_opened(self) -> bool:
        """Whether text and salt are there and are what was committed to."""
        return self.text is not None and self.salt is not None and commitment(self.text, self.salt) == self.commitment


class Revision(Proposal):
    """A proposal of a later round, made after the critiques of the one before."""

    kind: Literal["Revision"] = "Revision"  # type: ignore[assignment]


class Confidence(_Message):
    """How sure a member is of its own proposal."""

    kind: Literal["Confidence"] = "Confidence"
    value: _Fraction


class Critique(_Message):
    """What a reviewer makes of one proposal: a score from 0 (can't be right) to 1, and its findings."""

    kind: Literal["Critique"] = "Critique"
    of: _Hash
    score: _Fraction
    findings: Annotated[tuple[Annotated[str, Field(max_length=500)], ...], Field(max_length=20, strict=False)] = ()


class Vote(_Message):
    """Whose proposal a member is for, after it has seen all critiques."""

    kind: Literal["Vote"] = "Vote"
    of: _Hash


class Verdict(_Message):
    """How a member counts the votes: the proposal that is agreed on, or none."""

    kind: Literal["Verdict"] = "Verdict"
    of: _Hash | None
    weight: _Fraction


_M = TypeVar("_M", bound=_Message)
Message = Annotated[Proposal | Revision | Confidence | Critique | Vote | Verdict, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Any] = TypeAdapter(Message)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a message."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Message of a council"}
    return head | _ADAPTER.json_schema()


def commitment(text: str, salt: str) -> str:
    """Return what is sent ahead of a proposal: SHA-256 of salt and text."""
    return sha256(bytes.fromhex(salt) + text.encode("utf-8", "surrogatepass"))


def read_message(value: Any) -> Any:
    """Return a message whose form and signature are right.

    Raises:
        VerificationError: they are not.
    """
    try:
        message = _ADAPTER.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise VerificationError(f"this is not a message: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if not is_signed(message):
        raise VerificationError(f"a {message.kind} is not signed by its sender")
    return message


def is_signed(message: _Message) -> bool:
    """Tell whether a message carries its sender's signature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(message.sender))
        key.verify(bytes.fromhex(message.signature), message.signed_bytes())
    except (InvalidSignature, ValueError):
        return False
    return True


class Identity:
    """A member's Ed25519 key; its public half is the member's name to the others."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw().hex()

    @classmethod
    def generate(cls) -> Self:
        """Return a new one."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the key in ``path`` (PKCS #8, PEM), or make one there that only its owner can read.

        Raises:
            GatllmError: it holds no Ed25519 key, or can't be written.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
            load_pem_private_key,
        )

        if not path.exists():
            key = Ed25519PrivateKey.generate()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o600)
            write_file(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            path.chmod(0o600)
        try:
            found = load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError):
            found = None
        if not isinstance(found, Ed25519PrivateKey):
            raise GatllmError(f"{path} holds no Ed25519 key", "name another file: one is made where there is none")
        return cls(found)

    def sign(self, message: _M) -> _M:
        """Return the message with this member's signature."""
        return message.model_copy(update={"signature": self._key.sign(message.signed_bytes()).hex()})


def fresh() -> str:
    """Return 32 random bytes in hexadecimal."""
    return secrets.token_hex(32)
