"""Signs that a finger put there: one typed for its neighbour on the keyboard, or for its like, or one left lying."""

from __future__ import annotations

import builtins
import re
import unicodedata
from collections.abc import Iterator

from gatllm.review.critics import Finding
from gatllm.review.lines import margin_of
from gatllm.review.region import line_span
from gatllm.review.rules.forms import form
from gatllm.review.rules.rule import ANY, Rule, for_typed_lines
from gatllm.tokenizers.lexing.lenient import all_bare, outside_strings

_CLOSES = {"(": ")", "[": "]", "{": "}"}
_LYING = frozenset({"So", "Ps", "Pe", "Pi", "Pf", "Po"})  # signs that compute nothing, as `÷` and `≤` do
_MORE = "…"  # something was left out
_INDEXED = re.compile(r"(?P<name>\w+)\s*\Z")
_POINT = re.compile(r"(?<=[\w'\")\]}])\.\s*(?=['\"])")
_HEADER = re.compile(
    r"\s*(?:(?:async\s+)?def|class|if|elif|else|for|while|try|with|except|finally)\b[^'\"#]*[\w)\]]['\"]\s*"
)
_NINE = re.compile(r"(?:\b[^\W\d]+|(?<![\w.]))9(?![\d.])(?=[)\w'\"\[{(-])")
_SEQUENCE = r"^[ \t]*{}\s*=\s*(?:['\"\[{{(]|dict\(|list\(|str\()"  # a name that gets what can be indexed
_VALUE = r"(?:-?\d[\w.]*|'[^'\\\n]*'|\"[^\"\\\n]*\"|[^\W\d]\w*)"
_ROUND = re.compile(rf"(?<![\w.'\"])(?P<name>[^\W\d]\w*)\((?P<key>{_VALUE}|-?\w*:-?\w*)\)")


def _open_before(line: str, at: int) -> list[tuple[str, int]]:
    """The brackets that are open at a place of a line, outermost first, and where each opens."""
    opened: list[tuple[str, int]] = []
    for piece, outside in all_bare(line):
        if piece.start >= at:
            break
        if outside and piece.text in _CLOSES:
            opened.append((piece.text, piece.start))
        elif outside and piece.text in _CLOSES.values() and opened:
            opened.pop()
    return opened


def _lying(text: str, error: Finding) -> Iterator[str]:
    """``print(a°``, ``x = a`[0]``: the bracket that is missing there, or nothing."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    outside = outside_strings(line)
    odd = [at for at, sign in enumerate(line) if outside[at] and _is_lying(sign, line[at + 1 :])]
    if len(odd) != 1:
        return
    (at,) = odd
    opened = _open_before(line, at)
    for sign in (*((_CLOSES[opened[-1][0]],) if opened and not line[at].isascii() else ()), ""):
        yield f"{text[: start + at]}{sign}{text[start + at + 1 :]}"


def _is_lying(sign: str, rest: str) -> bool:
    if sign == "$":  # before a string that has no fields to fill in
        return rest[:1] in ("'", '"') and rest[:1] != "" and "{" not in rest
    return sign == "`" or (not sign.isascii() and sign != _MORE and unicodedata.category(sign) in _LYING)


def _nine(text: str, error: Finding) -> Iterator[str]:
    """``show9)``: the nine shares its key with the bracket that is missing."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    outside = outside_strings(line)
    nines = [found for found in _NINE.finditer(line) if outside[found.end() - 1]]
    if len(nines) == 1 and line.count("9") == 1:
        at = start + nines[0].end() - 1
        yield f"{text[:at]}({text[at + 1 :]}"


