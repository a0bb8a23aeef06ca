"""What a text is about: its words, with identifiers taken apart and endings cut."""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|\d+")
_HUMP = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ers", "ed", "er", "es", "s", "e", "y")

# Words of asking, not of what is asked about, and the language's glue: "write" brings a prompt no nearer to code.
_SILENT_WORDS = """a an and any are as at be but by can could do does for from give given has have how if in into is it
its let me my need not of on only or our please should show so some such that the their them then there these this to
use used using want was we what when where which who will with would you your write python function functions code
program method script explain example def return returns returning none self cls true false import class call called
etc"""
_SILENT = frozenset(_SILENT_WORDS.split())


def stem(word: str) -> str:
    """Cut a common English ending, leaving at least three letters; ``reversing`` and ``reversed`` become one term."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            cut = word[: -len(ending)]
            return cut[:-1] if len(cut) > 3 and cut[-1] == cut[-2] and cut[-1] not in "ls" else cut
    return word


@lru_cache(maxsize=1 << 18)
def _parts(found: str) -> tuple[str, ...]:
    parts = (part.lower() for part in _HUMP.findall(found) or [found])
    return tuple(stem(part) for part in parts if len(part) > 1 and part not in _SILENT)


def words(text: str) -> list[str]:
    """Return the stemmed words of a text in order; ``readAllLines`` and ``read_all_lines`` are three words."""
    return [part for found in _WORD.findall(text) for part in _parts(found)]
