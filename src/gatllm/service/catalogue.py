"""What the market holds, for people: tokens with their words, verdicts, prices and rewards.

Tokens and owners come from the chain's events, read once and then block by block; words from the store; verdicts and
offers from this service's own folder. Everything in it can be made anew.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.market import DatasetTokens, Offer, Statement, Store, Token, TokenMetadata, id_of, read_document
from gatllm.records import write_file
from gatllm.service.contributions import Contributions

_FRESH = 2.0  # seconds for which what is known is shown without asking the chain
_RETRY = 60.0  # seconds after which metadata that could not be had are asked for again


@dataclass(frozen=True)
class Item:
    """A token as a page shows it; without its metadata or an offer ``document`` or ``price`` (wei) is None."""

    token: Token
    document: TokenMetadata | None = None
    price: int | None = None
    report: dict[str, Any] = field(default_factory=dict)
    rewards: tuple[tuple[int, int], ...] = ()  # (epoch, wei)

    @property
    def name(self) -> str:
        """What people read."""
        return self.document.name if self.document else f"dataset {self.token.root[:12]}…"

    @property
    def sealed(self) -> bool:
        """Whether only the owner can read it."""
        return bool(self.document and self.document.properties.sealed)

    def matches(self, words: list[str]) -> bool:
        """Tell whether each word stands somewhere in what is shown."""
        about = [self.name, self.token.id, self.token.root, self.token.owner, self.token.contributor]
        about.append(self.token.kind.name)
        if self.document:
            about += [self.document.description, *self.document.properties.licences]
        text = " ".join(about).lower()
        return all(word in text for word in words)


class Catalogue:
    """The tokens of one deployment, the newest first."""

    def __init__(self, tokens: DatasetTokens, store: Store, contributions: Contributions, folder: Path) -> None:
        self.tokens = tokens
        self.store = store
        self.contributions = contributions
        self.offers = folder / "offers"
        self.statements = folder / "statements"
        self._lock = threading.Lock()
        self._known: dict[str, Token] = {}
        self._next = tokens.first_block
        self._read = float("-inf")
        self._documents: dict[str, tuple[float, TokenMetadata | None]] = {}

    def search(self, words: str = "", *, kind: str = "", offered: bool = False) -> list[Item]:
        """Return what matches, the newest first."""
        wanted = words.lower().split()
        found = (self._item(token) for token in reversed(self._tokens()))
        return [
            item
            for item in found
            if item.matches(wanted)
            and kind in ("", item.token.kind.name.lower())
            and (item.price is not None or not offered)
        ]

    def owned(self, account: str | None) -> list[Item]:
        """Return what an address owns."""
        held = [token for token in self._tokens() if token.owner == account]
        return [self._item(token) for token in held if self.tokens.owner_of(token.id) == account]

    def get(self, token: str) -> Item:
        """Return one token, its owner asked of the chain at this moment.

        Raises:
            GatllmError: it isn't minted.
        """
        found = next((one for one in self._tokens() if one.id == token), None)
        if found is None:
            found = self.tokens.get(token)
        return self._item(replace(found, owner=self.tokens.owner_of(found.id)))

    def tokens_of(self, root: str) -> list[str]:
        """Return the tokens of a dataset, the earliest announced first; none while the chain does not answer."""
        try:
            held = [token for token in self._tokens() if token.root == root]
        except GatllmError:
            return []
        return [token.id for token in sorted(held, key=lambda token: token.announced)]

    def offer(self, token: Token) -> Offer | None:
        """Return the open offer of a token; one whose seller sold or whose time is over is none."""
        place = self.offers / f"{token.id}.json"
        if not place.exists():
            return None
        offer = Offer.read(place)
        over = int(offer.parameters["endTime"]) <= time.time()
        return None if over or token.owner != offer.parameters["offerer"] else offer

    def put_offer(self, offer: Offer) -> None:
        """Show an offer that was checked."""
        write_file(self.offers / f"{offer.token}.json", offer.to_json())

    def forget_offer(self, token: str) -> None:
        """Show an offer no longer: it was cancelled, or is to be."""
        (self.offers / f"{token}.json").unlink(missing_ok=True)

    def statement(self, epoch: int) -> Statement:
        """Return the published statement of an epoch.

        Raises:
            GatllmError: it does not lie here.
        """
        try:
            return Statement.from_bytes((self.statements / f"epoch-{epoch}.json").read_bytes())
        except OSError:
            raise GatllmError(f"the statement of epoch {epoch} does not lie here", "ask the operator") from None

    def _tokens(self) -> list[Token]:
        with self._lock:
            if time.monotonic() - self._read > _FRESH:
                self._refresh()
            return list(self._known.values())

    def _refresh(self) -> None:
        confirmed = self.tokens.chain.confirmed_block()
        # What a reorganisation may have taken back is read anew each time.
        self._known = {name: token for name, token in self._known.items() if token.block < self._next}
        minted, owners = self.tokens.since(self._next)
        self._known |= {token.id: token for token in minted}
        for token, owner in owners.items():
            if token in self._known:
                self._known[token] = replace(self._known[token], owner=owner)
        self._next = confirmed + 1
        self._read = time.monotonic()

    def _item(self, token: Token) -> Item:
        offer = self._safe_offer(token)
        return Item(
            token, self._document(token), offer.price if offer else None, self._report(token), self._rewards(token)
        )

    def _safe_offer(self, token: Token) -> Offer | None:
        try:
            return self.offer(token)
        except GatllmError:  # a damaged file is not an offer
            return None

    def _document(self, token: Token) -> TokenMetadata | None:
        asked, known = self._documents.get(token.uri, (float("-inf"), None))
        if known is None and time.monotonic() - asked > _RETRY:
            try:
                known = read_document(self.store, token.uri)
                if known.properties.merkle_root != token.root:
                    known = None  # words about another dataset
            except GatllmError:
                known = None
            self._documents[token.uri] = (time.monotonic(), known)
        return known

    def _report(self, token: Token) -> dict[str, Any]:
        """Return the verdicts, where it was checked here: counts, and nothing of what is in it."""
        for one in self.contributions.of(token.contributor):
            if one.root and one.state in ("published", "minted") and id_of(one.owner, one.root) == token.id:
                try:
                    text = (self.contributions.path(one) / "report.json").read_text(encoding="utf-8")
                    report: dict[str, Any] = json.loads(text)
                except (OSError, ValueError):
                    return {}
                kept = ("files", "good", "bad", "lines", "files_by_rule")
                summary = {name: report.get("summary", {}).get(name) for name in kept}
                shown = {name: report.get(name) for name in ("records", "rejected", "redacted", "licences", "sizes")}
                return {**shown, "summary": summary}
        return {}

    def _rewards(self, token: Token) -> tuple[tuple[int, int], ...]:
        earned = []
        for path in sorted(self.statements.glob("epoch-*.json")):
            try:
                statement = Statement.from_bytes(path.read_bytes())
            except (GatllmError, OSError):
                continue
            if amount := statement.amounts.get(token.id):
                earned.append((statement.epoch, amount))
        return tuple(earned)
