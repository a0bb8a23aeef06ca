"""What people contribute, from the upload to the token: one folder each, bound to the wallet that uploaded it.

``contribution.json`` is the record, written whole or not at all: what it says survives a crash. Nobody but its owner
sees, publishes, names or mints it.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gatllm.errors import GatllmError, UsageError
from gatllm.records import write_file

State = Literal["uploading", "checking", "rejected", "checked", "publishing", "published", "minted"]
_ID = re.compile(r"[0-9a-f]{32}")
_PART = re.compile(r"[^\x00-\x1f\x7f/\\]{1,200}")
OPEN_LIMIT = 20  # contributions of one wallet that are not minted
UPLOAD_BYTES = 1 << 30  # of one contribution
WALLET_BYTES = 2 << 30  # of all uploads of one wallet
UPLOAD_FILES = 20_000
FREE_BYTES = 2 << 30  # of the disk, which no upload may take
UPLOAD_AGE = 2 * 24 * 3600  # seconds after which an upload that nobody continues with is removed


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
    changed: float = 0.0
    state: State = "uploading"
    kind: Literal["positive", "negative"] = "positive"
    title: str = Field("", max_length=100)
    description: str = Field("", max_length=4000)
    contributor: str = Field("", max_length=100)
    licence: str = Field("", max_length=64, pattern=r"^[A-Za-z0-9.+-]*$")
    sealed: bool = True
    problem: str = ""
    root: str = ""
    records: int = 0
    content: str = ""
    metadata: str = ""
    minted_kind: int = 0
    received: int = 0  # bytes
    files: int = 0


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
            self._sweep()
            now = time.time()
            made = _valid({"id": secrets.token_hex(16), "owner": owner, "created": now, "changed": now, **fields})
            self._write(made)
        return made

    def get(self, name: str, owner: str) -> Contribution:
        """Return one's own contribution.

        Raises:
            NotYoursError: there is none of that name, or it is another's.
        """
        found = self.find(name)
        if found is None or found.owner != owner:
            raise NotYoursError
        return found

    def find(self, name: str) -> Contribution | None:
        """Return a contribution, whoever's it is."""
        return self._read(name) if _ID.fullmatch(name) else None

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
            changed = _valid({**now.model_dump(), "changed": time.time(), **fields})
            self._write(changed)
        return changed

    def receive(self, contribution: Contribution, name: str, offset: int, data: bytes) -> int:
        """Append bytes to a file of an upload; return how many it has now.

        Whoever was cut off asks for the size and resumes from there: bytes at another offset are not taken.

        Raises:
            UsageError: the name leads elsewhere.
            GatllmError: it is more than may be uploaded, or no longer an upload.
        """
        target = self._upload_path(contribution, name)
        with self._lock:
            now = self._read(contribution.id)
            if now is None or now.state != "uploading":
                raise GatllmError("this contribution takes no more files", "begin another")
            size = target.stat().st_size if target.exists() else 0
            if offset != size:
                return size
            self._refuse_too_much(now, len(data), new=not target.exists())
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("ab") as file:
                file.write(data)
            files = now.files + (size == 0)
            self._write(now.model_copy(update={"received": now.received + len(data), "files": files}))
        return size + len(data)

    def received(self, contribution: Contribution, name: str) -> int:
        """Return how many bytes of a file have arrived."""
        target = self._upload_path(contribution, name)
        return target.stat().st_size if target.is_file() else 0

    def remove(self, contribution: Contribution) -> None:
        """Remove a contribution that is not minted, with all that was uploaded.

        Raises:
            GatllmError: it is minted, or at work.
        """
        with self._lock:
            now = self._read(contribution.id)
            if now is None or now.state in ("checking", "publishing", "minted"):
                raise GatllmError("this contribution can't be removed now", "wait until its job is done")
            self._delete(now)

    def forget_plain(self, contribution: Contribution) -> None:
        """Remove the plain data of a contribution; the record stays, and the report without what it quotes."""
        for name in ("upload", "dataset", "negative"):
            shutil.rmtree(self.path(contribution) / name, ignore_errors=True)
        place = self.path(contribution) / "report.json"
        if place.exists():
            report = json.loads(place.read_text(encoding="utf-8"))
            summary = {name: value for name, value in report.get("summary", {}).items() if name != "packages"}
            write_file(place, json.dumps(report | {"summary": summary, "preview": [], "refused": []}) + "\n")

    def _upload_path(self, contribution: Contribution, name: str) -> Path:
        parts = name.split("/")
        if not 0 < len(parts) <= 20 or len(name) > 1_000:
            raise UsageError("the file's name is too long", "rename it")
        if any(not _PART.fullmatch(part) or part.startswith(".") for part in parts):
            raise UsageError(f"a file can't be called {name[:80]!r}", "leave out hidden files and folders")
        return self.path(contribution).joinpath("upload", *parts)

    def _refuse_too_much(self, contribution: Contribution, more: int, *, new: bool) -> None:
        if contribution.received + more > UPLOAD_BYTES:
            raise GatllmError(f"an upload has at most {UPLOAD_BYTES >> 20:,} MiB", "divide it")
        if new and contribution.files >= UPLOAD_FILES:
            raise GatllmError(f"an upload has at most {UPLOAD_FILES:,} files", "put them into an archive")
        kept = sum(one.received for one in self.of(contribution.owner) if one.state != "minted")
        if kept + more > WALLET_BYTES:
            raise GatllmError("your uploads are too large together", "mint or remove some")
        if shutil.disk_usage(self.folder).free - more < FREE_BYTES:
            raise GatllmError("this server has no room for uploads at the moment", "try again later")

    def _sweep(self) -> None:
        """Remove uploads that nobody continues with."""
        for one in list(self.all()):
            if one.state in ("uploading", "rejected") and time.time() - one.changed > UPLOAD_AGE:
                self._delete(one)

    def _delete(self, contribution: Contribution) -> None:
        # The record goes first: what is left of a removal that was cut off is nobody's contribution.
        (self.path(contribution) / "contribution.json").unlink()
        shutil.rmtree(self.path(contribution), ignore_errors=True)

    def _read(self, name: str) -> Contribution | None:
        try:
            return Contribution.model_validate_json((self.folder / name / "contribution.json").read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            raise GatllmError(f"the record of contribution {name} is damaged", "restore it from a copy") from None

    def _write(self, contribution: Contribution) -> None:
        write_file(self.path(contribution) / "contribution.json", contribution.model_dump_json(indent=1) + "\n")


def _valid(fields: dict[str, Any]) -> Contribution:
    try:
        return Contribution.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))} does not fit: {first['msg']}") from None
