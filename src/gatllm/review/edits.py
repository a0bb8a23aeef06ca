"""From tags back to a text: what each tag does to the characters."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gatllm.review.tags import BRACKETS, KEEP, QUOTES, TAGS, Span, Tag, indentation, is_line, is_space
from gatllm.tokenizers.lexing.words import KEYWORDS

_TIGHT = frozenset((*BRACKETS, *QUOTES, ",", ":", ".", ";", "@", "~", "**", "...", "\\", "_", "f", "r", "b", "s"))
_OPENING = frozenset("([{")
_NEXT_VALUE = re.compile(r"\w+|[\"'(\[{]")
_NO_VALUES = KEYWORDS - {"None", "True", "False", "not", "lambda", "await", "yield"}
_LAST_WORD = re.compile(r"\w+\Z|(?<=[\])])\Z")


class Edit(NamedTuple):
    """A tag at a token; ``word`` is what a tag that only says "a name" puts there."""

    token: int
    tag: int
    word: str = ""


class Change(NamedTuple):
    """Replace the characters from ``start`` to ``end`` (offsets into the text) by ``text``."""

    start: int
    end: int
    text: str


def apply(text: str, tokens: Sequence[Span], edits: Iterable[Edit]) -> str:
    """Apply edits, at most one a token, to the text that ``tokens`` were cut from."""
    return rewrite(text, changes(text, tokens, edits))


def rewrite(text: str, script: Iterable[Change]) -> str:
    """Apply changes (ascending, not overlapping; a later one that overlaps is left out)."""
    out, at = [], 0
    for start, end, new in sorted(script):
        if start < at:
            continue
        out += [text[at:start], new]
        at = end
    return "".join([*out, text[at:]])


def changes(text: str, tokens: Sequence[Span], edits: Iterable[Edit]) -> list[Change]:
    """The edits as changes of characters; an edit that makes no sense at its token changes nothing."""
    out: list[Change] = []
    for number, tag, word in edits:
        if tag != KEEP:
            out += _changes(text, tokens, number, TAGS[tag], word)
    return out


def _changes(text: str, tokens: Sequence[Span], number: int, tag: Tag, word: str) -> list[Change]:  # noqa: PLR0911
    token = tokens[number]
    if _is_prose(token) and tag.action not in ("insert", "insert name", "split", "split deeper"):
        return []
    match tag.action:
        case "insert" | "insert name":
            if not (tag.text or word):
                return []
            lost = [Change(token.end - 1, token.end, "")] if is_line(token) and _odd(token) else []
            return [*lost, _insert(text, token.end, tag.text or word)]
        case "replace" | "rename" | "respell":
            return _replace(text, token, tag.text or word)
        case "cut":
            return _replace(text, token, word)
        case "delete":
            return [_delete(text, token)]
        case "more" | "less" if token.text.isdecimal():
            return [Change(token.start, token.end, str(max(int(token.text) + (1 if tag.action == "more" else -1), 0)))]
        case "swap" | "join":
            return _with_next(tokens, number, tag.action)
        case "split" | "split deeper":
            indent = _indent_at(text, token.end) + ("    " if tag.action == "split deeper" else "")
            end = token.end + (text[token.end : token.end + 1] == " ")
            return [Change(token.end, end, "\n" + indent)]
        case "shift" | "spaces" | "level" | "level deeper" | "tabs" | "delete line" if is_line(token) or not token.text:
            change = _line(text, tokens, number, tag)
            return [] if change is None else [change]
    return []


def _is_prose(token: Span) -> bool:
    """Tell whether the token is a comment or a run of words: no correction is worth losing it."""
    return token.text.startswith("#") or (" " in token.text and not is_line(token) and not is_space(token))


def _odd(line: Span) -> bool:
    """Tell whether a line is indented by an odd number of spaces: one more than it should, after a lost first word."""
    indent = indentation(line.text)
    return len(indent) % 2 == 1 and "\t" not in indent


def _insert(text: str, at: int, new: str) -> Change:
    if new in QUOTES and text[at : at + 1] == " " and _opens(text, at):
        at += 1
    if new in _OPENING and text[at : at + 1] == " ":
        word, following = _LAST_WORD.search(text[max(at - 80, 0) : at]), _NEXT_VALUE.match(text, at + 1)
        calls = word is not None and not keyword.iskeyword(word[0])
        calls = calls and following is not None and following[0] not in _NO_VALUES
        return Change(at, at + 1, new) if calls else Change(at + 1, at + 1, new)  # `print("x"` or `= [x`
    before, after = text[at - 1 : at], text[at : at + 1]
    mark = new not in _TIGHT and new[0] not in _OPENING and not new[0].isalnum()
    spaced = (new.isidentifier() and keyword.iskeyword(new)) or mark
    if new == "=" and _inside_brackets(text, at):
        spaced = False
    left = (
        " "
        if (spaced and before and not before.isspace() and before not in "([{") or _would_merge(before, new[0])
        else ""
    )
    right = (
        " "
        if (spaced and after and not after.isspace() and after not in ")]}:,.") or _would_merge(new[-1], after)
        else ""
    )
    if new == "," and after and not after.isspace() and after not in ")]}":
        right = " "
    if left and after == " " and not right and not spaced:
        left = " "
    return Change(at, at, left + new + right)


def _replace(text: str, token: Span, new: str) -> list[Change]:
    if not new or not token.text or is_line(token):
        return []
    before, after = text[token.start - 1 : token.start] if token.start else "", text[token.end : token.end + 1]
    left = " " if _would_merge(before, new[0]) else ""
    return [Change(token.start, token.end, left + new + (" " if _would_merge(new[-1], after) else ""))]


def _opens(text: str, at: int) -> bool:
    """Tell whether a quote at ``at`` would open a string, not close one, and belongs to what comes after the space."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return (line.count('"') + line.count("'")) % 2 == 0 and not text[at + 1 : at + 2].isspace()


