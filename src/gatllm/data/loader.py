"""Batches out of token files, each a function of the seed and its number: a saved cursor restores them exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from gatllm.data.shards import Shards
from gatllm.errors import GatllmError, UsageError

IGNORED = -100  # the target that cross-entropy passes over

Ids = NDArray[np.int64]
Policy = Literal["random", "chunks", "sequential", "documents"]


@dataclass(frozen=True)
class Sampling:
    """Which part of the tokens a row is.

    Attributes:
        context: inputs of a row.
        batch: rows of a batch.
        policy: ``random``: a row begins anywhere; ``chunks``: each row of the batch begins at a random place and goes
            on chunk after chunk from there; ``sequential``: from the first token on, row after row; ``documents``: a
            row is one document from its beginning, in an order drawn anew each time round.
        wrap: a row may run over the end and go on at the beginning.
        minimum: shortest row, drawn evenly up to ``context``; the rest is padding after the input. 0: always full.
        seed: what chance derives from.
    """

    context: int
    batch: int
    policy: Policy = "random"
    wrap: bool = False
    minimum: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UsageError: one is out of bounds.
        """
        if self.context < 1 or self.batch < 1:
            raise UsageError("context and batch must be at least 1", "")
        if not 0 <= self.minimum <= self.context:
            raise UsageError(f"a minimum of {self.minimum} does not fit a context of {self.context}", "lower it")
        if self.policy not in {"random", "chunks", "sequential", "documents"}:
            raise UsageError(f"no sampling policy {self.policy!r}", "take random, chunks, sequential or documents")


class Loader:
    """Gives batches of inputs and targets; targets that are padding or masked are `IGNORED`.

    Args:
        shards: the tokens.
        sampling: which of them.
        pad_id: what stands after the input of a short row.

    Raises:
        GatllmError: there are fewer tokens than a row needs.
    """

    def __init__(self, shards: Shards, sampling: Sampling, pad_id: int) -> None:
        needed = 2 if sampling.wrap or sampling.policy == "documents" else sampling.context + 1
        if len(shards) < needed:
            raise GatllmError(f"{len(shards)} tokens are too few", f"a row needs {needed}; take more text or wrap")
        self.shards, self.sampling, self.pad_id = shards, sampling, pad_id
        self.position = 0  # number of the next batch

    def batch(self, number: int) -> tuple[Ids, Ids]:
        """Return inputs and targets (batch, context) of batch ``number``; the cursor stays where it is."""
        sampling = self.sampling
        inputs = np.full((sampling.batch, sampling.context), self.pad_id, dtype=np.int64)
        targets = np.full((sampling.batch, sampling.context), IGNORED, dtype=np.int64)
        chance = self._chance("rows", number)
        starts = self._starts(number, chance)
        lengths = np.full(sampling.batch, sampling.context)
        if sampling.minimum:
            lengths = chance.integers(sampling.minimum, sampling.context + 1, size=sampling.batch)
        for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            ids, learnt = self._read(int(start), int(length) + 1)
            count = max(0, len(ids) - 1)
            inputs[row, :count] = ids[:-1]
            targets[row, :count] = np.where(learnt[1:], ids[1:], IGNORED)
        return inputs, targets

    def _read(self, start: int, count: int) -> tuple[Ids, NDArray[np.bool_]]:
        if self.sampling.policy == "documents":
            ids, learnt = self.shards.document(start)
            return ids[:count], learnt[:count]
        return self.shards.read(start, count, wrap=self.sampling.wrap)

    def _starts(self, number: int, chance: np.random.Generator) -> Ids:
        size, batch, context = len(self.shards), self.sampling.batch, self.sampling.context
        rows = number * batch + np.arange(batch)
        room = size if self.sampling.wrap else size - context
        match self.sampling.policy:
            case "random":
                return chance.integers(0, room, size=batch)
            case "sequential":
                return self._chunk(rows, np.zeros(batch, np.int64))
            case "chunks":
                begin = self._chance("lanes", 0).integers(0, room, size=batch)
                return self._chunk(np.full(batch, number), begin)
            case "documents":
                return np.array([self._document(int(row)) for row in rows])

    def _chunk(self, numbers: Ids, begin: Ids) -> Ids:
        """Return where chunk ``numbers`` begins, counted from ``begin`` and starting over at the end."""
        size, context = len(self.shards), self.sampling.context
        if self.sampling.wrap:
            return (begin + numbers * context) % size
        chunks = max(1, (size - 1) // context)
        return (begin // context + numbers) % chunks * context

    def _document(self, row: int) -> int:
        count = len(self.shards.documents) - 1
        around, place = divmod(row, count)
        if getattr(self, "_round", None) != around:
            self._round = around
            self._order = self._chance("order", around).permutation(count)
        return int(self._order[place])

    def _chance(self, use: str, number: int) -> np.random.Generator:
        seeds = [self.sampling.seed, int.from_bytes(use.encode(), "big"), number]
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(seeds)))

    def __iter__(self) -> Iterator[tuple[Ids, Ids]]:
        return self

    def __next__(self) -> tuple[Ids, Ids]:
        batch = self.batch(self.position)
        self.position += 1
        return batch

    def state(self) -> dict[str, Any]:
        """Return the cursor as JSON, with what it belongs to."""
        return {"position": self.position, **self._belongs()}

    def restore(self, state: dict[str, Any]) -> Self:
        """Go to where `state` was taken: the next batch is the one that came next then.

        Raises:
            GatllmError: it was taken on other tokens or with other sampling.
        """
        position = state.get("position")
        differing = [key for key, value in self._belongs().items() if state.get(key) != value]
        if differing or not isinstance(position, int) or position < 0:
            raise GatllmError(
                f"the cursor belongs to other data or sampling ({', '.join(differing) or 'position'})",
                "resume with the same recipe and data",
            )
        self.position = position
        return self

    def _belongs(self) -> dict[str, Any]:
        index = self.shards.index
        return {
            "tokenizer": index.tokenizer,
            "tokens": [shard.sha256 for shard in index.shards],
            "sampling": asdict(self.sampling),
            "pad": self.pad_id,
        }
