"""What marketplaces show of a token and of the collection (OpenSea's metadata standard), and a picture of the root.

https://docs.opensea.io/docs/metadata-standards, ERC-7572. An unknown field or a wrong type is an error here: a
marketplace would drop it in silence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gatllm.errors import GatllmError

Uri = Annotated[str, Field(pattern=r"^(ipfs://b[a-z2-7]{58}|https?://\S+)$")]
Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Trait(_Strict):
    """One attribute; ``display_type`` only for numbers."""

    trait_type: str = Field(min_length=1)
    value: str | int | float
    display_type: Literal["number", "boost_number", "boost_percentage", "date"] | None = None


class Content(_Strict):
    """Where the dataset lies and how to check it; not a marketplace's field, so it lies under ``properties``.

    ``cid`` is what is on IPFS: the folder, or, ``sealed``, the encrypted CAR file of it. Where a sealed dataset's
    plaintext would lie is told to nobody: whoever came by it could fetch it from there. The Merkle root checks it.
    """

    merkle_root: str = Field(pattern=r"^[0-9a-f]{64}$")
    kind: Literal["positive", "negative", "conversation"]
    cid: str
    profile: str
    sealed: bool
    size: int = Field(ge=0)  # bytes of what is on IPFS
    records: int = Field(ge=0)
    licences: dict[str, int] = {}


class TokenMetadata(_Strict):
    """The JSON that ``tokenURI`` names."""

    name: str = Field(min_length=1)
    description: str
    image: Uri
    external_url: Uri | None = None
    attributes: tuple[Trait, ...] = ()
    properties: Content


class CollectionMetadata(_Strict):
    """The JSON that ``contractURI`` names (ERC-7572)."""

    name: str = Field(min_length=1)
    symbol: str | None = None
    description: str | None = None
    image: Uri | None = None
    banner_image: Uri | None = None
    featured_image: Uri | None = None
    external_link: Uri | None = None
    collaborators: tuple[Address, ...] | None = None


def to_json(metadata: TokenMetadata | CollectionMetadata) -> dict[str, Any]:
    """Return the metadata as plain JSON, without what is not set."""
    return metadata.model_dump(mode="json", exclude_none=True)


_M = TypeVar("_M", bound=BaseModel)


def token_metadata(**fields: Any) -> TokenMetadata:
    """Return the metadata of a token.

    Raises:
        GatllmError: a field does not follow the schema.
    """
    return _checked("token", lambda: TokenMetadata.model_validate(fields))


def collection_metadata(**fields: Any) -> CollectionMetadata:
    """Return the metadata of a collection.

    Raises:
        GatllmError: a field does not follow the schema.
    """
    return _checked("collection", lambda: CollectionMetadata.model_validate(fields))


def read_token_metadata(data: bytes) -> TokenMetadata:
    """Read the JSON of a token.

    Raises:
        GatllmError: it does not follow the schema.
    """
    return _checked("token", lambda: TokenMetadata.model_validate_json(data))


def read_collection_metadata(data: bytes) -> CollectionMetadata:
    """Read the JSON of a collection.

    Raises:
        GatllmError: it does not follow the schema.
    """
    return _checked("collection", lambda: CollectionMetadata.model_validate_json(data))


def _checked(whose: str, make: Callable[[], _M]) -> _M:
    try:
        return make()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise GatllmError(f"the {whose}'s metadata makes no sense: {where}: {first['msg']}") from None


def picture(root: str) -> str:
    """Return an SVG that tells one dataset from another: 8 by 8 fields, mirrored, from the root's digest."""
    seed = hashlib.sha256(bytes.fromhex(root)).digest()
    hue = seed[0] * 360 // 256
    fields = []
    for place in range(32):
        row, column = divmod(place, 4)
        if seed[1 + place // 8] >> place % 8 & 1:
            light = 35 + seed[8 + place % 24] % 35
            for x in (column, 7 - column):
                fields.append(
                    f'<rect x="{x * 64}" y="{row * 64}" width="64" height="64" fill="hsl({hue} 60% {light}%)"/>'
                )
    body = "".join(fields)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512" width="512" height="512">'
        f'<rect width="512" height="512" fill="hsl({hue} 30% 94%)"/>{body}</svg>'
    )
