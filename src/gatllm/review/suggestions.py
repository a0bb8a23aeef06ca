"""Single edits that may repair what the parser complains about: what its words suggest first, then all that is near."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from gatllm.review.critics import Finding
from gatllm.review.edits import Change
from gatllm.review.region import offset
from gatllm.tokenizers.lexing.lenient import Lexeme, all_lexemes
from gatllm.tokenizers.lexing.words import STATEMENT_WORDS

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_OPENING = {closing: opening for opening, closing in _CLOSING.items()}
_STATEMENTS = ("def", "class", "if", "for", "while", "with", "try", "return", "import", "from", "raise", "else", "elif")
_INSERTS = (
    *(",", ":", ")", "(", " = ", ".", "]", "[", "}", "{", '"', "'", " in ", "=", " as ", " import ", "*", "]]", "))"),
    '"""',
)
_REPLACEMENTS = (
    *(")", "(", "]", "[", "}", "{", ":", ",", ".", "=", "==", '"', "'", "in", "as", "and", "not", "is", "if", "for"),
)


def candidates(text: str, error: Finding) -> Iterator[Change]:
    """Yield single edits, likely ones first."""
    at = offset(text, error.line, error.column)
    tokens = [lexeme for lexeme in all_lexemes(text) if lexeme.kind != "space"]
    here = max((number for number, lexeme in enumerate(tokens) if lexeme.start <= at), default=0)
    seen: set[Change] = set()
    for change in (*_suggested(text, error, tokens, here), *_nearby(tokens, here)):
        if change not in seen:
            seen.add(change)
            yield change


def _suggested(text: str, error: Finding, tokens: list[Lexeme], here: int) -> Iterator[Change]:
    message = error.message
    if "expected ':'" in message:
        yield from _colon(text, error, tokens)
    if "never closed" in message:
        yield from _unclosed(tokens, here, message[1:2])
    if message.startswith("closing parenthesis"):
        yield from _mismatched(tokens, here, message.rsplit("'", 2)[1])
    if "unmatched" in message:
        yield from _unmatched(tokens, here)
    if "unterminated" in message:
        yield from _unterminated(tokens, here)
    if error.code in ("IndentationError", "TabError") or "outside" in message:
        yield from _indents(text, error)
    yield from _respelt(tokens, here)
    if "forgot a comma" in message:
        for lexeme in tokens[here : here + 12]:
            yield Change(lexeme.end, lexeme.end, ",")
    if message == "invalid syntax":
        yield from _indents(text, error)


def _put(lexeme: Lexeme, text: str) -> Change:
    return Change(lexeme.start, lexeme.end, text)


def _colon(text: str, error: Finding, tokens: list[Lexeme]) -> Iterator[Change]:
    line_end = offset(text, error.line, 10**6)
    solid = [lexeme for lexeme in tokens if lexeme.kind not in ("comment", "line") and lexeme.end <= line_end]
    if solid:
        yield Change(solid[-1].end, solid[-1].end, ":")
        yield _put(solid[-1], ":")


def _unclosed(tokens: list[Lexeme], here: int, opening: str) -> Iterator[Change]:
    """Close the bracket at the end of this line or the next ones, or at any place of its line; or drop it."""
    closing, lines = _CLOSING.get(opening, ")"), 0
    for number in range(here + 1, len(tokens)):
        if tokens[number].kind == "line":
            last = tokens[number - 1]
            if last.text in (":", ","):
                yield Change(last.start, last.start, closing)
            yield Change(tokens[number].start, tokens[number].start, closing)
            lines += 1
            if lines > 3:
                break
    if tokens and tokens[-1].kind != "line":
        yield Change(tokens[-1].end, tokens[-1].end, closing)
    for lexeme in tokens[here + 1 : here + 24]:
        yield Change(lexeme.end, lexeme.end, closing)
    yield _put(tokens[here], "")
    for lexeme in tokens[here + 1 : here + 24]:  # it was closed by a bracket of another kind or direction
        if lexeme.text in _OPENING or lexeme.text in _CLOSING:
            yield _put(lexeme, closing)


