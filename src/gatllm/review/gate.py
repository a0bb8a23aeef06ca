"""The gate: what a repair may do before it is written. Whatever trips it is a suggestion.

A text that does not compile still says what was meant: its names, numbers, operators, the words in its strings. A
repair puts brackets, commas, colons, quotes, line breaks and indentation right around them. Anything else happens by
a named rule, one of those below or one that rewrites a known form (`rules`), whose steps are
passed along.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from gatllm.review.arity import too_many
from gatllm.review.critics import compile_error
from gatllm.review.ends import differences, equal_ends
from gatllm.review.exchanged import exchanged
from gatllm.review.layout import displaced
from gatllm.review.made_up import made_up
from gatllm.review.misreadings import misread
from gatllm.review.quotes import quoted
from gatllm.review.reading import Part, part
from gatllm.review.statement import open_brackets
from gatllm.review.traded import traded
from gatllm.review.typos import is_typo
from gatllm.tokenizers.lexing.lenient import all_bare, all_lexemes
from gatllm.tokenizers.lexing.words import BLOCK_WORDS, KEYWORDS


class Step(NamedTuple):
    """What a named rule did: the text before it was applied, the text after it, and its name."""

    before: str
    after: str
    rule: str


# What carries meaning: words, escapes, operators. Brackets, commas, colons, semicolons, quotes and space carry form.
_CONTENT = re.compile(
    r"\\(?:\r?\n|.)|\w+|\*\*=|//=|>>=|<<=|\.\.\.|\*\*|//|>>|<<|->|:=|[-+*/%@&|^!=<>]=|[^\s\w()\[\]{},:;\"'\\]"
)
_CONTINUED = re.compile(r"\\\r?\n")
_KEYWORDS = KEYWORDS | BLOCK_WORDS
_BUILTINS = frozenset(dir(builtins))
_VALUES = frozenset({"None", "True", "False"})  # `one` is a word, not a misspelt None
# Operators that are written so elsewhere, and nothing in Python: "".join(removed) → "".join(added)
_FOREIGN = {
    ("===", "=="),
    ("!==", "!="),
    ("<>", "!="),
    ("&&", "and"),
    ("||", "or"),
    ("=<", "<="),
    ("=>", ">="),
    ("!", "not"),
    ("elseif", "elif"),
    ("elsif", "elif"),
}
_NEVER = frozenset("$")  # what no Python program has outside strings, and other languages put before names
_FORCED = {
    "in": r"\bfor\b(?:(?!\bin\b)[^\n])*$",
    "import": r"\bfrom\s+[\w.]+\s*$",
    "as": r"\b(?:import|with|except)\b[^\n]*$",
}
_CODE = re.compile(
    r"\s*(?:(?:async\s+)?def\s+\w+\s*\(|class\s+\w+\s*[:(]|import\s|from\s+\S+\s+import\b|return\b|@\w|\w[\w.]*\s*=[^=])"
)
_APART = re.compile(r"[\w)\]][,:;]\s*\(")  # a mark between what is called and its arguments
_CALLED = re.compile(r"(?:(?<!class )\b(\w+)|[)\]])[ \t]*\(")
_HEADED = re.compile(r"^[ \t]*[^\W\d]\w*(?=[ \t]+\(.*:[ \t]*$)", re.M)  # `whlie (n < 3):` is a header, no call
_OPERAND_AT = re.compile(r"^[ \t]*[)\]}]+[ \t]*@[ \t]*[A-Za-z_]", re.M)
_AFTER_DOT = re.compile(r"(?<=\w)\.[ \t]+[^\W\d]")
_ONE_VALUE = re.compile(r"\s*(?:return|yield|[\w.\[\]'\"]+\s*=(?!=))")
_VALUES_AFTER = re.compile(r"[^,()\[\]{}]*,[^,()\[\]{}]*")  # one comma, and no bracket that it may stand in
_TWO_IMPORTED = re.compile(r"^[ \t]*import[ \t]+([\w.]+)[ \t]+(?!as\b)(\w+)[ \t]*$", re.M)
_PRINT_TO = re.compile(r"^[ \t]*print[ \t]*>>", re.M)
_ENDS = re.compile(r"\s*(?:$|[).,\]}:;%+#]|(?:if|else|and|or|in|is|for)\b)")  # what may follow a string of many lines
_ENDINGS = frozenset({"end", "endif", "endfor", "endwhile", "fi", "done", "esac", "begin", "then"})
_RAW_END = re.compile(r"^[bB]?[rR][bB]?['\"].*\\['\"]{2}$")  # r"…\"" : the backslash was to be the last
_OPERAND = re.compile(r"\s(?:[-+*/%]|and|or|in|if|else|==|!=)\s+([A-Za-z_]\w*)\b(?=[\w.(\[]*\s*$)")
_FORMATTED = re.compile(r"[rR]?[fF][rR]?['\"]")
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_MANY = 250_000  # pairs of words, from which on lines are compared first
_LARGEST = 4_000_000  # pairs of lexemes compared at most
_LONGEST = 200_000  # characters that are compared word by word
_TEXTS = (tokenize.STRING, tokenize.COMMENT)
_BESIDE = 50  # lines beside a difference that are compared in what is longer
_READ = 1_000_000  # characters that are read as a program; what is longer is data


def harm(before: str, after: str, steps: Sequence[Step] = ()) -> tuple[str, ...]:
    """Return what a repair would do that nobody asked for, in plain words; nothing where it may be written.

    Args:
        before: the text as it was given.
        after: the repaired text; it compiles.
        steps: what named rules did on the way.
    """
    old, new = _differing(before, after) if len(before) > _LONGEST else (before, after)
    found = [*_content(old, new, steps), *displaced(old, new, steps)]
    if len(before) <= _READ:
        differing = part(before, after)
        found += [*_strings(_sources(before, steps), after, differing.after)]
        found += [*_nonsense(before, after, differing, steps)]
    return tuple(dict.fromkeys(found))


def _differing(before: str, after: str) -> tuple[str, str]:
    """The lines around which two texts differ: what is the same on both sides can't come to harm."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    head, tail = (max(same - _BESIDE, 0) for same in equal_ends(old, new))
    return "".join(old[head : len(old) - tail]), "".join(new[head : len(new) - tail])


