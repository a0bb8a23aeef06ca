"""The generator's own repair: it writes the broken lines once more, and what need not differ is taken back.

Rules, search and discriminator put marks right around what is there. A language model for code reads what the lines
say, and proposes what none of them has: the words that should have been a string, the name that a keyword stands for.
What it proposes is one repair among others: the gate judges it as it judges all. Where it writes what another had found
without it, both are hardly ever wrong together.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from difflib import SequenceMatcher
from typing import NamedTuple

from gatllm.review.critics import Finding, compile_error
from gatllm.review.gate import minimal

# Answers a question (both as one text) by a language model, greedily, with so many tokens at most.
Write = Callable[[str, int], str]

_SHORT, _LONGEST = 16, 1500  # lines and characters of a text that is shown whole
_ABOVE, _BELOW = 8, 4  # lines of a longer one that are shown beside that of the error
_MOST = 2000  # bytes, of which a token has one at least: question and answer fit into a small context
_LEAST = 3  # lines above it in any case: the slip is often there
_ERRORS = 3  # one after the other, at most
_MORE = 40  # tokens that an answer may have more than one for every two characters that are shown
_BLANK = 1 << 20  # columns of a line that has no margin to go by
_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)^```", re.S | re.M)


class _Excerpt(NamedTuple):
    """Lines of a text, from ``first`` (from 0) to one before ``last``, and the margin that all of them lack here."""

    first: int
    last: int
    margin: str
    text: str


def rewritten(text: str, error: Finding, write: Write) -> str | None:
    """Return the text as the language model mends it, with no edit that it compiles without; None where it does not.

    It is asked again about what is left, as long as that lies further down.

    Args:
        text: what does not compile.
        error: what the compiler says of it.
        write: the language model.
    """
    current, left = text, error
    for _ in range(_ERRORS):
        answer = _answered(current, left, write)
        if answer is None:
            return None
        if (after := compile_error(answer)) is None:
            return minimal(text, answer)
        if after.line <= left.line:
            return None
        current, left = answer, after
    return None


def _answered(text: str, error: Finding, write: Write) -> str | None:
    """Return the text with the lines that the language model wrote in place of those around an error."""
    shown = _excerpt(text, error)
    if "```" in shown.text or len(shown.text.encode(errors="replace")) > _MOST:
        return None
    question = (
        f"This Python code does not compile: line {error.line - shown.first}: {error.message}. Correct the typing"
        f" mistake, change nothing else, and answer with the whole code only.\n```python\n{shown.text}```"
    )
    answer = _FENCE.search(write(question, len(shown.text) // 2 + _MORE) + "\n")
    if answer is None:
        return None
    lines = text.split("\n")
    old, new = lines[shown.first : shown.last], answer[1].rstrip("\n").split("\n")
    new = [shown.margin + line if line.strip() else line for line in new]
    if old and not old[-1].strip():
        new.append(old[-1])
    as_it_was, as_written = (
        "\n".join([*lines[: shown.first], *mended, *lines[shown.last :]]) for mended in (_as_indented(old, new), new)
    )
    return as_written if compile_error(as_it_was) is not None and compile_error(as_written) is None else as_it_was


def _excerpt(text: str, error: Finding) -> _Excerpt:
    """The lines around an error that say enough of it: all of a short text, or what is indented as far and its head."""
    lines = text.split("\n")
    if len(lines) <= _SHORT and len(text) <= _LONGEST:
        return _Excerpt(0, len(lines), "", text if text.endswith("\n") else text + "\n")
    at = min(error.line, len(lines)) - 1
    widths = [len(_margin(line)) if line.strip() else _BLANK for line in lines]
    first = max(at - _LEAST, 0)
    while first > max(at - _ABOVE, 0) and (not lines[first].strip() or widths[first] > min(widths[first : at + 1])):
        first -= 1
    low = min(widths[first : at + 1])
    last = next(
        (row for row in range(at + 1, len(lines)) if row > at + _BELOW or (lines[row].strip() and widths[row] < low)),
        len(lines),
    )
    margin = lines[first][:low] if lines[first].strip() else ""
    return _Excerpt(first, last, margin, "".join(f"{line.removeprefix(margin)}\n" for line in lines[first:last]))


def _as_indented(old: list[str], new: list[str]) -> list[str]:
    """Give lines the margins that lines of theirs have in the text as it was: tabs, or two columns a level."""
    before, after = (["".join(line.split()) for line in lines] for lines in (old, new))
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for i, j, size in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        for there, here in zip(old[i : i + size], new[j : j + size], strict=True):
            if there.strip():
                votes[_margin(here)][_margin(there)] += 1
    known = {margin: counts.most_common(1)[0][0] for margin, counts in votes.items()}
    level = min((margin for margin in known if margin), key=len, default="")

    def given(margin: str) -> str:
        """A margin that no line tells about is so many times one that a line does."""
        levels, rest = divmod(len(margin), max(len(level), 1))
        return known.get(margin, margin if rest else known.get(level, "") * levels)

    return [given(_margin(line)) + line.lstrip() if line.strip() else line for line in new]


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
