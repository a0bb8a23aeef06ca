"""Repairs that compile and read otherwise than what stood there: strings, fields and lone values.

Each kind was read off wrong repairs, in packages that nothing is measured on. It is a doubt, not a proof, so that the
repair becomes a suggestion.
"""

from __future__ import annotations

import ast
import builtins
import re
import tokenize
from collections.abc import Iterator, Sequence
from itertools import pairwise

from gatllm.review.quotes import TRIPLE, misplaced, quoted
from gatllm.review.reading import Part
from gatllm.review.statement import leaves_open
from gatllm.review.typos import is_typo

_OPENING = {"(": ")", "[": "]", "{": "}"}
_LEXEMES = (tokenize.STRING, tokenize.NAME, tokenize.OP, tokenize.NUMBER)
_BEFORE_NAMES = ("global", "nonlocal", "return", "raise", "import", "from", "assert", "yield", "await", "del")
_FORMATTED = re.compile(r"(?:[rR]?[fF][rR]?)(\"\"\"|'''|\"|')")
_OPENED = re.compile(r"(?<!\{)(?:\{\{)*\{(?!\{)")
_FIELD = re.compile(r"\{\{|\}\}|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
_PREFIXED = re.compile(r"[\"'](?:[rRbB]{1,2}[\[(\\^{]|[rR]?[fF].*\{)")  # `r[0-9]"`: the quote was behind the letter
_LEFT = re.compile(r"(?:\"{3}|'{3})(?:[ \t]*(?:\"{1,2}|'{1,2})[ \t]*\n)|\n[ \t]*(?:\"{1,2}|'{1,2})\s*(?:\"{3}|'{3})\Z")
_ARGUMENT = re.compile(r",\s*([A-Za-z_]\w*)\s*$")
_SELF = re.compile(r"[(,]\s*(?:self|cls)[ \t]+([A-Za-z_]\w*)\b(?=\s*[,)])")
_KEYWORD = re.compile(
    r",\s*(?:\*{0,2}[A-Za-z_]\w*\s*=(?!=)|\*{1,2}[A-Za-z_]\w*\b)|,\s*\w*[a-z]_[a-z]\w*$"
)  # more arguments of a call
_BROKEN = re.compile(r"[(\[{,]\n")
_CODE = re.compile(r"[^()\[\]{}]*[)\]}]\s*(?:\.\s*\w|[,+%])")  # `' ).join(xs'`: the quote was before the bracket
_ODD_FIELD = re.compile(r"!\{|(?<!\{)\{ +\w[^{}]*\}|[)\]]\.\{|\}\[['\"]")
_BLANK_AND_COMMA = re.compile(r"(['\"])\s+,\s*\1\Z")
_CONVERTED = re.compile(r"\}![rsa]\b")
_HALF_FIELD = re.compile(r"[\w.)\]]\s[-+*/%]\s\{")  # `{` behind an operator: the field may begin before it
_ODD_EMPTY = re.compile(r"(?:[(\[{][ \t]+|[ \t]{2,}|[(,][ \t]*\()(?:(?<!\")\"\"(?!\")|(?<!')''(?!'))|[(,][ \t]+[)\]}]")
_EMPTY = re.compile(r"(?<!\")\"\"(?!\")|(?<!')''(?!')")
_BLANK = re.compile(r"(?:(?<!\")\"\"|(?<!')'')\s+[,)\]}]")

_SIGNS = re.compile(r"(?P<said>(['\"])[-*=#_~+.]{1,3}\2)[ \t]*(?P<name>[^\W\d]\w*)")  # `"*" n` : a line of stars
_FORMAT_BEHIND = re.compile(r"\}:[<>^+,]?\d*(?:\.\d+)?[fdeg%](?![\w])")
_SLICED = re.compile(r"\[[^:\[\]{}'\"\n]*+:[^\[\]{}'\"\n]*+\]")
_HANGING = re.compile(r"[\w)\]][ \t]*[-+*/%][ \t]*:")  # `a[0:n+:1]`
_LABEL = re.compile(r"[(,][ \t]*\d+[ \t]*:(?=[ \t]*,)")  # `print(1:, x)`
_NUMBER_AND_QUOTE = re.compile(r"(?<![\w'\".])(?P<number>\d+)(?P<quote>['\"])")
_TWO_KEYS = re.compile(r"(?<=[\w)\]])\[\s*-?\d+[ ]+-?\d+\s*\]")
_FRACTION = re.compile(r"(?<=['\")\]])\.\d+")
_JOINING = re.compile(r"(?P<quote>['\"]) *(?:is|in|and|or|if|else|not) +(?P=quote)")
# What there must not be less of.
_FEWER = (
    (_HANGING, "an operator or the mark behind it may be one too many"),
    (_LABEL, "a number and its colon may be a label"),
    (_TWO_KEYS, "one of two numbers in an index may be meant"),
)


def misread(before: str, after: str, differing: Part) -> Iterator[str]:
    """Yield in plain words where a repair may say something else than was meant.

    Args:
        before: the text as it was given.
        after: the repaired text.
        differing: the part in which they differ.
    """
    yield from _marks(differing)
    yield from _marked(after, differing)
    yield from _beside_strings(differing.before, differing.after)
    yield from _moved_marks(before, differing.after)
    yield from _beside(before, differing.after)
    yield from misplaced(before, after)
    yield from _strings(before, after, differing.after)
    yield from _values(differing)
    yield from _comments(before, after)
    yield from _attributes(before, after, differing)
    yield from _statements(before, after, differing.nodes)


def _statements(before: str, after: str, nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Lines that would never run since a statement was cut in two, and exceptions that would be called."""
    given, lines = {line.strip() for line in before.split("\n")}, after.split("\n")
    exact = {*before.split("\n")}
    for node in nodes:
        caught = node.type if isinstance(node, ast.ExceptHandler) else None
        called = isinstance(caught, ast.Call | ast.Subscript | ast.Compare)
        if caught is not None and called and (ast.get_source_segment(after, caught) or "") not in before:
            yield "an exception would be called"
        head = lines[node.lineno - 1].strip() if isinstance(node, ast.FunctionDef) else ""
        if head not in given and head.startswith("def ") and head.removeprefix("def ").rstrip(":") in given:
            yield "a call would become a definition"
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            for one, following in pairwise(body if isinstance(body, list) else ()):
                cut = isinstance(one, ast.Return | ast.Raise | ast.Break | ast.Continue)
                if not cut:
                    continue
                both = [lines[each.lineno - 1] for each in (one, following)]
                moved = any(line not in exact and line.strip() in given for line in both)
                if moved or given.isdisjoint({line.strip() for line in both}):
                    yield "what follows would never run"


def _marked(text: str, differing: Part) -> Iterator[str]:
    """Names, indices and calls that marks alone would make."""
    before = differing.before
    for node in differing.nodes:
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=value) if not isinstance(
                value, ast.Tuple | ast.List
            ):
                words = [one.id for one in names if isinstance(one, ast.Name)]
                apart = re.search(rf"^[ \t]*{'[ ]+'.join(words)}[ \t]*=", before, re.M)
                if apart and any(len(re.findall(rf"\b{word}\b", text)) < 2 for word in words):
                    yield "a comma would make two names of one"
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values) | ast.List(elts=values)):
                starred = any(isinstance(one, ast.Starred) for one in (*names, *values))
                given = (ast.get_source_segment(text, node) or "") in before
                if len(names) != len(values) and not starred and not given:
                    yield f"{len(names)} names would get {len(values)} values"
            case ast.Subscript(slice=ast.Slice(lower=None, upper=None, step=None)) if "[]" in before:
                if (ast.get_source_segment(text, node) or "") not in before:
                    yield "an index would be made up"
            case ast.Call(func=ast.Name(id=name), args=[], keywords=[]) if name not in differing.bound:
                if re.search(rf"(?<![\w.]){name}\)", before) and not hasattr(builtins, name):
                    yield f"a call of `{name}` would be made up"


def _beside_strings(before: str, after: str) -> Iterator[str]:
    """Marks put beside numbers and strings where another mark, or none, is as likely."""
    yield from (words for pattern, words in _FEWER if len(pattern.findall(before)) > len(pattern.findall(after)))
    if len(_FORMAT_BEHIND.findall(after)) > len(_FORMAT_BEHIND.findall(before)):
        yield "a format would become text"
    if len(_SLICED.findall(before)) > len(_SLICED.findall(after)) and before.count(":") > after.count(":"):
        yield "a slice would lose its colon"
    for found in _NUMBER_AND_QUOTE.finditer(before):
        if (said := f"{found['quote']}{found['number']}{found['quote']}") in after and said not in before:
            yield "a quote behind a number may be one too many"
    for string in _SIGNS.finditer(before):
        if re.search(rf"{re.escape(string['said'])}\s*,\s*{string['name']}", after):
            yield "an operator may be missing behind a string"
    for number in _FRACTION.findall(before):
        if re.search(rf"[\w)\]'\"]\s*,\s*{re.escape(number)}", after):
            yield "a point may be meant as a comma"
    for word in _JOINING.finditer(after):
        if word[0] not in before:
            yield "a word of a string would become an operator"


def _moved_marks(before: str, differing: str) -> Iterator[str]:
    """A comma at the end of a string that would stand behind it."""
    for token in quoted(differing, tokenize.STRING):
        quote, said = token.string[-1], token.string[:-1]
        if token.string not in before and said[1:] and f"{said},{quote}" in before:
            yield "a comma of a string would stand behind it"


def _marks(differing: Part) -> Iterator[str]:
    """Strings that would hold nothing."""
    before, after = differing.before, differing.after
    more = len(_EMPTY.findall(after)) - len(_EMPTY.findall(before))
    if more > 1:
        yield "two strings would be empty"
    elif more == 1 and _other_marks(before) != _other_marks(after):
        yield "a string would be empty, and more would change"
    elif more and len(_BLANK.findall(after)) > len(_BLANK.findall(before)):
        yield "a string of blanks would be empty"
    if len(_ODD_EMPTY.findall(after)) > len(_ODD_EMPTY.findall(before)):
        yield "a string of blanks would be empty"


def _strings(before: str, after: str, differing: str) -> Iterator[str]:
    for token in quoted(differing, tokenize.STRING):
        if token.string in before:
            continue
        if _FORMATTED.match(token.string):
            yield from _fields(before, token.string)
        else:
            yield from _said(before, after, token.string)


def _comments(before: str, after: str) -> Iterator[str]:
    """A line behind a comment that breaks off within brackets was a part of it."""
    given, comment = {*before.split("\n")}, ""
    for line in after.split("\n"):
        if line.lstrip().startswith("#"):
            comment += line
            continue
        if comment and line not in given and leaves_open(comment):
            yield "a line may belong to the comment above it"
        comment = ""


def _other_marks(text: str) -> list[int]:
    """How many brackets of each kind and how many quotes of the rarer kind a text has."""
    return [*map(text.count, "()[]{}"), min(map(text.count, "'\""))]


def _beside(before: str, differing: str) -> Iterator[str]:
    """Two strings beside each other in a line that the repair changed: a quote may belong elsewhere."""
    given = {*before.split("\n")}
    for one, other in pairwise(quoted(differing, *_LEXEMES)):
        both = one.type == other.type == tokenize.STRING
        if both and one.end[0] == other.start[0] and other.line.rstrip("\n") not in given:
            yield "two strings would stand beside each other"


def _fields(before: str, string: str) -> Iterator[str]:
    if _unbalanced(_literal(string)):
        yield "a bracket in an f-string may be meant as a brace"
    bare = string.replace("{", "").replace("}", "")
    line = next((one for one in before.split("\n") if bare in one.replace("{", "").replace("}", "")), "")
    braces = string.count("{") + string.count("}")
    doubled = "{{" in line or "}}" in line
    if line and len(_OPENED.findall(string)) < len(_OPENED.findall(line)):
        yield "a field of an f-string would become text"
    if line and braces < line.count("{") + line.count("}") and (not doubled or "{{" in string or "}}" in string):
        yield "a field of an f-string would become text"
    whole = line if line or "\n" not in bare else before
    if whole.count("{") == whole.count("}") and bare in whole.replace("{", "").replace("}", ""):
        yield "a brace of an f-string would move"
    odd = len(_ODD_FIELD.findall(string)) > len(_ODD_FIELD.findall(line))
    if odd or _CONVERTED.search(string) or _HALF_FIELD.search(string):
        yield "a field of an f-string may begin or end elsewhere"


def _said(before: str, after: str, string: str) -> Iterator[str]:
    inner = string.strip("\"'")
    more = string[:3] in TRIPLE and (string[3:4] == string[0] or any(other in inner for other in TRIPLE))
    if more or _LEFT.search(string):
        yield "quotes of a docstring would stay in it"
    if string[:3] in TRIPLE and _BROKEN.search(string) and string.count("\n") == 1:
        yield "a line may have been broken within a string"
    name = inner.strip()
    bound = name.isidentifier() and re.search(rf"\b{name}\s*=(?!=)", before)
    if bound and re.search(rf"[%+]\s*{name}['\"]", before):  # `'…' % name'`: the quote is one too many
        yield f"`{name}` would become a string"
    if _PREFIXED.match(string):
        yield "the first letter of a string may be its prefix"
    if _CODE.match(inner) or _BLANK_AND_COMMA.match(string):
        yield "code would become a string"
    argument = _ARGUMENT.search(inner)
    known = argument is not None and re.search(rf"\b{argument[1]}\b", after.replace(string, ""))
    if known or _KEYWORD.search(inner) or re.match(r",\s*\S", inner):
        yield "code would become a string"
    if inner and re.search(rf"(['\"])(?:[(\[{{]+{re.escape(inner)}|{re.escape(inner)}[)\]}}]+)\1", before):
        yield "what a string says would change"


def _literal(string: str) -> str:
    """What an f-string says outside its fields."""
    return _FIELD.sub("", string)


def _unbalanced(text: str) -> bool:
    opened: list[str] = []
    for letter in text:
        if letter in _OPENING:
            opened.append(_OPENING[letter])
        elif letter in _OPENING.values() and (not opened or opened.pop() != letter):
            return True
    return bool(opened)


def _values(differing: Part) -> Iterator[str]:
    before, after, nodes = differing.before, differing.after, differing.nodes
    had = len(re.findall(r"\bpass\b", before))
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Constant(value=value), attr=name) if not hasattr(value, name):
                yield f"`{name}` is nothing that such a value has"
            case ast.AnnAssign(target=ast.Name(id=name), value=None) if f"{name}:" not in before:
                if any(is_typo(name, word) for word in _BEFORE_NAMES):
                    yield f"`{name}` may be a misspelt keyword"
            case ast.UnaryOp(operand=ast.Constant(value=str())):
                yield "an operator before a string may belong into it"
            case (
                ast.BinOp(op=ast.BitOr(), left=ast.Constant(value=str()))
                | ast.BinOp(op=ast.BitOr(), right=ast.Constant(value=str()))
            ):
                yield "a quote may belong behind the whole type"
            case (
                ast.BinOp(op=ast.MatMult(), left=ast.Constant(value=str()))
                | ast.BinOp(op=ast.MatMult(), right=ast.Constant(value=str()))
            ):
                yield "`@` may be a part of a string"
            case ast.Starred(value=ast.Constant(value=value)) if not isinstance(value, str | bytes):
                yield f"`{value}` can't be unpacked"
    yield from (words for node in nodes if (words := _senseless(node)))
    if len(re.findall(r"\bpass\b", after)) > had and any(_idle_pass(node) for node in nodes):
        yield "`pass` would stand beside other statements"


def _senseless(node: ast.AST) -> str:
    """What nobody writes, though it compiles; nothing where a node has sense."""
    match node:
        case ast.Assign(targets=[_, _, *_] as targets) if any(isinstance(one, ast.List) for one in targets):
            return "what is assigned would be taken apart"
        case ast.Call(func=ast.Constant()):
            return "a value would be called"
        case ast.Attribute(value=ast.Call(func=ast.Name(id="print"))):
            return "`print` has no value to go on from"
        case ast.AnnAssign(target=ast.Subscript(), value=None):
            return "what is indexed would get a type"
    return ""


def _attributes(before: str, after: str, differing: Part) -> Iterator[str]:
    """``f(self node)``: where ``node`` is a name of its own, a comma is as likely missing as a dot."""
    for name in dict.fromkeys(_SELF.findall(differing.before)):
        joined = re.search(rf"\b(?:self|cls)\.{name}\b", after) and not re.search(rf"\bself\.{name}\b", before)
        if joined and any(
            (isinstance(node, ast.arg) and node.arg == name) or (isinstance(node, ast.Name) and node.id == name)
            for node in differing.nodes
        ):
            yield "a comma may be missing after `self`"


def _idle_pass(node: ast.AST) -> bool:
    for field in ("body", "orelse", "finalbody"):
        body = getattr(node, field, None)
        if isinstance(body, list) and len(body) > 1 and any(isinstance(one, ast.Pass) for one in body):
            return not any(isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) for one in body[:1])
    return False
