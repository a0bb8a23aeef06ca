"""Which part of a text a row of training is: random, chunk after chunk, or from the first token on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gatllm.errors import GatllmError
from gatllm.training.objectives.data_tables import TextTable
from gatllm.training.seeds import derive

IGNORED = -100  # the target that cross-entropy passes over

Ids = NDArray[np.int64]


class Windows:
    """Rows of ``context`` + 1 tokens out of a text, as a function of the row's number.

    Raises:
        GatllmError: the text is shorter than a row.
    """

    def __init__(self, tokens: Ids, context: int, table: TextTable, seed: int, pad_id: int) -> None:
        if len(tokens) <= context + 1:
            raise GatllmError(
                f"the training text has {len(tokens)} tokens, a row needs {context + 2}",
                "name a longer text or lower model.context",
            )
        if table.minimum > context:
            raise GatllmError(f"data.minimum {table.minimum} exceeds the context {context}", "lower it")
        self.tokens, self.context, self.table, self.seed, self.pad_id = tokens, context, table, seed, pad_id

    def rows(self, index: int, count: int) -> tuple[Ids, Ids]:
        """Return inputs and targets (count, context) of pass ``index``; after a short row stands padding."""
        generator = np.random.Generator(np.random.PCG64(derive(self.seed, "data", index)))
        starts = self._starts(index, count, generator)
        offsets = np.arange(self.context + 1)
        places = (starts[:, None] + offsets) % len(self.tokens)
        rows = self.tokens[places]
        inputs, targets = rows[:, :-1].copy(), rows[:, 1:].copy()
        if self.table.minimum:
            lengths = generator.integers(self.table.minimum, self.context + 1, size=count)
            after = offsets[None, :-1] >= lengths[:, None]
            inputs[after], targets[after] = self.pad_id, IGNORED
        return inputs, targets

    def _starts(self, index: int, count: int, generator: np.random.Generator) -> Ids:
        size = len(self.tokens)
        room = size if self.table.wrap else size - self.context
        match self.table.window:
            case "random":
                return generator.integers(0, room, size=count)
            case "sequential":
                return self._chunk(index * count + np.arange(count), 0)
            case "chunks":
                begin = np.random.Generator(np.random.PCG64(derive(self.seed, "lanes"))).integers(0, room, size=count)
                return self._chunk(np.full(count, index), begin)

    def _chunk(self, number: Ids, begin: Ids | int) -> Ids:
        """Return where chunk ``number`` begins, counted from ``begin`` and starting over at the end of the text."""
        if self.table.wrap:
            return (begin + number * self.context) % len(self.tokens)
        chunks = (len(self.tokens) - 1) // self.context
        return ((begin // self.context if not isinstance(begin, int) else 0) + number) % chunks * self.context
