"""What a dataset folder says of itself: its kind, makers, licences, verdicts, shards and Merkle root."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gatllm.errors import GatllmError

Kind = Literal["positive", "negative", "conversation"]
FILE_NAME = "manifest.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shard(_Strict):
    """One file of records: its name in the folder, how many records and bytes, and the SHA-256 of its bytes."""

    name: str
    records: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str


class Contributor(_Strict):
    """Who brought the data; ``wallet`` is an EVM address."""

    name: str = ""
    wallet: str = ""


class Manifest(_Strict):
    """The content of ``manifest.json``.

    ``merkle_root`` commits to the records in order (RFC 6962 over their canonical bytes); ``made_with`` holds the
    parameters and tool versions that made them; ``parent`` is the root of the dataset this one was made from.
    """

    format: Literal["gatllm-dataset/1"] = "gatllm-dataset/1"
    kind: Kind
    name: str
    created: str
    records: int = Field(ge=0)
    merkle_root: str
    shards: tuple[Shard, ...]
    sources: tuple[str, ...] = ()
    licences: dict[str, int] = {}
    accepted: int = Field(default=0, ge=0)
    rejected: dict[str, int] = {}
    contributor: Contributor = Contributor()
    parent: str | None = None
    stages: tuple[str, ...] = ()
    cid: str | None = None
    made_with: dict[str, Any] = {}


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a dataset folder.

    Raises:
        GatllmError: the manifest is missing or damaged.
    """
    file = folder / FILE_NAME
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except OSError as error:
        raise GatllmError(
            f"{folder} is not a dataset: can't read {FILE_NAME} ({error.strerror})", "make one with `gatllm data build`"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise GatllmError(f"{file} is damaged: {where}: {first['msg']}", "build the dataset again") from None
