"""Keywords where a name should stand: in a call, as a parameter, on the left of an assignment."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterator

from gatllm.review.critics import Finding, quietly_parsed
from gatllm.review.lines import margin_of, width_of
from gatllm.review.names import unbound
from gatllm.review.region import line_span, offset
from gatllm.review.rules.arguments import calls
from gatllm.review.rules.forms import form
from gatllm.review.rules.rule import Rule
from gatllm.review.typos import is_typo
from gatllm.tokenizers.lexing.lenient import bare, outside_strings

_WORD = re.compile(r"[^\W\d]\w*")
_LAST = re.compile(r"[^\W\d]\w*(?=\s*\Z)")
_VALUES = frozenset({"None", "True", "False"})
_ASSIGNS = re.compile(r"\s*(?:[-+*/%|&]|//|\*\*)?=(?!=)")
_PARAMETER = re.compile(r"\s*(?:[,)=]|:(?!=))")
_BOUND_BEFORE = re.compile(r"(?:\b(?:for|as|def|global|nonlocal)|^|;)\s*+\Z", re.M)
_ATTRIBUTE = re.compile(r"\b(?:self|cls)\.\Z")
_MOST = 40  # lines of a definition
# Nothing is tried in a second way: a long word in the brackets would have as many as it has letters, and as pairs.
_DECLARED = r"\*{0,2}[^\W\d]\w*+(?:\s*+:[^,()=]++)?(?:\s*+=[^,()]++)?\s*+"
_PARAMETERS = rf"(?:{_DECLARED}(?:,\s*+{_DECLARED})*+,?\s*+)?"
_DEFINITION = re.compile(
    rf"(?P<margin>[ \t]*)(?P<name>[a-z_]\w*)[ \t]*\(\s*{_PARAMETERS}\)\s*(?:->\s*[\w.\[\], |]+)?:\s*(?:#.*)?"
)
_ELSEWHERE = frozenset({"switch", "match", "case", "until", "unless", "foreach", "loop", "repeat", "when", "catch"})
_VALUED = re.compile(
    r"(?P<margin>[ \t]+)(?P<word>global|nonlocal)[ \t]+(?P<name>[^\W\d]\w*)(?P<value>[ \t]*=(?!=)[ \t]*\S.*)"
)
_TWO_WORDS = re.compile(r"(?<![\w.])(?=([^\W\d]\w*(?:[ ]\w+){1,2})\b(?!\())")
_STAND_IN = "gatllm_stand_in"


def _renamed(text: str, error: Finding) -> Iterator[str]:
    place = _keyword_at(text, offset(text, error.line, error.column))
    if place is None:
        return
    start, end = place
    word, left, right = text[start:end], text[line_span(text, text.count("\n", 0, start) + 1)[0] : start], text[end:]
    if word == "return" and not left.strip():
        return  # `return = x` is more likely one sign too many than a name
    other = f"{word}_"

    def put(new: str) -> str:
        return text[:start] + new + text[end:]

    opened = _enclosing(text, start)
    parameter = opened is not None and re.search(r"\bdef\s+\w+\s*\Z", text[:opened]) and _PARAMETER.match(right)
    if parameter:
        yield put(other)
    elif opened is not None and re.search(r"[(,]\s*\Z", text[:start]) and re.match(r"\s*=(?!=)", right):
        if _is_name(text, other):
            yield put(other)
        else:
            yield from _unpacked(text, start, end)
    elif _ATTRIBUTE.search(left) or _is_name(text, other):
        yield put(other)
    elif _BOUND_BEFORE.search(left) and (_ASSIGNS.match(right) or left.strip()):
        missing = _missing(put(_STAND_IN))
        if missing and re.search(rf"\b{missing}\b", text[:start]):
            missing = None  # it is used before anything could give it a value here
        yield put(missing if missing else other)


def _keyword_at(text: str, at: int) -> tuple[int, int] | None:
    """The keyword at the error, or before it: the compiler may see only behind it that it was not a keyword."""
    here, before = _WORD.match(text, at), _LAST.search(text[max(at - 40, 0) : at])
    shift = max(at - 40, 0)
    for found, by in ((here, 0), (before, shift)):
        if found is not None and keyword.iskeyword(found[0]) and found[0] not in _VALUES:
            return found.start() + by, found.end() + by
    return None


def _enclosing(text: str, at: int) -> int | None:
    """Where the innermost bracket that is open at ``at`` opens, if it is a parenthesis."""
    start = line_span(text, max(text.count("\n", 0, at) + 1 - _MOST, 1))[0]
    opened: list[int] = []
    for piece, outside in bare(text[start:at]):
        if outside and piece.text in "([{":
            opened.append(start + piece.start)
        elif outside and piece.text in ")]}" and opened:
            opened.pop()
    return opened[-1] if opened and text[opened[-1]] == "(" else None


def _is_name(text: str, name: str) -> bool:
    """Tell whether the file binds ``name``, as a parameter or a variable."""
    return re.search(rf"\bdef\s+\w+\s*\([^)]*\b{name}\b|^\s*{name}\s*=|\b(?:for|as)\s+{name}\b", text, re.M) is not None


def _unpacked(text: str, start: int, end: int) -> Iterator[str]:
    """``f(class="x")``: ``f(**{"class": "x"})``, which every function takes that took the name itself."""
    for _, arguments in calls(text, end):
        for begins, ends in arguments:
            if begins <= start < ends:
                value = text[end:ends].strip().removeprefix("=").strip()
                space = text[begins:ends][len(text[begins:ends].rstrip()) :]
                yield f'{text[:start]}**{{"{text[start:end]}": {value}}}{space}{text[ends:]}'
                return


def _missing(text: str) -> str | None:
    """The one name that the file uses and nothing defines: what the keyword stands for."""
    tree = quietly_parsed(text)
    names = unbound(tree) if tree is not None else set()
    called = {name for name in names if not re.search(rf"\b{name}\b(?!\s*\()", text)}  # by an import that is not shown
    names -= called
    return next(iter(names)) if len(names) == 1 else None


def _defined(text: str, error: Finding) -> Iterator[str]:
    """``area(w, h):`` above a block: a function that lost its ``def``."""
    start, end = line_span(text, error.line)
    found = _DEFINITION.fullmatch(text[start:end])
    following = next((line for line in text[end + 1 :].split("\n") if line.strip()), "")
    if found is None or len(margin_of(following).expandtabs()) <= len(found["margin"].expandtabs()):
        return
    name = found["name"]
    known = keyword.iskeyword(name) or hasattr(builtins, name) or name in _ELSEWHERE or name.startswith("def")
    if not known and not any(is_typo(name, word) for word in (*keyword.kwlist, *_ELSEWHERE)):
        at = start + len(found["margin"])
        yield f"{text[:at]}def {text[at:]}"


def _one_name(text: str, error: Finding) -> Iterator[str]:
    """``full name`` in a file that knows ``full_name``."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    outside = outside_strings(line)
    names = {*_WORD.findall(text[:start]), *_WORD.findall(text[end:]), "raw_input"}
    for found in _TWO_WORDS.finditer(line):
        words = found[1].split()
        if not outside[found.start()] or any(keyword.iskeyword(word) for word in words):
            continue
        spelt = ("_".join(words), "".join(words), words[0] + "".join(word.capitalize() for word in words[1:]))
        for name in spelt:
            if name in names:
                yield f"{text[: start + found.start()]}{name}{text[start + found.start() + len(found[1]) :]}"
                return


