"""The small changes of one file: function by function, and the module where only its own statements changed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple

from gatllm.data.code import apply
from gatllm.data.functions import functions
from gatllm.data.mining.difference import compare, edits
from gatllm.data.mining.filters import Candidate, callees, names_of, parameters, refuse, tree
from gatllm.data.mining.kinds import kind_of
from gatllm.data.workers import serve

_MODULE_LINES = 400  # longer modules are not a single piece of code to look at


def find(old: str, new: str, tokens: int, hunks: int) -> Found:
    """Return the changes between two versions of a module that may be fixed mistakes, and what was refused and why.

    A change has ``name`` (of the function; '' is the module), ``broken``, ``text``, ``edits``, ``kinds``, ``callees``
    (whose arguments changed) and ``what``: its tokens before and after, to find it again elsewhere. ``signatures`` are
    the functions that have other parameters now.
    """
    found: list[dict[str, Any]] = []
    refused: dict[str, list[str]] = {}
    before, after = names_of(old), names_of(new)
    pairs = _pairs(old, new)
    for name, first, second in pairs:
        made = _change(name, first, second, before, after, tokens, hunks)
        if isinstance(made, str):
            refused.setdefault(made, []).append(name)
        else:
            found.append({"name": name, **made})
    return Found(found, refused, _signatures(pairs))


class Found(NamedTuple):
    """What one file holds; see `find`."""

    changes: list[dict[str, Any]]
    refused: dict[str, list[str]]
    signatures: list[str]


def _signatures(pairs: list[tuple[str, str, str]]) -> list[str]:
    """The names by which functions with other parameters are called; a class by its ``__init__`` or ``__new__``."""
    names = [name for name, old, new in pairs if name and parameters(old) != parameters(new)]
    parts = [name.split(".") for name in names]
    return sorted({part[-2] if part[-1] in {"__init__", "__new__"} and len(part) > 1 else part[-1] for part in parts})


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
    name: str, old: str, new: str, before: frozenset[str], after: frozenset[str], tokens: int, hunks: int
) -> dict[str, Any] | str:
    difference = compare(old, new)
    if difference is None:
        return "size"
    if not difference.hunks:
        return "format"
    if len(difference.hunks) > hunks or difference.size() > tokens:
        return "size"
    candidate = Candidate(name, old, new, difference, before, after)
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
        "callees": callees(candidate),
        "what": candidate.hunks,
    }


def _serve() -> None:
    serve(lambda task: json.dumps(find(*json.loads(task))).encode())
