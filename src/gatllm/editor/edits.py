"""From a text and what it became to the least replacements between them, so that nothing else is touched."""

from __future__ import annotations

from difflib import SequenceMatcher

from gatllm.editor.positions import Replacement
from gatllm.tokenizers.lexing.lenient import scan

_FEW = 400  # lexemes of a changed stretch that are compared one by one


def edits(before: str, after: str) -> list[Replacement]:
    """Return what turns ``before`` into ``after``, ascending: by lines first, by lexemes within changed lines."""
    if before == after:
        return []
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    offset = sum(map(len, old[:head]))
    old, new = old[head : len(old) - tail], new[head : len(new) - tail]
    out: list[Replacement] = []
    at = offset
    for tag, first, last, other, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, come = "".join(old[first:last]), "".join(new[other:end])
        if tag != "equal":
            out += _within(at, gone, come)
        at += len(gone)
    return out


def _common(first: list[str], second: list[str]) -> int:
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def _within(at: int, gone: str, come: str) -> list[Replacement]:
    """The changes of a stretch of lines, lexeme by lexeme."""
    old, new = ([text for _, text, _, _ in scan(part)] for part in (gone, come))
    if not gone or not come or max(len(old), len(new)) > _FEW:
        return [Replacement(at, at + len(gone), come)]
    out = []
    for tag, first, last, other, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        removed, added = "".join(old[first:last]), "".join(new[other:end])
        if tag != "equal":
            out.append(_trimmed(at, removed, added))
        at += len(removed)
    return out


def _trimmed(at: int, gone: str, come: str) -> Replacement:
    """A replacement without the characters that both sides begin and end with."""
    most = min(len(gone), len(come))
    head = next((n for n in range(most) if gone[n] != come[n]), most)
    tail = next((n for n in range(most - head) if gone[-1 - n] != come[-1 - n]), most - head)
    return Replacement(at + head, at + len(gone) - tail, come[head : len(come) - tail])
