"""Turns tokens that arrive one by one into text: whole characters only, cut at stop strings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_BROKEN = "\ufffd"


class Detokenizer:
    """Collects the tokens of one answer and hands out the text that is certain.

    Text is held back while its last character is not complete (a character may span several byte-level tokens) and
    while its end might be the beginning of a stop string. Each token is decoded with a few before it only, so that a
    long answer costs linear time. ``lead`` is a character that stands between what was asked and the answer, and
    belongs to neither.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stop: Sequence[str] = (), lead: str = "") -> None:
        self._decode = decode
        self._stop = [text for text in stop if text]
        self._tokens: list[int] = []
        self._context = 0  # where the tokens begin that are decoded together with the next one
        self._known = 0  # tokens before this one are already text
        self._held = ""
        self._lead = lead
        self.text = ""
        self.stopped = False

    def add(self, token: int) -> str:
        """Take one token and return the text that became certain by it."""
        self._tokens.append(token)
        before = self._decode(self._tokens[self._context : self._known])
        after = self._decode(self._tokens[self._context :])
        if len(after) <= len(before) or after.endswith(_BROKEN):
            return ""
        self._context, self._known = self._known, len(self._tokens)
        return self._release(after[len(before) :])

    def flush(self) -> str:
        """Return what was held back: no more tokens come."""
        if self.stopped:
            return ""
        before = self._decode(self._tokens[self._context : self._known])
        rest = self._decode(self._tokens[self._context :])[len(before) :]
        self._context = self._known = len(self._tokens)
        certain = self._release(rest)
        held, self._held = self._held, ""
        self.text += held
        return certain + held

    def _release(self, piece: str) -> str:
        if piece and self._lead:
            piece, self._lead = piece.removeprefix(self._lead), ""
        held = self._held + piece
        ends = [at for text in self._stop if (at := held.find(text)) >= 0]
        if ends:
            self.stopped = True
            certain, self._held = held[: min(ends)], ""
        else:
            keep = self._possible_stop(held)
            certain, self._held = held[: len(held) - keep], held[len(held) - keep :]
        self.text += certain
        return certain

    def _possible_stop(self, held: str) -> int:
        """Return the length of the longest end of ``held`` that a stop string begins with."""
        longest = max((len(text) - 1 for text in self._stop), default=0)
        for size in range(min(longest, len(held)), 0, -1):
            if any(text.startswith(held[-size:]) for text in self._stop):
                return size
        return 0
