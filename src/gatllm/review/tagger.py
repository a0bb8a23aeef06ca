"""The discriminator at one text: which edit where, how likely a token is wrong, how likely the text is fake."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatllm.errors import GatllmError
from gatllm.review.edits import Edit
from gatllm.review.tags import KEEP, TAGS
from gatllm.tokenizers.lexicon import Lexeme, Lexicon

if TYPE_CHECKING:
    import numpy as np
    import torch

    from gatllm.models import Discriminator

MOST = 24  # edits proposed for one window


@dataclass(frozen=True)
class Window:
    """A stretch of a text's tokens, judged together; token 0 of the first window is the place before the text."""

    tokens: list[Lexeme]
    first: int


@dataclass(frozen=True)
class Scores:
    """What the model says of one window.

    ``edits`` are (log-odds against keeping, edit) for the tokens of the whole text, best first; ``errors`` holds the
    probability that a token is wrong, for the window's tokens in order.
    """

    fake: float
    errors: np.ndarray
    edits: list[tuple[float, Edit]]


def tokens_of(lexicon: Lexicon, text: str) -> list[Lexeme]:
    """Return the tokens of a text behind the place where something can be inserted before it all."""
    return [Lexeme(lexicon.begin_id, "", 0, 0), *lexicon.lex(text)]


def windows_of(tokens: list[Lexeme], context: int) -> list[Window]:
    """Cut a text's tokens into windows that overlap by a quarter, each from the beginning of a line if possible."""
    out, start = [], 0
    while True:
        out.append(Window(tokens[start : start + context], start))
        if start + context >= len(tokens):
            return out
        begin = start
        start += context * 3 // 4
        while start > begin + context // 4 and "\n" not in tokens[start].text:
            start -= 1


class Tagger:
    """A discriminator with its lexicon; safe to use from several threads."""

    def __init__(self, model: Discriminator, lexicon: Lexicon) -> None:
        if model.config.tags != len(TAGS):
            raise GatllmError(
                f"the discriminator knows {model.config.tags} tags, this version {len(TAGS)}", "train it again"
            )
        self.model = model.eval()
        self.lexicon = lexicon
        self.context = model.config.context
        self._lock = threading.Lock()  # torch itself uses all cores: two forward passes at once only thrash

    def score(self, windows: Sequence[Window]) -> list[Scores]:
        """Judge windows in one batch."""
        import torch

        if not windows:
            return []
        longest = max(len(window.tokens) for window in windows)
        ids = torch.full((len(windows), longest), self.lexicon.pad_id)
        for row, window in enumerate(windows):
            ids[row, : len(window.tokens)] = torch.tensor([token.id for token in window.tokens])
        padding = ids == self.lexicon.pad_id
        with self._lock, torch.inference_mode():
            fake, error, edit = self.model(ids, padding if bool(padding.any()) else None)
        return [self._read(window, fake[row], error[row], edit[row]) for row, window in enumerate(windows)]

    def _read(self, window: Window, fake: torch.Tensor, error: torch.Tensor, edit: torch.Tensor) -> Scores:
        import torch

        size = len(window.tokens)
        logits = edit[:size].float()
        odds = logits - logits[:, KEEP : KEEP + 1]  # (tokens, tags): log p(tag) / p(keep)
        odds[:, KEEP] = -torch.inf
        best, place = odds.flatten().topk(min(MOST, odds.numel()))
        edits = [
            (value, Edit(window.first + at // len(TAGS), at % len(TAGS)))
            for value, at in zip(best.tolist(), place.tolist(), strict=True)
        ]
        return Scores(float(fake.float().sigmoid()), error[:size].float().sigmoid().numpy(), edits)
