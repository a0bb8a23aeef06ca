"""Lets texts grow in an engine and waits for them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from gatllm.models.chat import ChatOptions
from gatllm.models.engine import Engine, Row


@dataclass
class Grown:
    """What one row wrote."""

    most: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def take(self, token: int, logprob: float) -> bool:
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if len(self.tokens) == self.most:
            self.done.set()
        return self.done.is_set()

    def fail(self, error: BaseException) -> None:
        self.error = error
        self.done.set()

    def wait(self) -> None:
        assert self.done.wait(60)


def start(engine: Engine, asked: Sequence[tuple[list[int], ChatOptions]]) -> list[tuple[Row, Grown]]:
    """Let one text grow for each prompt and its options."""
    found = [Grown(options.max_new_tokens) for _, options in asked]
    rows = [
        Row(prompt, options, options.seed, grown.take, grown.fail)
        for (prompt, options), grown in zip(asked, found, strict=True)
    ]
    engine.join(rows)
    return list(zip(rows, found, strict=True))


def grow(engine: Engine, asked: Sequence[tuple[list[int], ChatOptions]]) -> list[Grown]:
    """Return what they have become."""
    found = [grown for _, grown in start(engine, asked)]
    for grown in found:
        grown.wait()
    return found
