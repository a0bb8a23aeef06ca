"""Arguments in an order, or of a kind, that no call or definition may have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from gatllm.review.critics import Finding
from gatllm.review.region import line_span, offset
from gatllm.review.rules.rule import ANY, Rule
from gatllm.review.typos import is_typo
from gatllm.tokenizers.lexing.lenient import all_bare, outside_strings

_KEYWORD = re.compile(r"\s*[^\W\d]\w*\s*=(?!=)|\s*\*\*")
_COLON = re.compile(r"\s*(?P<name>[^\W\d]\w*)\s*:(?!=|//)\s*(?=\S)")
_CALLED = re.compile(r"(?<!\bdef )(?<!\bclass )(?<![\w.])[\w.]*[\w)\]]\s*\Z")
_KEY = re.compile(r"[{,]\s*(?:'[^'\\]*'|\"[^\"\\]*\"|\d+)\s*\Z")
_LITERAL = re.compile(r"-?\d[\w.]*|'[^'\\]*'|\"[^\"\\]*\"|True|False|None")
_NUMBER = re.compile(r"\s*-?[\d.]+\s*")
_VALUED = re.compile(rf"\s*[^\W\d]\w*\s*={_NUMBER.pattern}")
_POINT = re.compile(r"(?<=['\")\]])\.(?=\d+(?:\s*[,)]))")
_ZERO = re.compile(r"(?<=['\")\]}])0(?=\s*$)")
_MOST = 40  # lines of a call


def calls(text: str, at: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield the brackets around ``at``, innermost first: where each opens, and (start, end) of its arguments."""
    number = text.count("\n", 0, at) + 1
    start, end = line_span(text, max(number - _MOST, 1))[0], line_span(text, number + _MOST)[1]
    opened: list[tuple[str, int, list[int]]] = []
    found: list[tuple[int, list[tuple[int, int]]]] = []
    for piece, outside in all_bare(text[start:end]):
        here = start + piece.start
        if piece.kind == "comment" and opened:
            opened[-1][2].append(-1)  # arguments with comments stay where they are
        if not outside:
            continue
        if piece.text in "([{":
            opened.append((piece.text, here, []))
        elif piece.text == "," and opened:
            opened[-1][2].append(here)
        elif piece.text in ")]}" and opened:
            bracket, began, commas = opened.pop()
            if bracket == "(" and began < at <= here and -1 not in commas:
                edges = [began, *commas, here]
                found.append((began, [(a + 1, b) for a, b in pairwise(edges)]))
        if not opened and here > at:
            break
    yield from found


def _positional_first(text: str, error: Finding) -> Iterator[str]:
    """``f(a=1, 2)``: ``f(2, a=1)``."""
    for _, arguments in calls(text, offset(text, error.line, error.column) - 1):
        parts = [text[start:end] for start, end in arguments]
        trailing = not parts[-1].strip()
        if len(parts) == trailing:  # nothing between these brackets
            continue
        if any(_VALUED.fullmatch(one) and _NUMBER.fullmatch(other) for one, other in pairwise(parts)):
            return  # `columns=0, 1`: brackets around the numbers may be missing
        order = sorted(parts[: len(parts) - trailing], key=lambda part: bool(_KEYWORD.match(part)))
        spaces = [part[: len(part) - len(part.lstrip())] for part in parts]
        moved = [space + part.strip() for space, part in zip(spaces, order, strict=False)]
        moved[-1] += parts[len(moved) - 1][len(parts[len(moved) - 1].rstrip()) :]
        if order != parts[: len(parts) - trailing]:
            new = ",".join([*moved, *([parts[-1]] if trailing else [])])
            yield text[: arguments[0][0]] + new + text[arguments[-1][1] :]
            return


def _joined(text: str, error: Finding) -> Iterator[str]:
    """``f(a=1, b, 2)``: ``b=2``, where ``b`` is a name that nothing else in the file knows."""
    for _, arguments in calls(text, offset(text, error.line, error.column) - 1):
        for first, second in pairwise(arguments):
            name, value = (text[start:end].strip() for start, end in (first, second))
            behind = any(_KEYWORD.match(text[start:end]) for start, end in arguments if end < first[0])
            known = len(re.findall(rf"\b{re.escape(name)}\b", text)) > 1
            if behind and name.isidentifier() and not known and _LITERAL.fullmatch(value):
                yield f"{text[: first[1]]}={text[second[0] :].lstrip()}"
                return


