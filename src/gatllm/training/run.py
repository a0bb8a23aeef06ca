"""A run folder, read: everything here is derived from `log.jsonl` and the files that it names."""

from __future__ import annotations

import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.records import read_log
from gatllm.training.recipe import Recipe

LOG = "log.jsonl"
RECIPE = "recipe.toml"
TOKENIZER = "tokenizer.json"
MODEL = "model.safetensors"
CHECKPOINTS = "checkpoints"


class Run:
    """What `train` leaves behind, finished or not."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open a run folder.

        Raises:
            GatllmError: the folder is not a run.
        """
        folder = Path(path)
        if not (folder / LOG).is_file() or not (folder / RECIPE).is_file():
            raise GatllmError(f"{folder} is not a run folder", "name a folder that `gatllm train` made")
        return cls(folder)

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return Recipe.load(self.path / RECIPE)

    @cached_property
    def written(self) -> dict[str, Any]:
        """The resolved recipe word for word: without keys that recipes did not have when the run began."""
        return tomllib.loads((self.path / RECIPE).read_text(encoding="utf-8"))

    @cached_property
    def log(self) -> list[dict[str, Any]]:
        """All entries; the chain of hashes is checked on reading."""
        return read_log(self.path / LOG)

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The entries that led to the result: what was done after the checkpoint of a later resume is left out."""
        kept: list[dict[str, Any]] = []
        for entry in self.log:
            if entry["event"] == "resume":
                kept = [before for before in kept if before.get("step", 0) <= entry["step"]]
            kept.append(entry)
        return kept

    def forget(self) -> None:
        """Read the log anew the next time: it was appended to."""
        for name in ("log", "history"):
            self.__dict__.pop(name, None)

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the entries of ``kinds`` in `history`."""
        return [entry for entry in self.history if entry["event"] in kinds]

    @property
    def start(self) -> dict[str, Any]:
        """The first entry: commitments and environment.

        Raises:
            GatllmError: the run has not begun.
        """
        if not self.log or self.log[0]["event"] != "start":
            raise GatllmError(f"{self.path} has no start in its log", "train again into a new folder")
        return self.log[0]

    @property
    def complete(self) -> bool:
        """Whether the run reached its end and its weights are there."""
        return bool(self.log) and self.log[-1]["event"] == "end" and (self.path / MODEL).is_file()

    @property
    def metrics(self) -> dict[str, float]:
        """The final metrics; before the end, those of the last evaluation."""
        if self.complete:
            return dict(self.log[-1]["metrics"])
        for entry in reversed(self.events("validation")):
            return {k: v for k, v in entry.items() if k not in {"seq", "time", "event", "prev"}}
        return {}
