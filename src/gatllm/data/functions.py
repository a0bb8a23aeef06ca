"""The functions of a module, and the pairs of docstring and function that teach how to answer."""

from __future__ import annotations

import ast
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Function:
    """One top-level function or method: dedented source, qualified name, docstring ('' if none), first line (1-based).

    ``header`` is the signature with its colon; ``prompt`` the header and the docstring, dedented like ``text``.
    """

    name: str
    text: str
    docstring: str
    header: str
    prompt: str
    line: int


def parse(text: str) -> ast.Module | None:
    """Return the syntax tree of ``text``, or None when it has none; warnings of the compiler are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def functions(text: str) -> list[Function]:
    """Return the top-level functions and methods of a module in order; none when it does not parse.

    Functions inside functions belong to their outer one. Decorators are part of the source.
    """
    tree = parse(text)
    if tree is None:
        return []
    # ast counts lines at \n, \r\n and \r only; str.splitlines also at \f and others.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found = (_function(node, name, lines) for node, name in _walk(tree.body, ""))
    return [function for function in found if function is not None]


def _walk(body: list[ast.stmt], prefix: str) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, prefix + node.name
        elif isinstance(node, ast.ClassDef):
            yield from _walk(node.body, f"{prefix}{node.name}.")


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, lines: list[str]) -> Function | None:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    last = node.end_lineno or node.lineno
    # A dedent would change the content of a string that spans lines and begins at the margin: then it does nothing,
    # the text does not parse alone, and the function is passed over.
    text = textwrap.dedent("\n".join(lines[first - 1 : last])) + "\n"
    alone = parse(text)
    if alone is None or len(alone.body) != 1 or not isinstance(alone.body[0], type(node)):
        return None
    inner = alone.body[0]
    assert isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)  # noqa: S101
    docstring = ast.get_docstring(node, clean=True) or ""
    own = text.split("\n")
    body = inner.body[0]
    own_line = not own[body.lineno - 1].encode()[: body.col_offset].strip()
    header = "\n".join(own[: body.lineno - own_line])
    prompt = "\n".join(own[: body.end_lineno]) if docstring else header
    return Function(name, text, docstring, header, prompt, first)


def docstring_pairs(text: str) -> list[tuple[str, str]]:
    """Return (prompt, function) for each documented function with a body beyond its docstring.

    The prompt is the signature and docstring as written; the function's source begins with it, so that the pair
    serves both completion (source minus prompt) and instruction (prompt → source).
    """
    pairs = []
    for function in functions(text):
        rest = function.text[len(function.prompt) :].strip()
        if function.docstring and function.text.startswith(function.prompt) and rest:
            pairs.append((function.prompt, function.text))
    return pairs