def _headed(text: str, error: Finding) -> Iterator[str]:
    """``def f(x)"``: a quote in place of the colon beside it."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    below = next((one for one in text[end + 1 :].split("\n") if one.strip()), "")
    if _HEADER.fullmatch(line) and len(margin_of(below).expandtabs()) > len(margin_of(line).expandtabs()):
        yield f"{text[:start]}{line.rstrip()[:-1]}:{text[end:]}"


def _semicolons(text: str, error: Finding) -> Iterator[str]:
    """``a[1;2]``, ``{'a'; 1}``: a semicolon between brackets is the colon or comma that is missing there."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    out, at = [], 0
    for piece, outside in all_bare(line):
        if piece.text != ";" or not outside or not (opened := _open_before(line, piece.start)):
            continue
        bracket, began = opened[-1]
        mark = _mark(text[:start], line, bracket, began, piece.start)
        if not mark:
            return
        out += [line[at : piece.start], mark]
        at = piece.end
    if out:
        yield text[:start] + "".join([*out, line[at:]]) + text[end:]


def _holds(above: str, name: str) -> bool:
    """Tell whether a name gets a string, a list, a tuple or a dictionary further up."""
    return re.search(_SEQUENCE.format(re.escape(name)), above, re.M) is not None


def _mark(above: str, line: str, bracket: str, began: int, at: int) -> str:
    """What stands for a semicolon inside a bracket; nothing where it may separate rows."""
    if bracket == "(":
        return ","
    if bracket == "[":
        indexed = _INDEXED.search(line[:began])
        closed = re.compile(r"[^\[\]]*").match(line, began + 1)
        sliced = closed is not None and ":" in closed[0]
        return ":" if indexed and (sliced or _holds(above, indexed["name"])) else ""
    depth, last, colons = 0, began + 1, 0
    for piece, outside in all_bare(line[began + 1 : at]):
        depth += outside * ((piece.text in _CLOSES) - (piece.text in _CLOSES.values()))
        if outside and depth == 0 and piece.text in (",", ";"):
            last = began + 1 + piece.end
        colons += outside and depth == 0 and piece.text == ":"
    closed = re.compile(r"[^{}]*\}").match(line, at)
    if ":" in _plain(line[last:at]):
        return ","
    return ":" if colons or (closed and ":" in closed[0]) else ""


def _plain(part: str) -> str:
    return "".join(piece.text for piece, outside in all_bare(part) if outside)


def _points(text: str, error: Finding) -> Iterator[str]:
    """``open('a'.'w')``: a point typed for the comma beside it: no attribute is a string."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    outside = outside_strings(line)
    for found in _POINT.finditer(line):
        if outside[found.start()] and _open_before(line, found.start()):
            yield f"{text[: start + found.start()]},{text[start + found.start() + 1 :]}"


def _not_value(text: str, error: Finding) -> Iterator[str]:
    """``on = !on``: the file knows the name, so that it is no command of a shell."""
    start, end = line_span(text, error.line)
    found = re.compile(r"\s*[^\W\d][\w.]*\s*=\s*(?P<sign>!)(?P<name>[^\W\d]\w*)[\w.()]*\s*").fullmatch(text, start, end)
    if found is not None and re.search(rf"\b{found['name']}\s*=(?!=)", text[:start]):
        yield f"{text[: found.start('sign')]}not {text[found.end('sign') :]}"


def _indexed(text: str, error: Finding) -> Iterator[str]:
    """``ages('ann') = 3``, ``word(1:2)``: the index of what is assigned further up, and nothing that is called."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    outside = outside_strings(line)
    for found in _ROUND.finditer(line):
        name, behind = found["name"], line[found.end() :]
        assigned = re.match(r"\s*=(?!=)", behind) and not line[: found.start()].strip()
        if not outside[found.start()] or not (assigned or ":" in found["key"][:1] + _plain(found["key"])):
            continue
        called = re.search(rf"\b(?:def|class|import|as)\s+{name}\b", text) or hasattr(builtins, name)
        if _holds(text[:start], name) and not called:
            yield f"{text[: start + found.start()]}{name}[{found['key']}]{text[start + found.end() :]}"