def _given_value(text: str, error: Finding) -> Iterator[str]:
    """``global n = 4``: two statements, in a function."""
    start, end = line_span(text, error.line)
    found = _VALUED.fullmatch(text, start, end)
    if found is None:
        return
    width = width_of(text[start:end])
    for line in reversed(text[:start].split("\n")):
        if line.strip() and width_of(line) < width:
            width = width_of(line)
            if re.match(r"\s*(?:async\s+)?def\b", line):
                margin, name = found["margin"], found["name"]
                yield f"{text[:start]}{margin}{found['word']} {name}\n{margin}{name}{found['value']}{text[end:]}"
                return


RULES = (
    Rule(
        "keyword-as-name",
        re.compile("invalid syntax|expected|cannot assign|expression cannot contain assignment"),
        "A keyword of Python where a name should stand.",
        "As a parameter or a variable it gets an underscore, everywhere in the file; if the file uses exactly one name "
        "that nothing defines, that is the name that was meant. In a call of another's function the name is the key "
        "that the function asks for, so that it is kept, in a dictionary.",
        "def div(**attrs):\n    return attrs\n\n\nprint(div(class='box', id='a'))\n",
        "def div(**attrs):\n    return attrs\n\n\nprint(div(**{\"class\": 'box'}, id='a'))\n",
        _renamed,
    ),
    Rule(
        "name-in-two",
        re.compile("invalid syntax|forgot a comma|only single target"),
        "A blank in a name that the file has elsewhere without.",
        "Two names can't stand side by side, nor a name and a number, and the file tells which one it is.",
        "full name = 'Ann'\nprint(full_name)\n",
        "full_name = 'Ann'\nprint(full_name)\n",
        _one_name,
    ),
    Rule(
        "def-lost",
        re.compile("invalid syntax|illegal target|only single target"),
        "A function's head without `def`.",
        "A name with parameters and a colon, above a block, is nothing else. Words that open one elsewhere are left.",
        "area(w, h):\n    return w * h\n",
        "def area(w, h):\n    return w * h\n",
        _defined,
    ),
    Rule(
        "global-with-value",
        re.compile("invalid syntax"),
        "`global` or `nonlocal` with a value, in a function.",
        "It only says where the name belongs; the value is given in a line of its own.",
        "def f():\n    global n = 4\n",
        "def f():\n    global n\n    n = 4\n",
        _given_value,
    ),
    form("words-run-together", "`isnot` or `notin` between two values.", "Two names can't follow each other.",
        ("x = None\nif x isnot None:\n    print(x)\n", "x = None\nif x is not None:\n    print(x)\n"),
        r"(?<=[\w)\]}'\"])(?P<before>[ \t]+)(?P<first>is|not)(?P<second>(?<=is)not|(?<=not)in)(?=[ \t]+[\w([{'\"-])",
        r"\g<before>\g<first> \g<second>"),
)  # fmt: skip
