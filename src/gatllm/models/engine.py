"""One loop in which all running answers of a model grow together: new ones join, finished ones leave.

A step for eight answers costs little more than a step for one, as it is bound by the bytes of the weights. So whoever
asks while others are answered is read beside their next tokens, a part of a long prompt at a time, and nobody waits for
an answer to end (continuous batching: Yu et al., "Orca", OSDI 2022; prompts in parts: Agrawal et al.,
"Sarathi-Serve", OSDI 2024). 🤗 Transformers' own batching is made for paged memory of accelerators and samples all
answers alike; here each draws its own numbers, so that an answer is the same whatever else is being answered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gatllm.models.chat import ChatOptions
from gatllm.models.decoding import common, draw
from gatllm.models.lookup import Lookup
from gatllm.models.rows import LibraryCache, RowCache, RowReader

if TYPE_CHECKING:
    import torch

_PART = 256  # tokens of new prompts that a step reads: those who wait for their next token wait for them too
_WORTH = 8  # shared tokens from which on copying keys and values costs less than reading again
_KEPT = 4096  # tokens of ended texts whose keys and values stay: 0.1 GB of the default generator
_IDLE = 5.0  # seconds without work after which the thread ends


class Row:
    """One text that grows.

    Args:
        prompt: its first tokens, one at least.
        options: how each next one is chosen.
        seed: of its own random numbers.
        take: told each new token and its log-probability; true ends the text. On the loop's thread: it must be quick.
        fail: told why there will be no further token.
    """

    def __init__(
        self,
        prompt: Sequence[int],
        options: ChatOptions,
        seed: int,
        take: Callable[[int, float], bool],
        fail: Callable[[BaseException], None],
    ) -> None:
        import torch

        self.tokens = list(prompt)
        self.over = False  # set by anybody: the row leaves before the next step
        self.options, self.take, self.fail = options, take, fail
        self.cache: RowCache | LibraryCache | None = None
        self.lookup: Lookup | None = None
        self._random = torch.Generator().manual_seed(seed)

    @property
    def read(self) -> int:
        """How many of its tokens the model has read."""
        return self.cache.length if self.cache is not None else 0

    def choose(self, logprobs: torch.Tensor) -> list[int]:
        """Return the next token for each row of log-probabilities (tokens, vocabulary)."""
        return draw(logprobs, self.options, [self._random] * len(logprobs)).tolist()


@dataclass(slots=True)
class _Part:
    """What a step reads of a row: tokens, and behind the last one those that may follow it."""

    row: Row
    tokens: Sequence[int]
    guessed: Sequence[int]
    last: bool  # with these the whole text is read: the next token can be told

    def as_work(self) -> tuple[RowCache | LibraryCache, Sequence[int], int]:
        assert self.row.cache is not None  # noqa: S101  # it has begun
        return self.row.cache, [*self.tokens, *self.guessed], len(self.guessed) + 1 if self.last else 0


class Engine:
    """Lets the texts of one model grow, in a thread that is there while there is work.

    ``ahead``: how many tokens a step may read along with the next one where a text repeats itself (see `Lookup`), all
    rows together; it pays where a step costs about the same for all of them.
    """

    def __init__(self, model: Any, *, ahead: int = 0) -> None:
        self._reader = RowReader(model)
        self._places = getattr(model.config, "max_position_embeddings", None)
        self._ahead = ahead
        self._rows: list[Row] = []  # of the loop alone, as is what follows; what joins comes by `_joining`
        self._kept: list[tuple[list[int], RowCache | LibraryCache]] = []  # ended texts, the last used last
        self._joining: list[Row] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def join(self, rows: Iterable[Row]) -> None:
        """Let texts grow from the next step on, each until it is over."""
        with self._changed:
            self._joining += rows
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while self._has_work():
            try:
                self._leave()
                self._step()
            except BaseException as error:  # whatever it is: nobody may wait for ever
                for row in self._rows:
                    self._end(row, error)

    def _has_work(self) -> bool:
        with self._changed:
            if not self._rows and not self._joining:
                self._changed.wait(_IDLE)
            self._rows += self._joining
            self._joining.clear()
            if not self._rows:
                self._thread = None
            return bool(self._rows)

    def _leave(self) -> None:
        """Take out who is over, and keep what they read."""
        for row in self._rows:
            if row.over and row.read >= _WORTH:
                self._keep(row)
        self._rows = [row for row in self._rows if not row.over]

    def _step(self) -> None:
        for part, logprobs in self._read(self._parts()):
            try:
                if part.last:
                    self._write(part, logprobs)
            except BaseException as error:
                self._end(part.row, error)

    def _parts(self) -> list[_Part]:
        """Return what the next step reads: of each running text its last token, and parts of new prompts."""
        begun = [row for row in self._rows if row.cache is not None or self._begin(row)]
        writing = [row for row in begun if len(row.tokens) - row.read == 1]
        ahead, room, parts = max(0, self._ahead + 1 - len(writing)), _PART, []
        for row in begun:
            new = row.tokens[row.read : row.read + _PART]
            last = row.read + len(new) == len(row.tokens)
            guessed: list[int] = []
            if len(new) == 1 and last:
                guessed = self._guess(row, ahead)
                ahead -= len(guessed)
            elif len(new) > room:
                continue  # parts begin and end at the same places whoever else is read: so does rounding
            else:
                room -= len(new)
            parts.append(_Part(row, new, guessed, last))
        return parts

    def _begin(self, row: Row) -> bool:
        """Give a row its cache, with what another has read of the same; false: one is just reading it."""
        most, best = _WORTH - 1, None
        read = [(each.tokens, each.cache, len(each.tokens)) for each in self._rows if each.cache is not None]
        for tokens, cache, end in [*((kept, cache, 0) for kept, cache in self._kept), *read]:
            assert cache is not None  # noqa: S101
            shared = min(common(tokens, row.tokens), len(row.tokens) - 1)  # it needs one of its own to go on from
            if cache.length < shared < end and 2 * shared > len(row.tokens):
                return False
            if min(shared, cache.length) > most:
                most, best = min(shared, cache.length), cache
        row.cache = (best.copy(most) if best is not None else None) or self._reader.new_cache()
        return True

    def _guess(self, row: Row, most: int) -> list[int]:
        """Return what may follow the last token; nothing where it is drawn, or can't be taken back."""
        assert row.cache is not None  # noqa: S101
        if self._places is not None:
            most = min(most, self._places - len(row.tokens))
        if most <= 0 or row.options.temperature > 0 or not self._reader.can_crop(row.cache):
            return []
        if row.lookup is None:
            row.lookup = Lookup(row.tokens)
        return row.lookup.following(most)

    def _read(self, parts: list[_Part]) -> list[tuple[_Part, torch.Tensor]]:
        """Read all parts in one step; where that fails each by itself, so that only those fail who are at fault."""
        try:
            if len(parts) == 1 or (parts and self._reader.together):
                return list(zip(parts, self._reader.read([part.as_work() for part in parts]), strict=True))
        except NotImplementedError:
            self._reader.separate()
            for row in self._rows:  # what was read the other way begins anew
                row.cache = None
            self._kept.clear()
            return []
        except BaseException as error:
            if len(parts) == 1:
                self._end(parts[0].row, error)
                return []
        return [found for part in parts for found in self._read([part])]

    def _write(self, part: _Part, logprobs: torch.Tensor) -> None:
        """Let a row grow by the next token, and by those that were guessed right."""
        row, cache = part.row, part.row.cache
        assert cache is not None  # noqa: S101
        chosen = row.choose(logprobs)
        right = common(part.guessed, chosen)
        if wrong := len(part.guessed) - right:
            cache.crop(cache.length - wrong)
        for at, token in enumerate(chosen[: right + 1]):
            row.tokens.append(token)
            if row.lookup is not None:
                row.lookup.extend([token])
            if row.over or row.take(token, float(logprobs[at, token])):
                row.over = True
                if cache.length > len(row.tokens):
                    cache.crop(len(row.tokens))
                return

    def _end(self, row: Row, error: BaseException) -> None:
        row.over, row.cache = True, None  # what a failed step left in it is not to be relied on
        row.fail(error)

    def _keep(self, row: Row) -> None:
        """Keep what a row read, in place of the earlier turns of the same conversation."""
        assert row.cache is not None  # noqa: S101
        text = row.tokens[: row.cache.length]
        kept = [(tokens, cache) for tokens, cache in self._kept if tokens != text[: len(tokens)]]
        kept.append((text, row.cache))
        while sum(len(tokens) for tokens, _ in kept) > _KEPT:
            del kept[0]
        self._kept = kept
