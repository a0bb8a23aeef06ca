"""Proof that somebody holds an address: Sign-In with Ethereum (EIP-4361), each challenge good for one answer."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from gatllm.errors import GatllmError, UsageError, VerificationError

LIFETIME = 300  # seconds
_NONCE = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whoever answered a challenge: they hold ``address`` and agreed to ``statement``."""

    address: str
    statement: str
    resources: tuple[str, ...]


class SignIn:
    """Challenges for one site on one chain.

    Open nonces are files in a folder, removed by the first answer: they hold for all workers of a server and
    survive its restart. ``rpc_url`` lets contract wallets answer too (ERC-1271).
    """

    def __init__(self, folder: Path, *, domain: str, uri: str, chain_id: int, rpc_url: str | None = None) -> None:
        self.folder = folder
        self.domain = domain
        self.uri = uri
        self.chain_id = chain_id
        self.rpc_url = rpc_url

    def challenge(self, address: str, statement: str, resources: tuple[str, ...] = (), *, site: str = "") -> str:
        """Return the text that the wallet of ``address`` is asked to sign.

        ``site`` is the address of the page that asks, where it is not `uri`: wallets warn of another's. The caller
        answers for it.

        Raises:
            UsageError: the address or the statement has a wrong form.
        """
        from pydantic import ValidationError
        from siwe import SiweMessage
        from web3 import Web3

        if not Web3.is_address(address):
            raise UsageError(f"{address[:50]!r} is not an address", "an address is 0x and 40 hexadecimal digits")
        nonce = secrets.token_hex(16)
        now = datetime.now(UTC)
        try:
            message = SiweMessage(
                domain=urlsplit(site).netloc if site else self.domain,
                address=Web3.to_checksum_address(address),
                uri=site or self.uri,
                version="1",
                chain_id=self.chain_id,
                issued_at=_stamp(now),
                expiration_time=_stamp(now + timedelta(seconds=LIFETIME)),
                nonce=nonce,
                statement=statement,
                resources=list(resources),
            )
        except ValidationError as error:
            raise UsageError(f"no challenge can be made of this: {error.errors()[0]['msg']}") from None
        self._sweep()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        place = self.folder / nonce
        place.touch(mode=0o600)
        place.write_text(site, encoding="utf-8")
        return str(message.prepare_message())

    def check(self, message: str, signature: str) -> SignedIn:
        """Return who signed ``message``; its nonce is used up, whatever comes out.

        Raises:
            VerificationError: not our challenge, answered already, too late, or not signed by that address.
        """
        from siwe import SiweMessage
        from web3 import HTTPProvider

        try:
            parsed = SiweMessage.from_message(message)
            nonce = parsed.nonce if _NONCE.fullmatch(parsed.nonce) else ""
        except Exception:  # the grammar's own errors, a dozen kinds
            raise VerificationError("this is not a sign-in message") from None
        site = self._use_up(nonce)
        try:
            parsed.verify(
                signature,
                domain=urlsplit(site).netloc if site else self.domain,
                uri=site or self.uri,
                chain_id=self.chain_id,
                nonce=nonce,
                provider=HTTPProvider(self.rpc_url) if self.rpc_url else None,
                strict=True,
            )
        except Exception as error:  # each of its errors means the same: not signed in
            raise VerificationError(f"the sign-in does not hold ({type(error).__name__})", "sign a new one") from None
        return SignedIn(str(parsed.address), str(parsed.statement or ""), tuple(map(str, parsed.resources or ())))

    def _use_up(self, nonce: str) -> str:
        """Return the site that a challenge was made for; it is not open any more."""
        place = self.folder / nonce
        try:
            age = time.time() - place.stat().st_mtime
            site = place.read_text(encoding="utf-8")
            place.unlink()  # of two answers at once, one gets it
        except OSError:
            raise VerificationError("this challenge is not open (any more)", "ask for a new one") from None
        if not nonce or age > LIFETIME:
            raise VerificationError("this challenge is too old", "ask for a new one")
        return site

    def _sweep(self) -> None:
        if not self.folder.is_dir():
            return
        entries = sorted(self.folder.iterdir(), key=lambda path: path.name)
        for path in entries:
            try:
                if time.time() - path.stat().st_mtime > LIFETIME:
                    path.unlink()
            except FileNotFoundError:
                continue
        if len(entries) > 100_000:
            raise GatllmError("too many open sign-ins", "try again in some minutes")


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