def _lexemes(text: str) -> list[str]:
    return [found for found in _CONTENT.findall(text) if not _CONTINUED.fullmatch(found)]


def _hunks(before: str, after: str) -> Iterator[tuple[list[str], list[str], list[str], list[str]]]:
    """Yield (removed, added, the words before, the words after) for each place where what carries meaning differs."""
    old, new = _lexemes(before), _lexemes(after)
    if len(old) * len(new) > _MANY:  # line by line then, which line breaks tell
        old, new = ([word for line in text.split("\n") for word in (*_lexemes(line), "\n")] for text in (before, after))
    for i1, i2, j1, j2 in differences(old, new):
        parts = (old[i1:i2], new[j1:j2], old[max(i1 - 12, 0) : i1], old[i2 : i2 + 1])
        removed, added, above, below = ([word for word in words if word != "\n"] for words in parts)
        if removed or added:
            yield removed, added, above, below


def _content(before: str, after: str, steps: Sequence[Step]) -> Iterator[str]:
    odd = [(removed, added) for removed, added, *beside in _hunks(before, after) if not _named(removed, added, *beside)]
    granted_less: Counter[str] = Counter()
    granted_more: Counter[str] = Counter()
    for old, new, _ in steps if odd else ():
        for removed, added, _, _ in _hunks(*_differing(old, new)):
            granted_less.update(removed)
            granted_more.update(added)
    for removed, added in odd:
        for word in removed:
            if granted_less[word] > 0:
                granted_less[word] -= 1
            else:
                yield f"`{word}` would vanish"
        for word in added:
            if granted_more[word] > 0:
                granted_more[word] -= 1
            else:
                yield f"`{word}` would appear"


def _named(removed: list[str], added: list[str], context: list[str], following: list[str]) -> bool:
    """Tell whether one of the small named rules covers a difference."""
    less, more = "".join(removed), "".join(added)
    if (less, more) in _FOREIGN:
        return less != "!" or context[-1:] != ["="]  # `files = !ls` is a notebook's
    if less == more:  # a keyword cut in two, or run together with its neighbour; an operator cut in two
        return any(word in _KEYWORDS or not _is_word(word) for word in added)
    if len(removed) == 1 and len(added) == 1:  # one misspelt keyword
        return more in _KEYWORDS and (less.lower() == more.lower() or (more not in _VALUES and is_typo(less, more)))
    if not added:  # what no program has, or what was typed twice
        doubled = removed in (context[-1:], following) and (less in _KEYWORDS - _VALUES or not _is_word(less))
        return doubled or (all(word in _NEVER for word in removed) and "".join(following).isidentifier())
    return not removed and len(added) == 1 and _forced(more, context)


