"""What a text may go on with, by the text itself: whoever mends or explains code writes most of it once more.

Prompt-lookup decoding (Saxena, 2023; after Yang et al., "Inference with Reference", 2023): where the last tokens
occurred before, those that followed them then are read along with the next token. The model says for each of them what
it would have written there: as far as they agree, one step wrote several tokens, the ones that it would have written
alone.
"""

from __future__ import annotations

from collections.abc import Sequence

_SHORT, _LONG = 3, 8  # tokens that must have occurred before; more of them point to a place more surely


class Lookup:
    """Finds in the tokens of a text what followed the last ones earlier."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens: list[int] = []
        self._places: dict[tuple[int, ...], int] = {}  # the last tokens: where the next one stands
        self.extend(tokens)

    def extend(self, tokens: Sequence[int]) -> None:
        """Take further tokens of the text."""
        for token in tokens:
            for length in (_SHORT, _LONG):
                if len(self._tokens) >= length:
                    self._places[tuple(self._tokens[-length:])] = len(self._tokens)
            self._tokens.append(token)

    def following(self, most: int) -> list[int]:
        """Return up to ``most`` tokens that followed the last ones where they occurred before."""
        for length in (_LONG, _SHORT):
            if (place := self._places.get(tuple(self._tokens[-length:]))) is not None:
                return self._tokens[place : place + most]
        return []