def _point(text: str, error: Finding) -> Iterator[str]:
    """``get('a'.0)``: a point typed for the comma beside it."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    outside = outside_strings(line)
    for found in _POINT.finditer(line):
        here = start + found.start()
        if outside[found.start()] and any(True for _ in calls(text, here)):
            yield f"{text[:here]},{text[here + 1 :]}"


def _keywords_last(text: str, error: Finding) -> Iterator[str]:
    """``def f(**more, *rest)``: ``**more`` is the last of all parameters."""
    for began, arguments in calls(text, offset(text, error.line, error.column)):
        parts = [text[start:end] for start, end in arguments]
        last = [part for part in parts if part.lstrip().startswith("**")]
        if len(last) != 1 or not parts[-1].strip() or not re.search(r"\bdef\s+\w+\s*\Z", text[:began]):
            continue
        spaces = [part[: len(part) - len(part.lstrip())] for part in parts]
        order = [*(part for part in parts if part is not last[0]), last[0]]
        moved = [space + part.strip() for space, part in zip(spaces, order, strict=True)]
        yield text[: arguments[0][0]] + ",".join(moved) + text[arguments[-1][1] :]
        return


def _zero(text: str, error: Finding) -> Iterator[str]:
    """``f({'a': 1}0``: a zero typed for the bracket on its key."""
    start, end = line_span(text, error.line)
    found = _ZERO.search(text[start:end])
    if found is not None and outside_strings(text[start:end])[found.start()]:
        yield f"{text[: start + found.start()]}){text[start + found.end() :]}"


def _once(text: str, error: Finding) -> Iterator[str]:
    """The same keyword with the same value twice: once."""
    name = error.message.rpartition(" ")[2]
    for _, arguments in calls(text, offset(text, error.line, error.column)):
        same = [(a, b) for a, b in arguments if re.match(rf"\s*{re.escape(name)}\s*=", text[a:b])]
        if len(same) == 2 and len({"".join(text[a:b].split()) for a, b in same}) == 1:
            start, end = same[1]
            yield text[: start - 1] + text[end:]


def _no_star(text: str, error: Finding) -> Iterator[str]:
    """``def f(a, *):``: a star that nothing follows says nothing."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    for pattern in (r"\*\s*,\s*(?=\*\*)", r",\s*\*\s*,?\s*(?=[):])", r"(?<=\()\s*\*\s*,?\s*(?=\))"):
        new = re.sub(pattern, "", line, count=1)
        if new != line:
            yield text[:start] + new + text[end:]


def _parenthesised(text: str, error: Finding) -> Iterator[str]:
    """A generator beside other arguments, and the names that a comprehension makes: parentheses around them."""
    at = offset(text, error.line, error.column)
    if "Generator" in error.message:
        for _, arguments in calls(text, at):
            for start, end in arguments:
                part = text[start:end]
                if start <= at <= end and " for " in part:
                    inner = part.strip()
                    before = part[: len(part) - len(part.lstrip())]
                    yield f"{text[:start]}{before}({inner}){part[len(part.rstrip()) :]}{text[end:]}"
                    return
        return
    end = text.find(" for ", at)
    if 0 < end < at + 400 and not re.search(r"[\[\]{}\n]", text[at:end]):
        yield f"{text[:at]}({text[at:end]}){text[end:]}"


def _named(text: str, error: Finding) -> Iterator[str]:
    """``f(a: 1)``: ``f(a=1)``."""
    number = offset(text, error.line, error.column)
    for began, arguments in calls(text, number):
        if not _CALLED.search(text, 0, began):
            continue
        named = [(_COLON.match(text, start, end), start, end) for start, end in arguments]
        if any(found and is_typo(found["name"], "lambda") for found, _, _ in named):
            return
        # `x: int = 3` is a parameter's: no call has that.
        known = [
            (found, start, end)
            for found, start, end in named
            if found and not re.search(r"(?<![=!<>])=(?!=)", text[found.end() : end])
        ]
        if any(start <= number <= end for _, start, end in known):
            for found, _, _ in reversed(known):
                text = f"{text[: found.end('name')]}={text[found.end() :]}"
            yield text
            return


