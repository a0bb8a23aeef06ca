"""The small changes of one file: function by function, and the module where only its own statements changed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from gatllm.data.code import apply
from gatllm.data.functions import functions
from gatllm.data.mining.difference import compare, edits
from gatllm.data.mining.filters import Candidate, names_of, refuse, tree
from gatllm.data.mining.kinds import kind_of
from gatllm.data.workers import serve

_MODULE_LINES = 400  # longer modules are no single piece of code to look at


def find(old: str, new: str, tokens: int, hunks: int) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """Return the changes between two versions of a module that may be mended mistakes, and what was refused and why.

    A change has ``name`` (of the function; '' is the module), ``broken``, ``text``, ``edits``, ``kinds`` and ``what``:
    its tokens before and after, to find it again elsewhere.
    """
    found: list[dict[str, Any]] = []
    refused: dict[str, list[str]] = {}
    before, after = names_of(old), names_of(new)
    for name, first, second in _pairs(old, new):
        made = _change(first, second, before, after, tokens, hunks)
        if isinstance(made, str):
            refused.setdefault(made, []).append(name)
        else:
            found.append({"name": name, **made})
    return found, refused


def _pairs(old: str, new: str) -> list[tuple[str, str, str]]:
    """Functions that differ, by a name that only one of them has; the whole module where none does."""
    sides = [{one.name: one.text for one in _unique(text)} for text in (old, new)]
    pairs = [
        (name, text, sides[1][name]) for name, text in sides[0].items() if name in sides[1] and text != sides[1][name]
    ]
    if not pairs and sides[0].keys() == sides[1].keys() and old.count("\n") <= _MODULE_LINES:
        return [("", _unix(old), _unix(new))]
    return pairs


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _unique(text: str) -> list[Any]:
    found = functions(text)
    counts = Counter(one.name for one in found)
    return [one for one in found if counts[one.name] == 1]


def _change(
    old: str, new: str, before: frozenset[str], after: frozenset[str], tokens: int, hunks: int
) -> dict[str, Any] | str:
    difference = compare(old, new)
    if difference is None:
        return "size"
    if not difference.hunks:
        return "format"
    if len(difference.hunks) > hunks or difference.size() > tokens:
        return "size"
    candidate = Candidate(old, new, difference, before, after)
    if (reason := refuse(candidate)) is not None:
        return reason
    made = edits(difference, old, new)
    text = apply(old, made)
    # Docstrings and comments stay as they were, so it is the trees that must agree, not the texts.
    if tree(text) != tree(new):
        return "unaligned"
    return {
        "broken": old,
        "text": text,
        "edits": [list(edit) for edit in made],
        "kinds": [kind_of(difference, hunk) for hunk in difference.hunks],
        "what": [[" ".join(one), " ".join(two)] for one, two in candidate.hunks],
    }


def _serve() -> None:
    serve(lambda task: json.dumps(find(*json.loads(task))).encode())
