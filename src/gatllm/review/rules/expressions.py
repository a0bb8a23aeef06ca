"""Small things inside a line that the compiler names exactly."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterator

from gatllm.review.critics import Finding
from gatllm.review.region import line_span, offset
from gatllm.review.rules.forms import form
from gatllm.review.rules.rule import ANY, Rule
from gatllm.tokenizers.lexing.lenient import bare, outside_strings

_NAMED = re.compile(r"(?P<name>[^\W\d]\w*)\s*(?P<sign>=)(?!=)")
_OF_INT = re.compile(rf"(?<![\w.])(?P<number>\d+)\.(?P<name>{'|'.join(sorted(dir(int), key=len, reverse=True))})\b")
_JOINS = "in|is|and|or|if|else|for|not|as|from|import|async"
_COMPUTED = re.compile(r"\w\s*\(|\bawait\b")
_CONDITION = re.compile(r"\s*(?:(?:el)?if|while|assert)\b")


def _walrus(text: str, error: Finding) -> Iterator[str]:
    """``(count = 2)``: a name is bound inside an expression."""
    start, end = line_span(text, error.line)
    at = offset(text, error.line, error.column)
    found = _NAMED.match(text, at, end)
    if found is None or re.match(r"[^,()\[\]{}]*\bfor\b", text[found.end() : end]):
        return  # `dict(a=n for n in ns)`: an argument that lacks its brackets
    known = re.search(rf"\b{found['name']}\b", text[:start]) is not None
    if _CONDITION.match(text[start:end]) and (known or not _COMPUTED.search(text, found.end(), end)):
        return  # `if x = 3` is a comparison, and so is `while x = 3`
    new = text[: found.start("sign")] + ":=" + text[found.end("sign") :]
    enclosed = text[start:at].rstrip()[-1:] in ("(", "[", "{")
    if enclosed or not text[start:end].rstrip().endswith(":"):
        yield new
    else:
        value = text[at:end].rstrip().removesuffix(":")
        yield f"{text[:at]}{value.replace('=', ':=', 1)}:{text[end:]}"


def _attribute_of_number(text: str, error: Finding) -> Iterator[str]:
    """``3.real``: ``(3).real``."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    outside = outside_strings(line)
    for found in _OF_INT.finditer(line):
        if outside[found.start()]:
            new = f"({found['number']}).{found['name']}"
            yield text[: start + found.start()] + new + text[start + found.end() :]
            return


def _goes_on(text: str, error: Finding) -> Iterator[str]:
    r"""``1 + \ ``: nothing may follow the backslash that ends a line."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    if re.search(r"\\[ \t]+\r?$", line):
        yield text[:start] + re.sub(r"\\[ \t]+(\r?)$", r"\\\1", line) + text[end:]


_CURLY = re.compile(r"(?<![\w$'\"])(?P<name>[^\W\d]\w*)\{(?P<key>-?\d+|'[^'{}]*'|\"[^\"{}]*\"|[^\W\d]\w*)\}(?!['\"])")
_NO_INDEX = re.compile(r"_*[A-Z]|[rR]?[fF][rR]?$")  # a class, or the prefix of an f-string


def _curly(text: str, error: Finding) -> Iterator[str]:
    """``row{0}``: ``row[0]``, where ``row`` is nothing that could be called."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    outside = outside_strings(line)
    for found in _CURLY.finditer(line):
        name = found["name"]
        called = re.search(rf"\b(?:def|class|import)\b[^\n]*\b{re.escape(name)}\b", text) is not None
        called = called or hasattr(builtins, name) or keyword.iskeyword(name) or _NO_INDEX.match(name) is not None
        if outside[found.start()] and not called:
            yield f"{text[: start + found.start()]}{name}[{found['key']}]{text[start + found.end() :]}"


_PRINTS = re.compile(r"\s*print\s*\(")
_CLOSED_EARLY = re.compile(r"\s*[^\W\d][\w.]*\(")
_JOINED = r"(?:'[^'\\\n]*'|\"[^\"\\\n]*\")"
_NAME = r"[^\W\d][\w.]*(?:\([^()'\"]*\))?"


