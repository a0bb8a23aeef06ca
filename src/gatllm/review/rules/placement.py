"""What stands in the wrong place: the text parses, and the compiler says where the statement belongs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gatllm.review.critics import Finding, quietly_parsed
from gatllm.review.rules.rule import Rule


def _to_the_top(text: str, error: Finding) -> Iterator[str]:
    """``from __future__``: behind the docstring and its like."""
    tree = quietly_parsed(text)
    late = next((node for node in tree.body if node.lineno == error.line), None) if tree else None
    if tree is None or not isinstance(late, ast.ImportFrom) or late.module != "__future__":
        return
    yield _moved(text, late, _first_place(tree.body))


def _first_place(body: list[ast.stmt]) -> int:
    """The line (from 1) of the first statement behind the docstring and what belongs to the top; its decorators too."""
    for number, node in enumerate(body):
        docstring = number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        docstring = docstring and isinstance(node.value.value, str)  # type: ignore[attr-defined]  # just tested
        if not docstring and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            decorators: list[ast.expr] = getattr(node, "decorator_list", [])
            return min([node.lineno, *(one.lineno for one in decorators)])
    return body[-1].lineno


def _moved(text: str, node: ast.stmt, to: int) -> str:
    """Move the lines of a statement above line ``to``."""
    lines = text.split("\n")
    first, last = node.lineno - 1, node.end_lineno or node.lineno
    taken = lines[first:last]
    return "\n".join([*lines[: to - 1], *taken, *lines[to - 1 : first], *lines[last:]])


def _declared_first(text: str, error: Finding) -> Iterator[str]:
    """``global x`` after x was used: to the top of the function."""
    tree = quietly_parsed(text)
    for function in ast.walk(tree) if tree else ():
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for number, node in enumerate(function.body):
            alone = isinstance(node, ast.Global | ast.Nonlocal) and node.lineno == error.line and number > 0
            line = text.split("\n")[node.lineno - 1]
            first = _first_place(function.body)
            if alone and first < node.lineno and function.lineno < first and ";" not in line:
                yield _moved(text, node, first)


RULES = (
    Rule(
        "future-import-late",
        re.compile("from __future__ imports must occur at the beginning"),
        "`from __future__` behind other statements.",
        "It changes how the whole file is read, so that Python wants it first; only the docstring may come before it.",
        "import os\nfrom __future__ import annotations\n\nprint(os.sep)\n",
        "from __future__ import annotations\nimport os\n\nprint(os.sep)\n",
        _to_the_top,
    ),
    Rule(
        "declared-after-use",
        re.compile(r"is (?:used|assigned to) (?:prior to|before) (?:global|nonlocal) declaration"),
        "`global` or `nonlocal` after the name was used in the same function.",
        "The declaration holds for the whole function wherever it stands, so that it may as well stand first.",
        "count = 0\n\n\ndef step():\n    count += 1\n    global count\n    return count\n",
        "count = 0\n\n\ndef step():\n    global count\n    count += 1\n    return count\n",
        _declared_first,
    ),
)
