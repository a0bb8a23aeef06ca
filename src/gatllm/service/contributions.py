"""What people contribute, from the upload to the token: one folder each, bound to the wallet that uploaded it.

``contribution.json`` is the record, written whole or not at all: what it says survives a crash. Nobody but its owner
sees, publishes, names or mints it.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gatllm.errors import GatllmError
from gatllm.records import write_file

State = Literal["uploading", "checking", "rejected", "checked", "publishing", "published", "minted"]
_ID = re.compile(r"[0-9a-f]{32}")
OPEN_LIMIT = 20  # contributions of one wallet that are not minted


class NotYoursError(GatllmError):
    """There is no such contribution, or it is another's: which of both is told to nobody."""

    def __init__(self) -> None:
        super().__init__("you have no such contribution", "look at your contributions")


class Contribution(BaseModel):
    """One contribution. ``origin`` is what the wallet mints: root, content, metadata (64 hexadecimal digits each)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    owner: str
    created: float
    state: State = "uploading"
    kind: Literal["positive", "negative"] = "positive"
    title: str = ""
    description: str = ""
    contributor: str = ""
    licence: str = ""
    sealed: bool = True
    problem: str = ""
    root: str = ""
    records: int = 0
    content: str = ""
    metadata: str = ""


class Contributions:
    """The contributions of one service, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def path(self, contribution: Contribution) -> Path:
        """Return the folder of a contribution."""
        return self.folder / contribution.id

    def create(self, owner: str, **fields: Any) -> Contribution:
        """Begin a contribution.

        Raises:
            GatllmError: this wallet has too many that it did not finish, or the disk refuses.
        """
        with self._lock:
            if sum(one.state != "minted" for one in self.of(owner)) >= OPEN_LIMIT:
                raise GatllmError(f"you have {OPEN_LIMIT} contributions that are not minted", "finish or remove some")
            made = Contribution(id=secrets.token_hex(16), owner=owner, created=time.time(), **fields)
            self._write(made)
        return made

    def get(self, name: str, owner: str) -> Contribution:
        """Return one's own contribution.

        Raises:
            NotYoursError: there is none of that name, or it is another's.
        """
        found = self._read(name) if _ID.fullmatch(name) else None
        if found is None or found.owner != owner:
            raise NotYoursError
        return found

    def of(self, owner: str) -> list[Contribution]:
        """Return the contributions of one wallet, the newest first."""
        return sorted((one for one in self.all() if one.owner == owner), key=lambda one: -one.created)

    def all(self) -> Iterator[Contribution]:
        """Yield every contribution, in no order."""
        for path in self.folder.glob("*/contribution.json"):
            found = self._read(path.parent.name)
            if found is not None:
                yield found

    def change(self, contribution: Contribution, *states: State, **fields: Any) -> Contribution:
        """Change fields of a contribution that is in one of ``states``; checked and written in one step.

        Raises:
            GatllmError: it is in another state (by now), or a field does not fit.
        """
        with self._lock:
            now = self._read(contribution.id)
            if now is None or now.state not in states:
                state = "gone" if now is None else now.state
                raise GatllmError(f"this contribution is {state}", "look at it again")
            try:
                changed = Contribution.model_validate({**now.model_dump(), **fields})
            except ValidationError as error:
                raise GatllmError(f"this does not fit: {error.errors()[0]['msg']}") from None
            self._write(changed)
        return changed

    def _read(self, name: str) -> Contribution | None:
        try:
            return Contribution.model_validate_json((self.folder / name / "contribution.json").read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            raise GatllmError(f"the record of contribution {name} is damaged", "restore it from a copy") from None

    def _write(self, contribution: Contribution) -> None:
        write_file(self.path(contribution) / "contribution.json", contribution.model_dump_json(indent=1) + "\n")