def _keyed(text: str, error: Finding) -> Iterator[str]:
    """``{'a': 1, 'b' = 2}``: a colon behind the key, in the whole line."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    brackets: list[str] = []
    out, at = [], 0
    for piece, outside in all_bare(line):
        if outside and piece.text in "([{":
            brackets.append(piece.text)
        elif outside and piece.text in ")]}" and brackets:
            brackets.pop()
        elif piece.text == "=" and brackets[-1:] == ["{"] and _KEY.search(line, 0, piece.start):
            out += [line[at : piece.start].rstrip(), ":"]
            at = piece.end
    if out:
        yield text[:start] + "".join([*out, line[at:]]) + text[end:]


RULES = (
    Rule(
        "argument-with-colon",
        ANY,
        "An argument whose name and value are joined by a colon.",
        "A call joins them with `=`; a colon has no other meaning there.",
        "size = box(depth: 3)\n",
        "size = box(depth=3)\n",
        _named,
    ),
    Rule(
        "dictionary-with-equals",
        re.compile("cannot assign|invalid syntax|expected"),
        "A key of a dictionary joined to its value by `=`.",
        "A dictionary joins them with a colon; nothing is assigned between braces.",
        "sizes = {'box': 1, 'bag' = 2}\n",
        "sizes = {'box': 1, 'bag': 2}\n",
        _keyed,
    ),
    Rule(
        "argument-with-comma",
        re.compile("positional argument follows keyword argument"),
        "An argument whose name and value are joined by a comma.",
        "A name that nothing else in the file knows, between arguments with names and before a value, is one of them.",
        "size = box(depth=3, width, 4)\n",
        "size = box(depth=3, width=4)\n",
        _joined,
    ),
    Rule(
        "point-for-comma",
        ANY,
        "A point instead of a comma between two arguments.",
        "The two keys lie beside each other; behind a string or a bracket no number can begin.",
        "age = ages.get('ann'.0)\n",
        "age = ages.get('ann',0)\n",
        _point,
    ),
    Rule(
        "zero-for-bracket",
        re.compile("never closed"),
        "A zero in the place of a closing bracket.",
        "They share a key. No number can begin behind a string or a bracket.",
        "show('a', [1, 2]0\n",
        "show('a', [1, 2])\n",
        _zero,
    ),
    Rule(
        "positional-after-keyword",
        re.compile("positional argument follows keyword argument|unpacking follows keyword argument unpacking"),
        "An argument without a name behind one with a name.",
        "Arguments with names may stand in any order, so that they can go last without a change of meaning. A number "
        "behind one with a number stays: both may be the value.",
        "size = box(2, name='a', 4)\n",
        "size = box(2, 4, name='a')\n",
        _positional_first,
    ),
    Rule(
        "keywords-first",
        re.compile("cannot follow var-keyword|invalid syntax"),
        "A parameter behind `**`.",
        "What takes all further names must be the last parameter; a call gives the others the same values as before.",
        "def show(**more, *rest):\n    pass\n",
        "def show(*rest, **more):\n    pass\n",
        _keywords_last,
    ),
    Rule(
        "keyword-twice",
        re.compile("keyword argument repeated"),
        "The same argument given twice, with the same value.",
        "One of the two says it. Where the values differ nobody but the author knows which was meant: gatllm says so.",
        "print('a', end='', end='')\n",
        "print('a', end='')\n",
        _once,
    ),
    Rule(
        "star-alone",
        re.compile("named (?:arguments|parameters) must follow bare"),
        "A bare `*` that no parameter follows.",
        "The star says that what follows must be given by name; before `**` or nothing it says nothing.",
        "def options(*, **given):\n    return given\n",
        "def options(**given):\n    return given\n",
        _no_star,
    ),
    Rule(
        "parentheses-missing",
        re.compile("Generator expression must be parenthesized|parentheses around the comprehension target"),
        "A generator beside other arguments, or several names made by a comprehension, without parentheses.",
        "With them there is one reading, and it is the one that the compiler suggests.",
        "pairs = [a, b for a, b in rows]\n",
        "pairs = [(a, b) for a, b in rows]\n",
        _parenthesised,
    ),
)
