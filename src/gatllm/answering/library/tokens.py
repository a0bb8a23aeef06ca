"""Code and prose as arrays of tokens, as they are (verbatim) or with names and literals collapsed (structure).

Everything is done on whole arrays of bytes: a lexer that takes one token after the other reads some MB a second, and
an index of 200 MB must not take minutes. A token is a run of word characters or one sign; space is none, so that
layout does not matter. Both streams are self-consistent rather than exact: what counts is that the same passage gives
the same tokens in a dataset and in an answer.
"""

from __future__ import annotations

import keyword
import re
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Places = NDArray[np.int64]

Kind = Literal["verbatim", "structure"]
KINDS: tuple[Kind, ...] = ("verbatim", "structure")

_SPACE, _WORD, _SIGN = 0, 1, 2
# Of names, structure keeps those that a renaming leaves alone: keywords, built-ins, methods of the built-in types.
_KEPT = """abs all any bool bytes dict dir enumerate filter float format frozenset getattr hasattr hash hex id input int
isinstance issubclass iter len list map max min next object open ord pow print property range repr reversed round set
setattr slice sorted staticmethod str sum super tuple type zip self cls append extend insert pop remove sort reverse
index count copy clear keys values items get update setdefault add discard union join split strip lstrip rstrip lower
upper replace find startswith endswith isdigit isalpha isalnum encode decode read write close readlines
ValueError TypeError KeyError IndexError Exception RuntimeError AttributeError StopIteration OSError"""
# Strings first (three quotes before one), then comments: a sign of either kind means nothing inside the other.
_LITERAL = re.compile(
    rb'"""[\s\S]*?(?:"""|\Z)|\'\'\'[\s\S]*?(?:\'\'\'|\Z)'
    rb'|"[^"\\\n]*+(?:\\[\s\S][^"\\\n]*+)*+"?|\'[^\'\\\n]*+(?:\\[\s\S][^\'\\\n]*+)*+\'?|#[^\n]*+'
)


class Tokens(NamedTuple):
    """A text's tokens: what each is (equal tokens have equal hashes), and which bytes it occupies."""

    hashes: Hashes
    starts: Places
    ends: Places


def tokenize(text: bytes) -> dict[Kind, Tokens]:
    """Return both streams of a text; NUL bytes are tokens too (they separate documents)."""
    import numpy as np

    verbatim = _runs(np.frombuffer(text, np.uint8))
    kept = np.flatnonzero(~_inside_literals(text)[verbatim.starts])
    names = Tokens(verbatim.hashes[kept], verbatim.starts[kept], verbatim.ends[kept])
    return {"verbatim": verbatim, "structure": Tokens(_collapsed(names.hashes), names.starts, names.ends)}


def _inside_literals(text: bytes) -> NDArray[np.bool_]:
    """Tell which bytes structure leaves out: comments, and all of a string but its first quote."""
    import numpy as np

    spans = np.array([found.span() for found in _LITERAL.finditer(text)], np.int64).reshape(-1, 2)
    steps = np.zeros(len(text) + 1, np.int8)
    is_comment = np.frombuffer(text, np.uint8)[spans[:, 0]] == ord("#") if len(spans) else spans[:, 0] > 0
    steps[spans[:, 0] + ~is_comment] = 1
    steps[spans[:, 1]] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)


def _runs(data: NDArray[np.uint8]) -> Tokens:
    """Cut into runs of word characters and single signs, and hash each.

    The hash of a run is the difference of two prefix sums of byte values times powers of an odd number, scaled back by
    the inverse power (all modulo 2^64), so that it does not depend on where the run lies.
    """
    import numpy as np

    classes, values = _tables()
    kinds = classes[data]
    inside = kinds == _WORD
    before = np.empty_like(inside)
    before[:1] = False
    before[1:] = inside[:-1]
    is_start = (kinds == _SIGN) | (inside & ~before)
    starts = np.flatnonzero(is_start)
    after = np.empty_like(inside)
    after[-1:] = False
    after[:-1] = inside[1:]
    ends = np.flatnonzero((kinds == _SIGN) | (inside & ~after)) + 1
    powers, inverses = powers_to(len(data))
    sums = np.zeros(len(data) + 1, np.uint64)
    np.cumsum(values[data] * powers[: len(data)], out=sums[1:])
    return Tokens(mix((sums[ends] - sums[starts]) * inverses[starts]), starts, ends)


def _collapsed(hashes: Hashes) -> Hashes:
    """Give all names and numbers one hash; what `_KEPT` and the signs are stays."""
    import numpy as np

    fixed, name = _fixed()
    collapsed: Hashes = np.where(fixed[hashes & np.uint64(len(fixed) - 1)] == hashes, hashes, name)
    return collapsed


@cache
def _fixed() -> tuple[Hashes, np.uint64]:
    """Return a table with each token that stays at the place its last bits name, and the hash that names get."""
    import numpy as np

    signs = [chr(code) for code in range(33, 127) if not (chr(code).isalnum() or chr(code) == "_")]
    text = " ".join([*keyword.kwlist, _KEPT, *signs]) + " \0"
    fixed = np.unique(_runs(np.frombuffer(text.encode(), np.uint8)).hashes)
    size = 1 << 10
    while len(np.unique(fixed & np.uint64(size - 1))) < len(fixed):  # until no two share a place
        size *= 2
    table = np.zeros(size, np.uint64)
    table[fixed & np.uint64(size - 1)] = fixed
    return table, _runs(np.frombuffer(b"x", np.uint8)).hashes[0]


@cache
def _tables() -> tuple[NDArray[np.uint8], Hashes]:
    """Return each byte's class and its value in a hash."""
    import numpy as np

    classes = np.full(256, _SIGN, np.uint8)
    classes[1:33] = _SPACE
    classes[127] = _SPACE
    classes[128:] = _WORD
    for byte in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_":
        classes[byte] = _WORD
    values = mix(np.arange(1, 257, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    values[ord("'")] = values[ord('"')]  # which quotes a string has is layout
    return classes, values


_powers: list[tuple[Hashes, Hashes]] = []  # the newest last; threads may be reading the ones before


def powers_to(count: int) -> tuple[Hashes, Hashes]:
    """Return at least ``count`` powers of an odd number and of its inverse, modulo 2^64."""
    import numpy as np

    if not _powers or len(_powers[-1][0]) <= count:
        size = 1 << max(count, 1 << 12).bit_length()
        base = 0x5851F42D4C957F2D
        rows = []
        for factor in (base, pow(base, -1, 1 << 64)):
            row = np.full(size, factor, np.uint64)
            row[0] = 1
            rows.append(np.multiply.accumulate(row))
        _powers.append((rows[0], rows[1]))
        return _powers[-1] if len(_powers[-1][0]) > count else (rows[0], rows[1])
    return _powers[-1]


def mix(values: Hashes) -> Hashes:
    """Spread every bit of a number over all 64 (the finaliser of MurmurHash3, public domain)."""
    import numpy as np

    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))


def windows(hashes: Hashes, width: int) -> Hashes:
    """Return the hash of every ``width`` tokens in a row, shape ``(tokens - width + 1,)``."""
    import numpy as np

    count = len(hashes) - width + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    powers, inverses = powers_to(len(hashes))
    sums = np.zeros(len(hashes) + 1, np.uint64)
    np.cumsum(hashes * powers[: len(hashes)], out=sums[1:])
    return mix((sums[width:] - sums[:count]) * inverses[:count])
