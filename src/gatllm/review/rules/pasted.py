"""What copying from a page, a chat or a terminal leaves in code: taken away in the line that the compiler names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatllm.review.critics import Finding
from gatllm.review.region import line_span
from gatllm.review.rules.rule import ANY, Rule
from gatllm.tokenizers.lexing.lenient import outside_strings

_LONGEST = 1000  # characters of a line that is looked at
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "′": "'"})
_SIGNS = str.maketrans({
    "–": "-", "—": "-", "−": "-", "×": "*", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=", "…": "...",
    "，": ",", "：": ":", "；": ";", "（": "(", "）": ")", "\u3000": " ",
})  # fmt: skip
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u205f]")
_INVISIBLE = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff\u00ad\x00-\x08\x0e-\x1f\x7f]")
_FENCE = re.compile(r"\s*(?:```|~~~)[\w+-]*\s*")
_PROMPT = re.compile(r"[ \t]*>>>(?: |(?=\S)|\r?$)|[ \t]*\.\.\.(?: |\r?$)")
_IPYTHON = re.compile(r"In \[\d+\]:(?: |\r?$)|   \.{3,}:(?: |\r?$)")
_NUMBER = re.compile(r"([ \t]*)(\d+)(?:[ \t]*[:|.)])?([ \t]+|$)")


def cleaned(text: str, start: int, end: int) -> Iterator[str]:
    """Yield ``text`` without what pasting left in the line from ``start`` to ``end``: outside strings first."""
    line = text[start:end]
    if _FENCE.fullmatch(line):
        yield text[:start] + text[end + 1 :]
    if line.lstrip().startswith(">>>"):
        yield text[:start] + line.replace(">>>", "", 1).removeprefix(" ") + text[end:]
    bare = outside_strings(line)
    if not outside_strings(line + " ")[-1]:  # a quote of print closes a string: what lies in it then keeps its signs
        turned = _visible(line).translate(_QUOTES)
        outside = outside_strings(turned + " ")
        if outside[-1] and turned != line:
            new = "".join(_plain(letter) if out else letter for letter, out in zip(turned, outside, strict=False))
            yield text[:start] + new + text[end:]
    for change in (_visible, lambda part: _visible(part).translate(_QUOTES), _plain):
        new = "".join(change(letter) if out else letter for letter, out in zip(line, bare, strict=True))
        if new != line:
            yield text[:start] + new + text[end:]
    if (new := _plain(line)) != line:
        yield text[:start] + new + text[end:]


def _visible(part: str) -> str:
    return _INVISIBLE.sub("", _SPACES.sub(" ", part))


def _plain(part: str) -> str:
    return _visible(part).translate(_QUOTES).translate(_SIGNS)


def unnumbered(text: str, error: Finding) -> Iterator[str]:
    """Yield ``text`` without what pasting left in many of its lines, where that of the error has it."""
    lines = text.split("\n")
    line = lines[error.line - 1] if error.line <= len(lines) else ""
    first = next((one for one in lines if one.strip()), "")
    for prompt in (_PROMPT, _IPYTHON):
        if prompt.match(first) and not first.lstrip().startswith("..."):
            found = [prompt.match(one) for one in lines]
            # What the terminal answered becomes comments; where few lines have a prompt the others may be code.
            answers = [f"# {one}" if one.strip() else one for one in lines]
            code, session = (
                "\n".join(one[at.end() :] if at else other for one, at, other in zip(lines, found, rest, strict=True))
                for rest in (lines, answers)
            )
            asked, all_lines = sum(at is not None for at in found), sum(bool(one.strip()) for one in lines)
            yield from (session, code) if 2 * asked >= all_lines else (code, session)
    if _NUMBER.match(line):
        yield from _without_numbers(lines)


def _without_numbers(lines: list[str]) -> Iterator[str]:
    """A listing without the numbers of its lines, where each line has the next."""
    found = [(line, _NUMBER.match(line)) for line in lines if line.strip()]
    numbers = [int(one[2]) for _, one in found if one]
    rests = [line[one.end() :] for line, one in found if one and line[one.end() :]]
    if len(numbers) < 2 or len(numbers) < len(found) or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return
    if any(rest[0].isdigit() for rest in rests) or len(rests) * 2 < len(found):
        return  # a table
    shown = [one for line, one in found if one and line[one.end() :]]
    width, gap = min(one.end() for one in shown), min(len(one[3]) for one in shown)
    yield "\n".join(line[width:] for line in lines)  # numbers to the right
    yield "\n".join(line[one.end() - len(one[3]) + gap :] if (one := _NUMBER.match(line)) else line for line in lines)


def _in_line(text: str, error: Finding) -> Iterator[str]:
    for number in (error.line, error.line - 1):
        start, end = line_span(text, number) if number > 0 else (0, 0)
        if 0 < end - start <= _LONGEST:
            yield from cleaned(text, start, end)


RULES = (
    Rule(
        "session",
        ANY,
        "Prompts of Python or IPython, or the numbers of lines, in front of the code.",
        "A page or a terminal shows them. What the terminal answered becomes a comment.",
        ">>> f = 1\n>>> f\n<1 of 2>\n",
        "f = 1\nf\n# <1 of 2>\n",
        unnumbered,
        whole=True,
    ),
    Rule(
        "signs-of-print",
        ANY,
        "Quotes, dashes and spaces as a page prints them, a fence, a prompt.",
        "A word processor or a page writes them for Python's own; strings keep theirs where they can.",
        "print(“hello”)\n",
        'print("hello")\n',
        _in_line,
    ),
)
