"""Repairs that compile and read otherwise than what stood there: strings, fields and lone values.

Each kind was read off wrong repairs, in packages that nothing is measured on. It is a doubt, not a proof, so that the
repair becomes a suggestion.
"""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator, Sequence

from gatllm.review.quotes import quoted

_OPENING = {"(": ")", "[": "]", "{": "}"}
_FORMATTED = re.compile(r"(?:[rR]?[fF][rR]?)(\"\"\"|'''|\"|')")
_FIELD = re.compile(r"\{\{|\}\}|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
_PREFIXED = re.compile(
    r"[\"'](?:[rRbB]{1,2}[\[(\\^{]|[rR]?[fF][^\"']*\{)"
)  # `r[0-9]"`: the quote was behind the letter
_LEFT = re.compile(r"(?:\"{3}|'{3})(?:[ \t]*(?:\"{1,2}|'{1,2})[ \t]*\n)|\n[ \t]*(?:\"{1,2}|'{1,2})\s*(?:\"{3}|'{3})\Z")
_ARGUMENT = re.compile(r",\s*([A-Za-z_]\w*)\s*$")
_SELF = re.compile(r"[(,]\s*(?:self|cls)[ \t]+([A-Za-z_]\w*)\b(?=\s*[,)])")
_EMPTY = re.compile(r"(?<!\")\"\"(?!\")|(?<!')''(?!')")
_BLANK = re.compile(r"(?:(?<!\")\"\"|(?<!')'')\s+[,)\]}]")


def misread(before: str, after: str, nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Yield in plain words where a repair may say something else than was meant.

    Args:
        before: the text as it was given.
        after: the repaired text.
        nodes: all nodes of its syntax tree.
    """
    yield from _strings(before, after)
    yield from _values(before, after, nodes)
    yield from _attributes(before, after, nodes)


def _strings(before: str, after: str) -> Iterator[str]:
    more = len(_EMPTY.findall(after)) - len(_EMPTY.findall(before))
    if more > 1:
        yield "two strings would be empty"
    elif more and len(_BLANK.findall(after)) > len(_BLANK.findall(before)):
        yield "a string of blanks would be empty"
    for token in quoted(after, tokenize.STRING):
        if token.string in before:
            continue
        if _FORMATTED.match(token.string):
            if _unbalanced(_literal(token.string)):
                yield "a bracket in an f-string may be meant as a brace"
            continue
        inner = token.string.strip("\"'")
        if _LEFT.search(token.string):
            yield "quotes of a docstring would stay in it"
        if _PREFIXED.match(token.string):
            yield "the first letter of a string may be its prefix"
        argument = _ARGUMENT.search(inner)
        if argument is not None and re.search(rf"\b{argument[1]}\b", after.replace(token.string, "")):
            yield "code would become a string"


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


def _values(before: str, after: str, nodes: Sequence[ast.AST]) -> Iterator[str]:
    had = len(re.findall(r"\bpass\b", before))
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Constant(value=value), attr=name) if not hasattr(value, name):
                yield f"`{name}` is nothing that such a value has"
            case ast.Starred(value=ast.Constant(value=value)) if not isinstance(value, str | bytes):
                yield f"`{value}` can't be unpacked"
    if len(re.findall(r"\bpass\b", after)) > had and any(_idle_pass(node) for node in nodes):
        yield "`pass` would stand beside other statements"


def _attributes(before: str, after: str, nodes: Sequence[ast.AST]) -> Iterator[str]:
    """``f(self node)``: where ``node`` is a name of its own, a comma is as likely missing as a dot."""
    for name in dict.fromkeys(_SELF.findall(before)):
        joined = re.search(rf"\b(?:self|cls)\.{name}\b", after) and not re.search(rf"\bself\.{name}\b", before)
        if joined and any(
            (isinstance(node, ast.arg) and node.arg == name) or (isinstance(node, ast.Name) and node.id == name)
            for node in nodes
        ):
            yield "a comma may be missing after `self`"


def _idle_pass(node: ast.AST) -> bool:
    for field in ("body", "orelse", "finalbody"):
        body = getattr(node, field, None)
        if isinstance(body, list) and len(body) > 1 and any(isinstance(one, ast.Pass) for one in body):
            return not any(isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) for one in body[:1])
    return False
