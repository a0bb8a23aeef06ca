"""Repairs that make something up, or give a mark another task: values, calls, annotations, stars.

Each kind was read off wrong repairs of texts from CPython's own tests. It is a doubt, so that the repair becomes a
suggestion.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from gatllm.review.ends import equal_ends
from gatllm.review.reading import Part
from gatllm.review.statement import open_brackets
from gatllm.tokenizers.lexing.words import KEYWORDS

_EMPTY_VALUE = re.compile(
    r"(?:\b(?:return|yield|in|and|or|not|if|else|is|lambda)|[-+*/%=<>,:([{!|&^~@])\s*(?:\(\)|\[\]|\{\}|\"\"|'')"
)
_NO_KEYED_VALUE = re.compile(r":[ \t]*(?:for\b|\})")
_SEMICOLON_OF_SLICE = re.compile(r"[\w)\]]\[[^\[\]\n;,'\"]*;")
_TYPE_AS_NAME = re.compile(r",\s*(?:int|str|float|bool|bytes|list|dict|set|tuple)\s*=(?!=)")
_CALLED = re.compile(r"(?<!def )(?<!class )(?<![\w.])([A-Za-z_]\w*)[ \t]*\(")
_NO_VALUE = re.compile(r"(?<![=!<>:+\-*/%&|^@])=(?:\s*,|(?<=\w=)\))")
_STAR_NAME, _STAR_COMMA = re.compile(r"[(,]\s*\*\w"), re.compile(r"[(,]\s*\*\s*,")
_STAR_FIRST = re.compile(r"[,:(\[{=]\s*\*{1,2}\s*[\w(\[{]")
_STAR = re.compile(r"(?<!\*)\*{1,2}(?!\*)")
_NO_PARAMETER = re.compile(r"\blambda\s*:")
_NONE_AS_TYPE = re.compile(r":\s*None\b")
_WORD_AT_QUOTE = re.compile(r"(?<![.\w])(?:if|or|in|for|not|and)(?=['\"])")
_FORMATTED = re.compile(r"\b[rR]?[fF][rR]?['\"]")
_ENDED_EARLY = re.compile(r"\}\.\w+[.(\[]")
_GIVEN_AS = re.compile(r"(?<![\w'\"])['\"]\w+ ?= ?\w")
_LAST_GIVEN = re.compile(r"(?<=[-+*/%] )['\"]\w+ ?= ?['\"]")
_COMMENT_IN_CALL = re.compile(r"[(\[{,=]#(?P<said>[^\n]*)")
_NEVER_NAMED = frozenset({"match", "case", "type", "print"})
_IDLE = "the value of a line would go nowhere"
_BESIDE = 3  # lines beside a difference that are looked at
# What there must not be more of, and what there must not be less of.
_MORE = (
    (_TYPE_AS_NAME, "a type would become an argument"),
    (_NO_PARAMETER, "a parameter would become a value"),
    (_ENDED_EARLY, "a field of an f-string may end elsewhere"),
    (_GIVEN_AS, "an argument would become a string"),
    (_LAST_GIVEN, "an argument would become a string"),
    (_WORD_AT_QUOTE, "the prefix of a string would become a keyword"),
)
_LESS = (
    (_NO_VALUE, "a value is missing behind `=`"),
    (_SEMICOLON_OF_SLICE, "a semicolon may stand for the colon of a slice"),
)


def made_up(
    before: str, after: str, differing: Part, unbound: set[str], steps: Sequence[tuple[str, str, str]]
) -> Iterator[str]:
    """Yield in plain words what a repair would make up.

    Args:
        before: the text as it was given.
        after: the repaired text.
        differing: the part in which they differ.
        unbound: names that it uses and nothing defines.
        steps: what named rules did: texts before and after, and the rule; they know what they do.
    """
    granted = {one for old, new, _ in steps for one in _signs(old, new)}
    yield from (one for one in _signs(before, after) if one not in granted)
    called = [name for old, new, _ in steps for name in (Counter(_CALLED.findall(new)) - Counter(_CALLED.findall(old)))]
    yield from _calls(differing.before, differing.after, {*differing.defined, *called})
    given, lines = {*before.split("\n")}, after.split("\n")
    for node in differing.nodes:
        line = getattr(node, "lineno", 0)
        if line and given.issuperset(lines[line - 1 : getattr(node, "end_lineno", line)]):
            continue  # it stood there so; cutting a segment out of a text splits the whole of it
        match node:
            case ast.AnnAssign(target=target, annotation=annotation) if not _typed(before, after, target, annotation):
                known = unbound if target.col_offset == 0 else set()  # a part of a file has no imports
                named_only = isinstance(annotation, ast.Constant) and node.value is None and target.col_offset == 0
                if named_only or not _is_type(annotation, known) or getattr(target, "id", "") in _NEVER_NAMED:
                    yield "two words would become a name and its type"
            case ast.Expr(value=ast.Tuple() as value) if not _stood(before, after, value):
                if not (ast.get_source_segment(after, value) or "").startswith("("):
                    yield _IDLE
            case ast.For(iter=ast.Tuple(elts=[ast.Name(id=name), *_]) as value):
                if callable(getattr(builtins, name, None)) and not _stood(before, after, value):
                    yield "brackets of a call may be missing"
            case ast.Starred(value=ast.BinOp(left=ast.Constant(value=number))) if not isinstance(number, str | bytes):
                yield f"`{number}` can't be unpacked"


def _signs(given: str, repaired: str) -> Iterator[str]:
    """What the marks around a difference tell."""
    before, after = _around(given, repaired)

    def more(pattern: re.Pattern[str]) -> int:
        return len(pattern.findall(after)) - len(pattern.findall(before))

    yield from (words for pattern, words in _MORE if more(pattern) > 0)
    yield from (words for pattern, words in _LESS if more(pattern) < 0)
    text = given.rstrip()
    if text.endswith(",") and open_brackets(text) > 1 and not _closes_at_end(repaired, open_brackets(text)):
        yield "a bracket would close before the end of what it holds"
    if _both_added(before, after) and more(_EMPTY_VALUE) > 0:
        yield "a value would be made up"
    if len(_NO_KEYED_VALUE.findall(_outside_fields(before))) > len(_NO_KEYED_VALUE.findall(_outside_fields(after))):
        yield "a value is missing behind `:`"
    if more(_STAR_COMMA) > 0 > more(_STAR_NAME):
        yield "a star and its name would come apart"
    if more(_STAR_FIRST) < 0 and more(_STAR) >= 0:
        yield "a star would multiply"
    if more(_NONE_AS_TYPE) > 0 and before.count(",") > after.count(","):
        yield "`None` would become a type"
    if any(found["said"].count(quote) % 2 for found in _COMMENT_IN_CALL.finditer(before) for quote in "'\""):
        yield "a comment may be a string without its first quote"
    quoted = any(after.count(quote) > before.count(quote) for quote in "'\"")
    if quoted and any(after.count(mark) < before.count(mark) for mark in ",:;"):
        yield "a mark of a string would vanish"
    if any(after.count(quote) < before.count(quote) and not _doubled(before, quote) for quote in "'\""):
        yield "a quote would vanish, and what it quoted become code"


def _doubled(text: str, quote: str) -> bool:
    """Tell whether a text has two quotes side by side, of which one may be too many."""
    return quote * 2 in text.replace(quote * 3, "")


def _around(before: str, after: str) -> tuple[str, str]:
    """The lines in which two texts differ, and those beside them."""
    old, new = before.split("\n"), after.split("\n")
    head, tail = (max(same - _BESIDE, 0) for same in equal_ends(old, new))
    return "\n".join(old[head : len(old) - tail]), "\n".join(new[head : len(new) - tail])


def _both_added(before: str, after: str) -> bool:
    """Tell whether both brackets of a pair, or both quotes of one, were added."""
    more = {mark: after.count(mark) - before.count(mark) for mark in "()[]{}'\""}
    return any(more[one] > 0 and more[other] > 0 for one, other in ("()", "[]", "{}")) or more["'"] > 1 or more['"'] > 1


def _outside_fields(text: str) -> str:
    """The lines of a text that hold no f-string: braces and colons mean something else in them."""
    return "\n".join(line for line in text.split("\n") if not _FORMATTED.search(line))


def _closes_at_end(text: str, brackets: int) -> bool:
    """Tell whether a text ends with at least so many closing brackets."""
    return re.search(rf"(?:[)\]}}]\s*){{{brackets},}}\Z", text) is not None


def _calls(before: str, after: str, known: set[str]) -> Iterator[str]:
    """Both brackets of a call added around what stood beside a name: `range 10` is one, `match x` is not."""
    if not all(after.count(one) > before.count(one) for one in "()"):
        return
    called = _CALLED.findall(before)
    for name in _CALLED.findall(after):
        if name in called:
            called.remove(name)
        elif name not in known and not callable(getattr(builtins, name, None)) and name not in KEYWORDS:
            yield f"a call of `{name}` would be made up"


def _is_type(node: ast.expr, unbound: set[str]) -> bool:
    """Tell whether an expression reads like a type: names that exist, joined by dots, brackets and bars."""
    match node:
        case ast.Name(id=name):
            return name not in unbound
        case ast.Attribute(value=value) | ast.Subscript(value=value):
            return _is_type(value, unbound)
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _is_type(left, unbound) and _is_type(right, unbound)
        case ast.Constant(value=str() as words):
            return re.fullmatch(r"[\w.\[\], |'\"]+", words) is not None and not re.search(r"\w \w|\.$", words)
        case ast.Constant(value=None):
            return True
    return False


def _typed(before: str, after: str, target: ast.expr, annotation: ast.expr) -> bool:
    """Tell whether a name and its type stood there already, with the colon between them."""
    name, kind = (re.escape(ast.get_source_segment(after, node) or "") for node in (target, annotation))
    return re.search(rf"{name}\s*:\s*{kind}", before) is not None


def _stood(before: str, after: str, node: ast.AST) -> bool:
    """Tell whether the words of a node stood there already, in this order and with these marks."""
    return (ast.get_source_segment(after, node) or "") in before