def _closed_early(text: str, error: Finding) -> Iterator[str]:
    """``print(a), b)``: a statement that is a call goes on behind its bracket."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    if not _CLOSED_EARLY.match(line) or not line.rstrip().endswith(")"):
        return
    depth, closes = 0, -1
    for piece, outside in bare(line.rstrip()):
        depth += outside * ((piece.text in "([{") - (piece.text in ")]}"))
        if depth == 0 and closes < 0 and piece.text == ")":
            closes = piece.start
        if depth < 0:
            goes_on = r"\)\s*(?:,|\.\w+\()" if _PRINTS.match(line) else r"\)\s*,"  # `print` has no value to go on from
            if piece.end == len(line.rstrip()) and re.match(goes_on, line[closes:]):
                yield f"{text[: start + closes]}{text[start + closes + 1 :]}"
            return


def _sum(found: re.Match[str], after: str) -> str | None:
    """``'a' + b 'c' + d``: a sum of strings, unless there are commas beside it that tell otherwise."""
    line = found.string
    if any(piece.text == "," and outside for piece, outside in bare(line)):
        return None
    left, right = ("left", "right") if found["left"] else ("left_", "right_")
    return f"{line[found.start() : found.end(left)]} + {line[found.start(right) :]}{after}"


RULES = (
    Rule(
        "assignment-in-expression",
        re.compile(r"Maybe you meant '==' or ':='"),
        "A name bound inside an expression with `=`.",
        "Inside an expression a name is bound with `:=`. A condition on a name that is known already, or with a value "
        "that nothing computes, compares with `==`: that is another rule's.",
        "total = (count = 2)\nprint(total, count)\n",
        "total = (count := 2)\nprint(total, count)\n",
        _walrus,
    ),
    Rule(
        "attribute-of-number",
        re.compile("invalid decimal literal|invalid imaginary literal|invalid syntax"),
        "An attribute of a whole number, whose point is read as the number's own.",
        "Parentheses end the number. Only for names that whole numbers have.",
        "x = 3.real\n",
        "x = (3).real\n",
        _attribute_of_number,
    ),
    Rule(
        "index-in-braces",
        ANY,
        "An index between braces.",
        "A brace can't follow a name. What is no function, class or import is not called, so that it is indexed.",
        "ages = {}\nages{'ann'} = 3\n",
        "ages = {}\nages['ann'] = 3\n",
        _curly,
    ),
    Rule(
        "space-after-backslash",
        re.compile("unexpected character after line continuation"),
        "A space behind the backslash that joins two lines.",
        "The backslash must be the last character of its line; the space cannot be seen and means nothing.",
        "total = 1 + \\ \n    2\n",
        "total = 1 + \\\n    2\n",
        _goes_on,
    ),
    Rule(
        "closed-too-early",
        re.compile("unmatched"),
        "A call that is closed before its other arguments.",
        "A statement that is a call has no use for values behind it, and the last bracket says that they belong to it.",
        "print('a'), 'b')\n",
        "print('a', 'b')\n",
        _closed_early,
    ),
    form("format-sign", "The letter of a format behind the sign that fills it in.",
        "Inside the string it says where a value goes; outside, `%` joins the two, and a lone letter between is none.",
        ("print(words %s name)\n", "print(words % name)\n"),
        r"(?<=[\w'\")])(?P<space>\s*)%[sdrfi](?=\s+[\w('\"])", r"\g<space>%"),
    form("plus-lost", "A sum of strings that lacks one of its signs.",
        "What stands before it and what follows are added, and no comma beside it says that there are several values.",
        ("print('a ' + b ' c ' + d)\n", "print('a ' + b + ' c ' + d)\n"),
        rf"\+\s*(?:(?P<left>{_JOINED})\s*(?P<right>{_NAME})|(?P<left_>{_NAME})\s*(?P<right_>{_JOINED}))(?=\s*\+)",
        _sum),
    form("assignment-operator", "`:=` as a statement.", "A statement assigns with `=`.", ("n := 3\n", "n = 3\n"),
        r"^(?P<name>\s*[\w.]+\s*):=", r"\g<name>="),
    form("function-without-brackets", "A function without the brackets of its parameters.",
        "At the top level a function without parameters is what it says; a method has at least one.",
        ("def go:\n    return 1\n", "def go():\n    return 1\n"),
        r"^(?P<head>(?:async\s+)?def\s+\w+)\s*:", r"\g<head>():"),
    form("range-without-brackets", "`range` without the brackets of its call.",
        "A `for` over the function itself means nothing; the numbers behind it are its arguments.",
        ("for n in range 10:\n    print(n)\n", "for n in range(10):\n    print(n)\n"),
        r"(?P<head>\bfor\s[^:\n]*?\bin\s+range)[ \t]+"
        r"(?P<given>[\w.-][^:\n()\[\]{}]*(?:\([^:\n()]*\))?[^:\n()\[\]{}]*?)(?P<rest>\s*:)",
        r"\g<head>(\g<given>)\g<rest>"),
    form("operator-cut-in-two", "A space inside an operator.", "Its two halves mean nothing side by side.",
        ("if n > = 3:\n    n - = 1\n", "if n >= 3:\n    n -= 1\n"),
        r"(?P<first>(?<![<>=!:+\-*/%&|^@])(?:\*\*|//|<<|>>|[<>!:+\-*/%&|^@])) +=(?!=)", r"\g<first>="),
    form("dot-of-self", "`self` and a name with a space between them.", "Nothing else may stand between the two.",
        ("def f(self):\n    return self x\n", "def f(self):\n    return self.x\n"),
        rf"\b(?P<me>self|cls) (?!(?:{_JOINS})\b)(?=[A-Za-z_])", r"\g<me>."),
)  # fmt: skip