def _would_merge(left: str, right: str) -> bool:
    return bool(left and right) and (left.isalnum() or left == "_") and (right.isalnum() or right == "_")


def _delete(text: str, token: Span) -> Change:
    before, after = text[token.start - 1 : token.start] if token.start else "", text[token.end : token.end + 1]
    if is_line(token) or _would_merge(before, after):
        return Change(token.start, token.end, " ")
    if before == " " and (not after or after in " \r\n)]},:"):
        return Change(token.start - 1, token.end, "")
    if before in ("\n", "([{") and after == " ":
        return Change(token.start, token.end + 1, "")
    return Change(token.start, token.end, "")


def _with_next(tokens: Sequence[Span], number: int, action: str) -> list[Change]:
    others = [i for i in range(number + 1, min(number + 5, len(tokens))) if not is_space(tokens[i])]
    first = tokens[number]
    if action == "swap" and len(others) > 1 and tokens[others[0]].text == ",":
        others.pop(0)
    if not others or not first.text or is_line(first) or is_line(tokens[others[0]]):
        return []
    second = tokens[others[0]]
    if action == "join":
        return [Change(first.end, second.start, "")]
    return [Change(first.start, first.end, second.text), Change(second.start, second.end, first.text)]


def _line(text: str, tokens: Sequence[Span], number: int, tag: Tag) -> Change | None:
    """Move, re-indent or remove the line that the line break ``tokens[number]`` begins."""
    token = tokens[number]
    old = indentation(token.text)
    start = token.end - len(old)
    if tag.action == "delete line":
        return _without_double(text, token)
    before = _indent_at(text, max(text.rfind("\n", 0, token.end), 0))
    match tag.action:
        case "tabs":
            new = "\t" * (len(old.expandtabs(4)) // 4)
        case "spaces":
            new = old.expandtabs(tag.columns)
        case "level":
            new = before
        case "level deeper":
            new = before + "    "
        case _ if "\t" in old and tag.columns % 4 == 0:
            new = "\t" * max(old.count("\t") + tag.columns // 4, 0)
        case _:
            new = " " * max(len(old.expandtabs(8)) + tag.columns, 0)
    return Change(start, token.end, new)


def _without_double(text: str, token: Span) -> Change | None:
    """Remove the line that begins at the end of ``token`` if a neighbour says the same; no repairing by deleting."""
    start = text.rfind("\n", 0, token.end) + 1
    end = text.find("\n", token.end) + 1 or len(text) + 1
    line = text[start : end - 1].strip()
    before = text[text.rfind("\n", 0, max(start - 1, 0)) + 1 : max(start - 1, 0)].strip()
    after = text[end : text.find("\n", end) if "\n" in text[end:] else len(text)].strip()
    return Change(start, min(end, len(text)), "") if line and line in (before, after) else None


def _indent_at(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _inside_brackets(text: str, at: int) -> bool:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return sum(line.count(c) for c in "([{") > sum(line.count(c) for c in ")]}")