def _mismatched(tokens: list[Lexeme], here: int, opening: str) -> Iterator[Change]:
    """Change the closing bracket, or the opening one, or close the inner one first, or drop the closing one."""
    here_text = tokens[here].text
    yield _put(tokens[here], _CLOSING.get(opening, ")"))
    for number in range(here - 1, max(here - 200, -1), -1):
        if tokens[number].text == opening:
            yield _put(tokens[number], _OPENING.get(here_text, "("))
            break
    yield Change(tokens[here].start, tokens[here].start, _CLOSING.get(opening, ")"))
    yield _put(tokens[here], "")


def _unmatched(tokens: list[Lexeme], here: int) -> Iterator[Change]:
    """Drop the closing bracket, or open one before it."""
    yield _put(tokens[here], "")
    for number in range(here - 1, max(here - 16, -1), -1):
        if tokens[number].kind == "line":
            break
        yield Change(tokens[number].start, tokens[number].start, _OPENING.get(tokens[here].text, "("))


def _unterminated(tokens: list[Lexeme], here: int) -> Iterator[Change]:
    """Close the string: turn the other kind of quote around, or put a quote at any place of the line; or drop it."""
    quote = tokens[here].text if tokens[here].kind == "quote" else '"'
    line = list(range(here + 1, min(here + 40, len(tokens))))
    end = next((number for number in line if tokens[number].kind == "line"), len(tokens))
    for number in range(here + 1, end):
        if tokens[number].kind == "quote" and tokens[number].text != quote and len(quote) == 1:
            yield _put(tokens[number], quote)
            yield _put(tokens[here], tokens[number].text)
    for number in range(max(here - 24, 0), here):
        if tokens[number].kind == "quote" and tokens[number].text != quote:
            yield _put(tokens[here], tokens[number].text)
            yield _put(tokens[number], quote)
    for number in range(here + 1, end + 1):
        place = tokens[number].start if number < len(tokens) else tokens[-1].end
        yield Change(place, place, quote)
    for number in range(here - 1, max(here - 24, -1), -1):
        yield Change(tokens[number].start, tokens[number].start, quote)
    yield _put(tokens[here], "")


def _respelt(tokens: list[Lexeme], here: int) -> Iterator[Change]:
    """Keywords that are spelt like the words at the place, or like the first word of the line."""
    first = next((n + 1 for n in range(here - 1, -1, -1) if tokens[n].kind == "line"), 0)
    for number in sorted({*range(max(here - 3, 0), min(here + 2, len(tokens))), first}):
        lexeme = tokens[number]
        if lexeme.kind != "name" or lexeme.text in STATEMENT_WORDS:
            continue
        word = lexeme.text.lower()
        if word in STATEMENT_WORDS:
            yield _put(lexeme, word)
        for found in get_close_matches(word, sorted(STATEMENT_WORDS), n=2, cutoff=0.7):
            yield _put(lexeme, found)
        if number == first:
            for found in get_close_matches(word, _STATEMENTS, n=2, cutoff=0.5):
                yield _put(lexeme, found)


def _indents(text: str, error: Finding) -> Iterator[Change]:
    """Re-indent the line of the error, or one of those before it, to an indentation found around."""
    lines = text.split("\n")
    around = [line for line in lines[max(error.line - 6, 0) : error.line + 4] if line.strip()]
    widths = {_indent(line) for line in around}
    widths |= {width + "    " for width in widths}
    for number in range(error.line, max(error.line - 5, 0), -1):
        if number <= len(lines) and lines[number - 1].strip():
            start, old = offset(text, number, 1), len(_indent(lines[number - 1]))
            for width in sorted(widths, key=lambda width: (abs(len(width) - old), width)):
                if len(width) != old:
                    yield Change(start, start + old, width)


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _nearby(tokens: list[Lexeme], here: int) -> Iterator[Change]:
    """Delete marks, insert before, replace and at last delete each token near the place, nearest first."""
    near = sorted(range(max(here - 8, 0), min(here + 4, len(tokens))), key=lambda number: abs(number - here + 0.5))
    names = [number for number in near if tokens[number].kind in ("name", "number", "prose")]
    for number in near:
        if number not in names:
            yield _put(tokens[number], " " if tokens[number].kind == "line" else "")
    for number in near[:8]:
        for text in _INSERTS:
            yield Change(tokens[number].start, tokens[number].start, text)
    for number in near[:6]:
        if tokens[number].kind != "line":
            for text in _REPLACEMENTS:
                if text != tokens[number].text:
                    yield _put(tokens[number], text)
    for number in names:
        yield _put(tokens[number], "")