def _is_word(text: str) -> bool:
    return text[0].isalnum() or text[0] == "_"


def _forced(word: str, context: list[str]) -> bool:
    """Tell whether the grammar leaves no other word for this place."""
    if word == ".":
        return context[-1:] in (["self"], ["cls"])
    return word in _FORCED and re.search(_FORCED[word], " ".join(context)) is not None


def _sources(before: str, steps: Sequence[Step]) -> tuple[str, ...]:
    """The texts that say what strings hold: the given one, and what a rule made of it.

    Where the model changed the text before a rule ran, only lines count that the rule wrote in place of given ones (or
    of such lines in turn): what else its text says may be the model's.
    """
    sources, known, last = [before], {*before.split("\n")}, before
    for step in steps:
        if step.before == last:
            sources.append(step.after)
            known.update(step.after.split("\n"))
            last = step.after
            continue
        old, new = step.before.split("\n"), step.after.split("\n")
        for i1, i2, j1, j2 in differences(old, new):
            if known.issuperset(old[i1:i2]):
                sources.append("\n".join(new[j1:j2]))
                known.update(new[j1:j2])
    return tuple(sources)


def _strings(sources: Sequence[str], after: str, differing: str) -> Iterator[str]:
    """Every string and comment of the repair stands in the text as it was; none of them swallowed code.

    Those of the ``differing`` part are looked at: what is the same on both sides swallowed nothing.
    """
    in_order = (sources[0], *reversed(sources[1:]))  # what a rule wrote stands in the last one as a rule
    tokens = cache(lambda source: frozenset(token.string for token in quoted(source, *_TEXTS)))
    lines = differing.split("\n")
    for token in quoted(differing, *_TEXTS):
        holds_code = any(_CODE.match(line) for line in token.string.split("\n")[1:])
        if holds_code and not _ENDS.match(lines[token.end[0] - 1][token.end[1] :]):
            yield "code would become a string"
        if any(token.string in source and token.string in tokens(source) for source in in_order):
            continue
        if token.type == tokenize.COMMENT:
            begun = lines[token.start[0] - 1][: token.start[1]]
            if begun[-1:].strip() or not any(token.string in source for source in sources):
                yield "code would become a comment"
            continue
        inner = _inner(token.string)
        if _FORMATTED.match(token.string) and not holds_code:
            if not any(_without_braces(inner) in _without_braces(source) for source in sources):
                yield "what a string says would change"
            continue  # a brace may be missing in it
        if lines[token.start[0] - 1][: token.start[1]][-1:].isalnum() or _swallows(inner, after, token.string):
            yield "code would become a string"
            continue
        if not any(inner in source for source in sources) or _RAW_END.search(token.string):
            yield "what a string says would change"
        elif holds_code or (inner and not _half_quoted(sources, inner)):
            yield "code would become a string"


def _without_braces(text: str) -> str:
    return text.replace("{", "").replace("}", "")


def _swallows(inner: str, after: str, string: str) -> bool:
    """Tell whether a string whose quote was put right holds an operator and a name that the rest of the text uses."""
    rest = after.replace(string, "")
    return any(re.search(rf"\b{name}\b", rest) for name in _OPERAND.findall(inner))


def _half_quoted(sources: Sequence[str], inner: str) -> bool:
    """Tell whether a string's words had a quote at one end at least: a repair puts one right, not both."""
    return any(quote + inner in source or inner + quote in source for source in sources for quote in "'\"")


