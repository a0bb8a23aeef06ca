"""Marks typed once too often or one key too early: quotes, points, signs of assignment."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterator

from gatllm.review.critics import Finding
from gatllm.review.lines import margin_of
from gatllm.review.region import line_span, offset
from gatllm.review.rules.forms import form
from gatllm.review.rules.rule import Rule, for_typed_lines
from gatllm.tokenizers.lexing.lenient import all_bare, outside_strings

_CLOSES = {"(": ")", "[": "]", "{": "}"}
_VALUE_BEHIND = re.compile(r",\s*(?:True|False|None|\d[\w.]*)$")
_ENDS = re.compile(
    r"(?P<said>[^\s()\[\]{}'\"\\](?:[^()\[\]{}'\"\\]*[^\s()\[\]{}'\"\\])?)"
    r"(?P<closed>[)\]}]+)(?P<rest>:?\s*)"
)
_BEFORE = re.compile(r"(?:[(\[{,=:+%*]|\b(?:and|or|in|not|if|else))[ \t]*(?:[rRbBuU]{1,2})?\Z")
_JOINED = re.compile(r"[-,+%*/]\s*([^\W\d]\w*)")
_BEGUN = re.compile(r"(?<=[(\[,=])(?P<blank>[ \t]*);(?=[^\W\d][^'\";]*[^\s'\";]'[ \t]*[,)\]])")
_HEADED = re.compile(r"\s*(?:async|def|class|if|elif|else|for|while|with|try|except|finally)\b")
_SETS = re.compile(r"\s*(?P<word>return[ \t]+)self\.\w+[ \t]*=(?!=)[ \t]*\w+\s*")
_DEFINED = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)", re.M)
_HOLDS = re.compile(r"(?P<call>[^#]*\))(?P<rest>:?\s*)")
_ONE_VALUE = re.compile(r"[ \t]*(?:[^\W\d][\w.]*|-?\d[\w.]*|'[^'\\]*'|\"[^\"\\]*\")?[ \t]*")
_NAME = re.compile(r"[ \t]*(?:[^\W\d][\w.]*|(?:'[^'\\]*'|\"[^\"\\]*\")\.\w+)[ \t]*")
_WORD = re.compile(r"[^\W\d]\w*")


def _one_quote_less(text: str, error: Finding) -> Iterator[str]:
    """``open('a', 'r' ')``, ``x = ""Ann"``: a quote beside a string that is whole without it."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    if "'''" in line or '"""' in line or "\\" in line:
        return
    for quote in ("'", '"'):
        if line.count(quote) % 2 == 0 or _goes_on_beside(text, error.line, quote):
            continue
        behind = re.compile(rf"{quote}[^'\"]*\w[^'\"]*{quote}(?P<more>[ \t]*{quote})(?=[)\]}},:]*\s*$)").search(line)
        before = re.compile(rf"(?<![\w'\"])(?P<more>{quote}){quote}(?=\w[^'\"]*{quote}[)\]}},:]*\s*$)").search(line)
        alone = None if _HEADED.match(line) else re.compile(rf"[)\]}}](?P<more>{quote})[ \t]*$").search(line)
        for found in (behind, before, alone):
            if found is not None and line.count(quote, 0, found.start()) % 2 == 0:
                yield f"{text[: start + found.start('more')]}{text[start + found.end('more') :]}"


def _goes_on_beside(text: str, line: int, quote: str) -> bool:
    """Tell whether a line beside one has a quote too few or too many as well: a string that was broken in two."""
    lines = text.split("\n")
    return any(one.count(quote) % 2 for one in (*lines[max(line - 2, 0) : line - 1], *lines[line : line + 1]))


def _before_brackets(text: str, error: Finding) -> Iterator[str]:
    """``print("ready)``: the quote is missing before the brackets that close what is open."""
    start, end = line_span(text, error.line)
    at = offset(text, error.line, error.column)
    quote = text[at : at + 1]
    found = _ENDS.fullmatch(text, at + 1, end)
    if quote not in ("'", '"') or found is None or not _BEFORE.search(text, start, at):
        return
    if _VALUE_BEHIND.search(found["said"]):  # `getattr(x, 'name, False)`
        return
    still: list[str] = []
    for piece, outside in all_bare(text[start:at]):
        if outside and piece.text in _CLOSES:
            still.append(_CLOSES[piece.text])
        elif outside and still and piece.text == still[-1]:
            still.pop()
    elsewhere = text[:start] + text[end:]
    used = any(re.search(rf"\b{name}\b", elsewhere) for name in _JOINED.findall(found["said"]))
    if "".join(reversed(still)) == found["closed"] and not used:
        yield f"{text[: found.end('said')]}{quote}{text[found.end('said') :]}"


def _semicolon(text: str, error: Finding) -> Iterator[str]:
    """``print(;ready')``: the semicolon lies beside the quote."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    found = _BEGUN.search(line)
    if found is not None and line.count("'") % 2 and outside_strings(line)[found.end() - 1]:
        yield f"{text[: start + found.end() - 1]}'{text[start + found.end() :]}"


def _returned(text: str, error: Finding) -> Iterator[str]:
    """``return self.n = n`` in a function that sets ``n``: it has nothing to return."""
    start, end = line_span(text, error.line)
    found = _SETS.fullmatch(text, start, end)
    above = _DEFINED.findall(text[:start])
    if found is not None and above and re.match(r"_*(?:set(?![a-z])|init_*$)", above[-1]):
        yield f"{text[: found.start('word')]}{text[found.end('word') :]}"


def _one_call(text: str, error: Finding) -> Iterator[str]:
    """``print(len(name)``: what the open bracket holds is a call, and the line ends behind it."""
    for number in (error.line, error.line - 1):
        start, end = line_span(text, number) if number > 0 else (0, 0)
        line = text[start:end]
        found = _HOLDS.fullmatch(line)
        if found is None:
            continue
        still: list[int] = []
        closed = [-1, -1]  # where the bracket that was closed last opens and closes
        for piece, outside in all_bare(line[: found.end("call")]):
            if outside and piece.text in _CLOSES:
                still.append(piece.start)
            elif outside and still and piece.text == _CLOSES[line[still[-1]]]:
                closed = [still.pop(), piece.end]
        if len(still) != 1 or line[still[0]] != "(" or closed[1] != found.end("call"):
            continue
        inside, given = line[still[0] + 1 : closed[0]], line[closed[0] + 1 : closed[1] - 1]
        if _NAME.fullmatch(inside) and _ONE_VALUE.fullmatch(given):
            yield f"{text[: start + closed[1]]}){text[start + closed[1] :]}"


def _no_point(found: re.Match[str], after: str) -> str | None:
    """A point that ends a line, unless the next one may go on behind it."""
    line = found.string
    below = next((one for one in after.split("\n") if one.strip()), "")
    word = _WORD.match(below.lstrip())
    if len(margin_of(below)) > len(margin_of(line)) or (word is None and below.strip()):
        return None
    name = word[0] if word and margin_of(below) == margin_of(line) else ""
    known = not name or keyword.iskeyword(name) or hasattr(builtins, name) or re.search(rf"\b{name}\b", line)
    if not known and not re.match(r"\s*\w+\s*=(?!=)", below):
        return None
    return line[found.end() :] + after


RULES = (
    *for_typed_lines(
        Rule(
            "quote-too-many",
            re.compile("unterminated|invalid syntax|forgot a comma"),
            "A quote beside a string that is whole without it.",
            "The line has an odd number of them, and the string ends what the line says.",
            "book = open('a.txt', 'r' ')\n",
            "book = open('a.txt', 'r')\n",
            _one_quote_less,
        ),
        Rule(
            "quote-before-brackets",
            re.compile("unterminated string"),
            "A string without its last quote, before the brackets that close what is open.",
            "Just these brackets are missing behind it. Where it may hold a name that the file uses it is left.",
            "print(len('ready))\n",
            "print(len('ready'))\n",
            _before_brackets,
        ),
        Rule(
            "bracket-after-call",
            re.compile("never closed|invalid syntax|forgot a comma"),
            "A call with one plain value as the one argument of another, whose bracket is missing.",
            "The line ends with the inner call's bracket, and nothing else stands between the two.",
            "print(len('ab')\nprint(2)\n",
            "print(len('ab'))\nprint(2)\n",
            _one_call,
        ),
        Rule(
            "return-before-assignment",
            re.compile("invalid syntax"),
            "`return` before an assignment, in a function that is called after what it sets.",
            "An assignment has no value, and such a function none to return.",
            "class A:\n    def set_n(self, n):\n        return self.n = n\n",
            "class A:\n    def set_n(self, n):\n        self.n = n\n",
            _returned,
        ),
        Rule(
            "semicolon-for-quote",
            re.compile("unterminated|invalid syntax"),
            "A semicolon in place of the quote beside it.",
            "No argument begins with a semicolon, and the last quote of the string stands there.",
            "print(;ready to go')\n",
            "print('ready to go')\n",
            _semicolon,
        ),
    ),
    form("backslash-left-lying", "A backslash before a quote or a closing bracket, outside strings.",
        "It joins lines, and nothing may follow it.", ("n = {'a': 1, \\'b': 2}\n", "n = {'a': 1, 'b': 2}\n"),
        r"(?<=[\s\w)\]}'\",])\\(?=['\")\]}])", ""),
    form("equals-before-in", "An equals sign before `in`, in the head of a `for`.", "`in` alone stands there.",
        ("for n = in ns:\n    print(n)\n", "for n in ns:\n    print(n)\n"),
        r"^(?P<head>\s*(?:async\s+)?for\s+[^\W\d]\w*(?:\s*,\s*\w+)*\s*)=\s*(?=in\s)", r"\g<head>"),
    form("equals-behind-colon", "A colon and an equals sign between a key and its value.",
        "A dictionary has the colon alone.", ("ages = {'ann': = 3}\n", "ages = {'ann': 3}\n"),
        r"(?<=['\"])(?P<blank>\s*):\s*=(?!=)\s*", r"\g<blank>: "),
    form("zero-beside-bracket", "A zero before the bracket on its key, behind an argument with a name.",
        "No other value may follow such an argument.", ("print(1, end=''0)\n", "print(1, end='')\n"),
        r"(?P<given>\b[^\W\d]\w*\s*=\s*(?P<quote>['\"])[^'\"]*(?P=quote))0(?=\))", r"\g<given>"),
    form("mark-behind-def", "A mark between `def` or `class` and the name.", "A blank stands there.",
        ("def.size(box):\n    return 1\n", "def size(box):\n    return 1\n"),
        r"^(?P<head>\s*(?:async\s+)?(?:def|class))\s?[.,;:-]\s?(?=[^\W\d]\w*\s*[(:])", r"\g<head> "),
    form("point-at-end", "A point at the end of a statement, as at the end of a sentence.",
        "Only where the next line is a statement of its own.", ("print('ready').\n", "print('ready')\n"),
        r"(?<=[)\]}'\"])\.(?=\s*(?:#.*)?$)", _no_point),
)  # fmt: skip
