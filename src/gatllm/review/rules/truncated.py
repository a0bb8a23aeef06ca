"""What an edit in the wrong place leaves behind: a line that stands there twice, a closing bracket that is gone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatllm.review.critics import Finding, compile_error
from gatllm.review.lines import margin_of
from gatllm.review.rules.rule import Rule
from gatllm.tokenizers.lexing.lenient import all_bare, bare

_HEADER = re.compile(r"expected an indented block after .* on line (\d+)")
_CLOSERS = re.compile(r"\s*[)\]}]+[,:]?\s*")
_HANGING = re.compile(r"(?:[ \t]+#[^\n]*)?[ \t]*")  # right behind a bracket a number sign is a string's
_LINE = re.compile(r"^[ \t]*\S[^\n]*$", re.M)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
# What begins a statement and can't continue an expression in brackets.
_STATEMENT = re.compile(
    r"(?:@|(?:async\s+)?def\s|class\s|import\s|from\s|return\b|raise\b|with\s|while\s|try:|assert\s|del\s|pass\b|"
    r"[A-Za-z_][\w.]*\s*(?::[^=\n]+)?=(?!=)|(?:if|for)\s[^\n]*:\s*$)"
)


def _once(text: str, error: Finding) -> Iterator[str]:
    """A header or a closing bracket that the line before says already, in the same place."""
    lines = text.split("\n")
    number = error.line - 1
    if not 0 < number < len(lines) or lines[number] != lines[number - 1]:
        return
    header = _HEADER.match(error.message)
    closes = "unmatched" in error.message and _CLOSERS.fullmatch(lines[number])
    if closes or (header is not None and int(header[1]) == number):
        yield "\n".join([*lines[:number], *lines[number + 1 :]])


def _closed_at_the_end(text: str, _: Finding) -> Iterator[str]:
    """Close what is open where a text breaks off, without so much as a line break."""
    opened = [] if text.endswith("\n") else _unclosed(text)
    if not opened:
        return
    lines = text[opened[-1][1] :].rstrip().split("\n")[1:]
    margin = _margin(text, opened[0][1])
    if any(line.strip() and len(line) - len(line.lstrip()) <= margin for line in lines):
        return  # a statement of its own may have begun
    broken = "\n" if _ends_in_comment(text) else ""
    new = text.rstrip() + broken + "".join(_CLOSING[one] for one, _ in reversed(opened)) + "\n"
    if compile_error(new) is None:
        yield new


def _closing_line(text: str, _: Finding) -> Iterator[str]:
    """Close a bracket behind whose lines, all of them deeper, a statement begins no deeper than the bracket's line."""
    opened = _unclosed(text)
    if len(opened) != 1:
        return
    bracket, at = opened[0]
    end = _line_end(text, at)
    own = _margin(text, at)
    if not _HANGING.fullmatch(text, at + 1, end):
        return
    for line in _LINE.finditer(text, end + 1):
        if _margin(text, line.start()) > own or line[0].lstrip().startswith("#"):
            continue
        if _STATEMENT.match(text, line.start() + _margin(text, line.start()), line.end()):
            first = len(text[: line.start()].rstrip()) + 1  # blank lines lie behind what is closed
            first = _line_end(text, first - 1) + 1
            yield f"{text[:first]}{' ' * own}{_CLOSING[bracket]}\n{text[first:]}"
        return


def _ends_in_comment(text: str) -> bool:
    *_, (last, _) = bare(text.rstrip())
    return last.kind == "comment"


def _unclosed(text: str) -> list[tuple[str, int]]:
    """The brackets that nothing closes; none where some close another kind."""
    opened: list[tuple[str, int]] = []
    for piece, outside in all_bare(text):
        if not outside:
            continue
        if piece.text in _CLOSING:
            opened.append((piece.text, piece.start))
        elif piece.text in (")", "]", "}") and (not opened or _CLOSING[opened.pop()[0]] != piece.text):
            return []
    return opened


def _margin(text: str, at: int) -> int:
    start = text.rfind("\n", 0, at) + 1
    return len(margin_of(text[start : _line_end(text, start)]))


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


RULES = (
    Rule(
        "line-twice",
        re.compile("expected an indented block|unmatched"),
        "A header, or a line of closing brackets, twice in a row.",
        "An edit was applied a line too far. A header above itself has no block, and what is closed is closed.",
        "def area(w, h):\ndef area(w, h):\n    return w * h\n",
        "def area(w, h):\n    return w * h\n",
        _once,
    ),
    Rule(
        "text-breaks-off",
        re.compile("never closed"),
        "A text that ends within brackets, without a line break at its end.",
        "It was cut off there. What is open is closed where it ends, the innermost first.",
        "print(max([1, 2",
        "print(max([1, 2]))\n",
        _closed_at_the_end,
    ),
    Rule(
        "closing-line-missing",
        re.compile("never closed|invalid syntax|forgot a comma"),
        "A bracket whose contents stand in lines of their own, and whose closing line is gone.",
        "Where a statement begins at the margin of the line that opened the bracket, its contents have ended.",
        "SIZES = [\n    1,\n    2,\n\n\ndef area(w, h):\n    return w * h\n",
        "SIZES = [\n    1,\n    2,\n]\n\n\ndef area(w, h):\n    return w * h\n",
        _closing_line,
    ),
)