def _nonsense(before: str, after: str, differing: Part, steps: Sequence[Step]) -> Iterator[str]:
    """What compiles and fails or does nothing as soon as it runs."""
    if _PRINT_TO.search(after):
        yield "`print >>` of Python 2 would stay"
    old_part, new_part, nodes = differing.before, differing.after, differing.nodes
    lost, apart = _calls(old_part) - _calls(new_part), _parted(old_part, new_part)
    lost -= sum(max(_calls(old) - _calls(new), 0) for old, new, _ in steps) if lost > 0 else 0
    apart -= sum(max(_parted(old, new), 0) for old, new, _ in steps) if apart > 0 else 0
    if lost > 0 or apart > 0:
        yield "a call would come apart"
    if len(_OPERAND_AT.findall(new_part)) > len(_OPERAND_AT.findall(old_part)):
        yield "a decorator would become an operand"
    given, lines = {*before.split("\n")}, after.split("\n")

    def known(call: ast.Call) -> bool:
        """A call whose lines the repair left as they were; in others the same words may belong to another call."""
        return given.issuperset(lines[call.lineno - 1 : call.end_lineno])

    yield from (f"`{name}` takes fewer arguments" for name in too_many(nodes, differing.bound, known))
    yield from _constants(nodes)
    yield from misread(before, after, differing)
    if not steps:
        yield from exchanged(before, after, differing)
    unbound = _unbound(differing)
    yield from made_up(before, after, differing, unbound, steps)
    yield from traded(before, after, differing.nodes, steps)
    for name in sorted(unbound):
        if _quotes_at(name, before) > _quotes_at(name, after):
            yield f"`{name}` of a string would become a name"
    if len(_AFTER_DOT.findall(new_part)) > len(_AFTER_DOT.findall(old_part)):
        yield "a line would become an attribute of the one before"
    yield from _alone(nodes, unbound, before, after)
    yield from _imports(old_part, new_part)
    if joined := _tupled(old_part, new_part):
        commas = (step for step in steps if step.after.count(",") > step.before.count(","))
        joined = joined.difference(*(_tupled(old, new) for old, new, _ in commas))
    for name in sorted(joined & unbound):
        yield f"`{name}` is defined nowhere"
    if joined and not joined & unbound and _new_tuple(before, after):
        yield "a comma would make a tuple, where an operator may be missing"
    if not steps and _scattered(before, after):
        yield "one value would become several"


def _alone(nodes: Sequence[ast.AST], unbound: set[str], before: str, after: str) -> Iterator[str]:
    """Names, numbers and strings that stand alone on a line since the repair, or always did and would fail."""
    given, lines = {line.strip() for line in before.split("\n")}, after.split("\n")
    for statement in _idle(nodes):
        # A line that the one before it went on in is new where that one ends now.
        goes_on = f"{lines[statement.lineno - 2].strip()}," in given
        beside = not {*before.split("\n")}.issuperset(lines[statement.lineno - 1 : statement.lineno + 1])
        is_new = goes_on or lines[statement.lineno - 1].strip() not in given
        if isinstance(statement, ast.Name):
            if is_new:
                yield f"`{statement.id}` alone on a line would do nothing"
            elif statement.id in unbound and (
                statement.id in _ENDINGS or (beside and not _is_used(statement.id, before))
            ):
                yield f"`{statement.id}` alone on a line would fail"
        elif isinstance(statement, ast.Set):
            if is_new:
                yield "a field would lose its string"
        elif isinstance(statement.value, int | float | complex):
            if is_new:
                yield f"`{statement.value}` alone on a line would do nothing"
        elif (said := ast.get_source_segment(after, statement) or "") not in before and not _requoted(said, given):
            yield "a string would stand alone on a line"


def _requoted(said: str, given: set[str]) -> bool:
    """Tell whether a string has the words of a line that was one from end to end, between other quotes."""
    return any(line[:1] in ("'", '"') and line[-1:] == line[:1] and line[1:-1] == said[1:-1] for line in given)


def _is_used(name: str, text: str) -> bool:
    """Tell whether lines do something with a name: alone on another line it asks a prompt for its value."""
    return re.search(rf"^[ \t]*{name}[ \t]*(?:[.\[]|[-+*/%]?=(?!=))", text, re.M) is not None


def _parted(before: str, after: str) -> int:
    """How many more marks stand between what could be called and a bracket."""
    return len(_APART.findall(after)) - len(_APART.findall(before))


def _calls(text: str) -> int:
    """How many brackets open behind what can be called."""
    return sum(name not in _KEYWORDS for name in _CALLED.findall(_HEADED.sub("", text)))


