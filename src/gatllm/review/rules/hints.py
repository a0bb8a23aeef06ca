"""Rules that do what the compiler's own words ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatllm.review.critics import Finding, compile_error
from gatllm.review.lines import margin_of
from gatllm.review.region import offset
from gatllm.review.rules.rule import Rule
from gatllm.tokenizers.lexing.lenient import bare

_ASSIGNED = re.compile(r"(?<![=!<>:+\-*/%&|^@])=(?!=)")
_CONDITION = re.compile(r"\s*(?:if|elif|while|assert|return|and|or|not)\b")
_COMPARES = re.compile(r"\b(?:and|or|not|in|is)\b|[=!<>]=|[<>]")
_NO_BLOCK = re.compile(r"expected an indented block after .* on line (\d+)")
_CLAUSE = re.compile(r"\s*(?:elif|else|except|finally)\b")
_DEFINITION = re.compile(r"\s*(?:@|async\s+def\b|def\b|class\b)")
_CROSSED = re.compile(r"'(.)' does not match opening parenthesis '(.)'")
_CLASS = re.compile(r"\s*class\b")
_METHOD = re.compile(r"\s*(?:async\s+)?def\s+\w+\s*\(\s*(?:self|cls)\b")
_CALLED = re.compile(r"[\w)\]]\Z")
_CLOSES = {"(": ")", "[": "]", "{": "}"}


def _compared(text: str, error: Finding) -> Iterator[str]:
    """``if f(x) = 1``: the compiler says that ``==`` was meant, and names where the comparison begins."""
    line, at = offset(text, error.line, 1), offset(text, error.line, error.column)
    end = text.find("\n", at)
    found = _ASSIGNED.search(text, at, len(text) if end < 0 else end)
    if found is None or "'=='" not in error.message.replace('"', "'"):
        return
    if "cannot contain assignment" in error.message:
        compared = _COMPARES.search(text, at, found.start()) is not None
    else:
        compared = _CONDITION.match(text, line) is not None and not _bound_here(text, line, at, found)
    if compared:
        yield text[: found.start()] + "==" + text[found.end() :]


def _bound_here(text: str, line: int, at: int, sign: re.Match[str]) -> bool:
    """Tell whether a name may get its first value here: nothing before the line has it, and lines below do."""
    name = text[at : sign.start()].strip()
    if not name.isidentifier() or not re.compile(r"\s*[^\W\d]").match(text, sign.end()):
        return False
    word = re.compile(rf"\b{name}\b")
    return word.search(text, 0, line) is None and word.search(text, sign.end()) is not None


def _made_async(text: str, error: Finding) -> Iterator[str]:
    """``await`` in a plain function: make it ``async``."""
    if "outside async" not in error.message and "outside of an async" not in error.message:
        return
    at = offset(text, error.line, error.column)
    here = text[offset(text, error.line, 1) : at]
    width = len(here) - len(here.lstrip(" \t"))
    for found in reversed(list(re.finditer(r"^([ \t]*)def\b", text[:at], re.M))):
        if len(found[1]) < width:
            yield text[: found.end(1)] + "async " + text[found.end(1) :]
            return


def _with_pass(text: str, error: Finding) -> Iterator[str]:
    """Give a block a body, unless what follows may be it, not indented."""
    found = _NO_BLOCK.search(error.message)
    if found is None:
        return
    header = int(found[1])
    lines = text.split("\n")
    follows = lines[error.line - 1] if header < error.line <= len(lines) else ""
    head = lines[header - 1]
    if _CLASS.match(head) and _METHOD.match(follows):
        return  # it belongs into the class
    margin = margin_of(head)
    skipped = lines[header : error.line - 1]
    between = any(not line.strip() or line.lstrip().startswith("#") for line in skipped)
    noted = any(line.lstrip().startswith("#") and len(line) - len(line.lstrip()) > len(margin) for line in skipped)
    # Comments that no blank line follows stand above the body, which lost its margin.
    noted = noted and (not skipped[-1].strip() or len(margin_of(follows)) < len(margin))
    ends = noted or not follows.strip() or _CLAUSE.match(follows)
    siblings = _CLASS.match(head) and _CLASS.match(follows) and not follows[: len(margin) + 1].isspace()
    if not (ends or siblings or (_DEFINITION.match(follows) and _DEFINITION.match(head) and between)):
        return
    last = max((n for n in range(header, len(lines) + 1) if n < error.line and lines[n - 1].strip()), default=header)
    yield "\n".join([*lines[:last], margin + _unit(lines) + "pass", *lines[last:]])


def _unit(lines: list[str]) -> str:
    """What a text is indented by."""
    margins = [line[: len(line) - len(line.lstrip())] for line in lines if line.strip()]
    return min((margin for margin in margins if margin), key=len, default="    ")


def _open_at_end(code: str) -> list[str]:
    """The brackets that stay open at the end."""
    still: list[str] = []
    for piece, outside in bare(code):
        if outside and piece.text in _CLOSES:
            still.append(piece.text)
        elif outside and piece.text in _CLOSES.values() and still:
            still.pop()
    return still


def _closed(text: str, error: Finding) -> Iterator[str]:
    """Close all brackets of a text that breaks off."""
    at = offset(text, error.line, error.column)
    if "\n" in text[at:].strip() and not text.rstrip().endswith(","):
        return
    still = _open_at_end(text)
    fixed = text.rstrip().removesuffix("\\") + "".join(_CLOSES[bracket] for bracket in reversed(still)) + "\n"
    bare_end = text.rstrip()[-1:] in _CLOSES  # then the last bracket may be the one too many
    if len(still) > 1 and not bare_end and compile_error(fixed) is None:
        yield fixed


def _uncrossed(text: str, error: Finding) -> Iterator[str]:
    """``f(x[1)]``: the two closing brackets change places."""
    found = _CROSSED.search(error.message)
    at = offset(text, error.line, error.column)
    if found is None or text[at : at + 1] != found[1]:
        return
    wanted = _CLOSES[found[2]]
    behind = at + 1 + len(text[at + 1 :]) - len(text[at + 1 :].lstrip(" "))
    if text[behind : behind + 1] == wanted:
        yield text[:at] + wanted + text[at + 1 : behind] + found[1] + text[behind + 1 :]


def _closed_alike(text: str, error: Finding) -> Iterator[str]:
    """``{1, 2)``, ``[1, 2)``: a hand closes with the bracket that it closes most."""
    found = _CROSSED.search(error.message)
    at = offset(text, error.line, error.column)
    if found is None or found[1] != ")" or found[2] == "(" or text[at : at + 1] != ")":
        return
    line = offset(text, error.line, 1)
    opened = _last_open(text[line:at])
    if opened < 0 or text[line + opened] != found[2]:
        return
    inside, before = text[line + opened + 1 : at], text[line : line + opened].rstrip()
    if found[2] == "{" or not re.search(r"[\w)\]'\"]\Z", before):  # braces or a list, not an index
        fits = "," in inside and not _CALLED.search(before)
    else:
        fits = ":" in inside and "," not in inside
    new = text[:at] + _CLOSES[found[2]] + text[at + 1 :]
    if fits and not before.endswith("%") and ((left := compile_error(new)) is None or left.line > error.line):
        yield new


def _last_open(code: str) -> int:
    """Where the innermost bracket opens that stays open at the end; -1 where there is none."""
    still: list[int] = []
    for piece, outside in bare(code):
        if outside and piece.text in _CLOSES:
            still.append(piece.start)
        elif outside and piece.text in _CLOSES.values() and still:
            still.pop()
    return still[-1] if still else -1


RULES = (
    Rule(
        "closed-by-other-bracket",
        re.compile(r"parenthesis '\)' does not match"),
        "Braces, a list or a slice closed with a parenthesis.",
        "What was opened was chosen; the bracket that closes it is the one that a hand types most.",
        "names = {'ann', 'bob')\n",
        "names = {'ann', 'bob'}\n",
        _closed_alike,
    ),
    Rule(
        "brackets-crossed",
        re.compile("does not match opening parenthesis"),
        "Two closing brackets in each other's place.",
        "The bracket that was opened last is closed first.",
        "print(rows[0)]\n",
        "print(rows[0])\n",
        _uncrossed,
    ),
    Rule(
        "comparison-with-one-sign",
        re.compile("['\"]==['\"]"),
        "A condition that compares with `=`.",
        "A condition binds no name with `=`; the compiler itself asks whether `==` was meant.",
        "if f(a) = 1:\n    pass\n",
        "if f(a) == 1:\n    pass\n",
        _compared,
    ),
    Rule(
        "await-in-plain-function",
        re.compile("outside (?:of an )?async"),
        "`await`, `async for` or `async with` in a function that is not `async`.",
        "Only an `async` function can wait.",
        "def f(x):\n    y = await x\n    return y\n",
        "async def f(x):\n    y = await x\n    return y\n",
        _made_async,
    ),
    Rule(
        "body-missing",
        _NO_BLOCK,
        "A header without a body.",
        "`pass` does nothing. Only where nothing that follows may be the body.",
        "def f():\n    # later\n\n\nx = 1\n",
        "def f():\n    # later\n    pass\n\n\nx = 1\n",
        _with_pass,
    ),
    Rule(
        "text-cut-off",
        re.compile("was never closed"),
        "A text that ends inside brackets.",
        "Several brackets stay open where it ends: each is closed, innermost first.",
        'print(len("a", max(b\n',
        'print(len("a", max(b)))\n',
        _closed,
    ),
)