RULES = for_typed_lines(
    Rule(
        "sign-left-lying",
        re.compile("invalid (?:non-printable )?character|invalid syntax|never closed|unmatched|does not match"),
        "A sign that no program has, such as `°`, a box of a drawn frame or a single backtick.",
        "Where a bracket is open it stands for the one that closes it; else it says nothing. Signs that mean "
        "something, as `÷` or `≤` do, are left.",
        "print('ready'°\n",
        "print('ready')\n",
        _lying,
    ),
    Rule(
        "nine-for-bracket",
        re.compile(r"unmatched '\)'|invalid decimal literal|invalid syntax"),
        "A nine in the place of an opening bracket.",
        "They share a key, and a closing bracket has no partner.",
        "show.clear9)\n",
        "show.clear()\n",
        _nine,
    ),
    Rule(
        "quote-for-colon",
        re.compile("unterminated string"),
        "A quote at the end of a header, in place of its colon.",
        "They share a key or lie side by side; a block follows, and no string begins at the end of a line.",
        'def size(box)"\n    return box\n',
        "def size(box):\n    return box\n",
        _headed,
    ),
    Rule(
        "semicolon-in-brackets",
        ANY,
        "A semicolon between brackets.",
        "No statement ends there. In an index it is a colon, and behind a key of a dictionary; between arguments and "
        "between pairs it is a comma. In a list it may separate rows, and in the index of an unknown value be a comma: "
        "there it is left.",
        "word = 'abcd'\nprint(word[1;3])\n",
        "word = 'abcd'\nprint(word[1:3])\n",
        _semicolons,
    ),
    Rule(
        "point-before-string",
        ANY,
        "A point instead of a comma, before a string between brackets.",
        "The two keys lie beside each other, and no attribute begins with a quote.",
        "book = open('a.txt'.'w')\n",
        "book = open('a.txt','w')\n",
        _points,
    ),
    Rule(
        "not-before-value",
        ANY,
        "`!` before a value that is assigned.",
        "Python says `not`. Only before a name that the file assigns further up: before others it may be a shell's.",
        "on = True\non = !on\n",
        "on = True\non = not on\n",
        _not_value,
    ),
    Rule(
        "index-in-parentheses",
        re.compile("cannot assign to function call|invalid syntax"),
        "An index between parentheses.",
        "Nothing can be assigned to what a call returns, and no argument is a slice. Only of a name that the file "
        "gives a list, a string, a tuple or a dictionary.",
        "ages = {}\nages('ann') = 3\n",
        "ages = {}\nages['ann'] = 3\n",
        _indexed,
    ),
    form("dot-before-bracket", "A dot before a bracket.", "Behind a dot comes a name; what is called has none there.",
        ("rows.sort.(key)\n", "rows.sort(key)\n"), r"(?<=[\w)\]])\.[ \t]*+(?=[(\[])", ""),
    form("dot-between-parameters", "A dot instead of a comma between two parameters.",
        "The two keys lie beside each other, and a parameter is a plain name.",
        ("def area(w.h):\n    return w * h\n", "def area(w,h):\n    return w * h\n"),
        r"^(?P<head>\s*+(?:async\s++)?def\s++\w++\s*+\((?:[^()]*,)?\s*+[^\W\d]\w*+)\.(?=[ \t]*[^\W\d]\w*\s*[,)=:])",
        r"\g<head>,"),
    form("range-with-colons", "A colon between the numbers of a `range`.", "It takes them apart by commas.",
        ("for n in range(0:9):\n    print(n)\n", "for n in range(0,9):\n    print(n)\n"),
        r"\brange\((?P<given>[^()\[\]{}:]*:[^()\[\]{}]*)\)",
        lambda found, after: (
            f"range({found['given'].replace(':', ',')}){found.string[found.end() :]}{after}"
        )),
    form("quote-and-other", "A word that begins with one quote and ends with the other.",
        "It stands where a value does, and a comma, a colon or a bracket follows.",
        ("ages = {'ann\": 3, \"bob\": 4}\n", "ages = {'ann': 3, \"bob\": 4}\n"),
        r"(?P<before>[\[{(,:=+]\s*+)(?P<quote>['\"])(?P<said>[^'\"\n:,]{1,40})(?!(?P=quote))['\"](?=\s*[:,)\]}+])",
        r"\g<before>\g<quote>\g<said>\g<quote>", anywhere=True),
)  # fmt: skip