def _constants(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Constants where they mean nothing: as the bound of a slice, as the type of a parameter, called."""
    for node in nodes:
        if isinstance(node, ast.Slice):
            bounds = (node.lower, node.upper, node.step)
            if any(isinstance(one, ast.Constant) and isinstance(one.value, str | bytes) for one in bounds):
                yield "a colon would make a slice of a key"
        elif isinstance(node, ast.arg) and isinstance(node.annotation, ast.Constant):
            value = node.annotation.value
            if value is not None and not isinstance(value, str):
                yield f"`{value!r}` would become a type"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Constant | ast.JoinedStr):
            yield "a string or number would be called"


def _imports(before: str, after: str) -> Iterator[str]:
    """A comma between two names after ``import`` makes a module of what may have been an alias."""
    for module, name in _TWO_IMPORTED.findall(before):
        joined = re.search(rf"\bimport\s+{re.escape(module)}\s*,\s*{name}\b", after)
        if name not in sys.stdlib_module_names and joined:
            yield f"`{name}` may be no module"


def _idle(nodes: Sequence[ast.AST]) -> Iterator[ast.Name | ast.Constant | ast.Set]:
    """Names, numbers, strings and sets (fields without their string) that are statements, docstrings aside."""
    for node in nodes:
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for number, statement in enumerate(body):
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Name | ast.Set) or (
                isinstance(value, ast.Constant) and _does_nothing(value.value, number)
            ):
                yield value


def _does_nothing(value: object, number: int) -> bool:
    """Tell whether a constant as the statement of that number in its block is neither a docstring nor ``...``."""
    return isinstance(value, int | float | complex) or (isinstance(value, str) and number > 0)


def _unbound(differing: Part) -> set[str]:
    """Names that are used and neither the module nor Python defines; none where a star import may bring them."""
    return set() if "*" in differing.bound else set(differing.used - differing.bound - _BUILTINS)


def _tupled(before: str, after: str) -> set[str]:
    """What stands beside a comma that a repair put outside all brackets: a guess, if it is an unbound name."""
    old, new = ([piece for piece in all_lexemes(text) if piece.kind != "space"] for text in (before, after))
    texts = [piece.text for piece in new]
    if len(old) * len(new) > _LARGEST:
        return set()
    found: set[str] = set()
    for _, _, j1, j2 in differences([piece.text for piece in old], texts):
        for at in range(j1, j2):
            if texts[at] == "," and open_brackets(texts[:at]) == 0:
                found.update(piece.text for piece in new[max(at - 1, 0) : at + 2] if piece.kind in ("name", "number"))
    return found


def _quotes_at(name: str, text: str) -> int:
    return len(re.findall(rf"['\"]{re.escape(name)}\b|\b{re.escape(name)}['\"]", text))


def _new_tuple(before: str, after: str) -> bool:
    """Tell whether a line that assigns or returns one value would do so with two."""
    old, new = before.split("\n"), after.split("\n")
    if len(old) != len(new):
        return False
    return any(
        one != other and _ONE_VALUE.match(one) and "," not in one and _VALUES_AFTER.fullmatch(other)
        for one, other in zip(old, new, strict=True)
    )


def _scattered(before: str, after: str) -> bool:
    """Tell whether a line whose commas all stand within brackets would assign or return several values."""
    old, new = before.split("\n"), after.split("\n")
    if len(old) != len(new):
        return False
    changed = ((one, other) for one, other in zip(old, new, strict=True) if one != other and "," in one)
    return any(
        _ONE_VALUE.match(one) and _loose(one) == 0 < _loose(other.rstrip().rstrip(",")) for one, other in changed
    )


def _loose(line: str) -> int:
    """How many commas of a line stand outside its brackets."""
    depth = commas = 0
    for piece, outside in all_bare(line):
        if outside:
            depth = max(depth + (piece.text in _OPENING) - (piece.text in _CLOSING), 0)
            commas += piece.text == "," and depth == 0
    return commas


def _inner(string: str) -> str:
    found = re.match(r"\w*(\"\"\"|'''|\"|')", string)
    return string if found is None else string[found.end() : len(string) - len(found[1])]


def minimal(before: str, after: str) -> str:
    """Return a repair without the edits that it compiles without: spaces moved, lines laid out anew, second thoughts.

    ``after`` compiles; so does what is returned.
    """
    differing = part(before, after)
    old, new = ([piece.text for piece in all_lexemes(text)] for text in (differing.before, differing.after))
    head, tail = equal_ends(old, new)
    left, right = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(left) * len(right) > _LARGEST:
        return after
    hunks = list(differences(left, right))
    before_all = after[: differing.start] + "".join(new[:head])
    after_all = "".join(new[len(new) - tail :]) + after[differing.start + len(differing.after) :]
    kept = list(hunks)

    def written(chosen: Sequence[tuple[int, int, int, int]]) -> str:
        out, at = [], 0
        for i1, i2, j1, j2 in chosen:
            out += [*left[at:i1], *right[j1:j2]]
            at = i2
        return before_all + "".join([*out, *left[at:]]) + after_all

    for hunk in hunks[::-1]:
        rest = [other for other in kept if other is not hunk]
        if rest and compile_error(written(rest)) is None:
            kept = rest
    return written(kept) if len(kept) < len(hunks) else after
