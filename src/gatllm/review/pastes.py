"""What copying from a page, a chat or a terminal leaves in code: taken away in the line that the compiler names."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "′": "'"})
_SIGNS = str.maketrans({
    "–": "-", "—": "-", "−": "-", "×": "*", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=", "…": "...",
    "，": ",", "：": ":", "；": ";", "（": "(", "）": ")", "\u3000": " ",
})  # fmt: skip
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d+);")
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u205f]")
_INVISIBLE = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff\u00ad\x00-\x08\x0e-\x1f\x7f]")
_FENCE = re.compile(r"\s*(?:```|~~~)[\w+-]*\s*")
_PROMPT = re.compile(r"[ \t]*(?:>>>|\.\.\.)(?: |$)")
_IPYTHON = re.compile(r"(?:In \[\d+\]:|   \.{3,}:)(?: |$)")
_NUMBER = re.compile(r"[ \t]*(\d+)(?:[ \t]*[:|.)])?(?:[ \t]|$)")


def cleaned(text: str, start: int, end: int) -> Iterator[str]:
    """Yield ``text`` without what pasting left in the line from ``start`` to ``end``, or in every line like it."""
    line = text[start:end]
    if _FENCE.fullmatch(line):
        yield text[:start] + text[end + 1 :]
    if _PROMPT.match(line):
        yield _answers_aside(text, _PROMPT)
    if _IPYTHON.match(line):
        yield _answers_aside(text, _IPYTHON)
    if _NUMBER.match(line):
        yield from _without_numbers(text)
    if _ENTITY.search(line):  # then others are one, too: `a &amp; b` is two statements
        yield html.unescape(text).replace("\u00a0", " ")
    visible = _INVISIBLE.sub("", _SPACES.sub(" ", line))
    for new in (visible, visible.translate(_QUOTES), visible.translate(_QUOTES).translate(_SIGNS)):
        if new != line:
            yield text[:start] + new + text[end:]


def _answers_aside(text: str, prompt: re.Pattern[str]) -> str:
    """A session without its prompts; what the terminal answered becomes comments."""
    out = []
    for line in text.split("\n"):
        found = prompt.match(line)
        out.append(line[found.end() :] if found else f"# {line}" if line.strip() else line)
    return "\n".join(out)


def _without_numbers(text: str) -> Iterator[str]:
    """A listing without the numbers of its lines, where each line has the next."""
    lines = text.split("\n")
    found = [_NUMBER.match(line) for line in lines if line.strip()]
    numbers = [int(one[1]) for one in found if one]
    if len(numbers) < 2 or len(numbers) < len(found) or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return
    width = min((len(line) - len(line[one.end() :].lstrip()) for line, one in _rests(lines)), default=0)
    yield "\n".join(line[min(width, len(line)) :] for line in lines)


def _rests(lines: list[str]) -> Iterator[tuple[str, re.Match[str]]]:
    for line in lines:
        found = _NUMBER.match(line)
        if found and line[found.end() :].strip():
            yield line, found
