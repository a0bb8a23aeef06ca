"""What a passage needs of its record to run: a generator that is shown a call of a helper copies the call alone."""

from __future__ import annotations

import ast
import builtins
import symtable
import textwrap
import warnings
from collections.abc import Iterator

_DUNDER = frozenset(["__name__", "__file__", "__doc__", "__annotations__", "__class__"])


def needs_of(passage: str, record: str) -> str | None:
    """Return the imports, constants and helpers of a record that a passage of it uses, in the record's order.

    '' where it uses none; None where it uses a name that the record does not bind at its top level, or where that
    can't be told.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wanted = _free(textwrap.dedent(passage))
            tree = ast.parse(record) if wanted else ast.Module([], [])
            at = {name: number for number, node in enumerate(tree.body) for name in _binds(node)}
            chosen: set[int] = set()
            while wanted:
                number = at.get(wanted.pop())
                if number is None:
                    return None
                if number not in chosen:
                    chosen.add(number)
                    wanted |= _free(ast.get_source_segment(record, tree.body[number]) or "")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        return "\n".join(_whole(record, tree.body[number]) for number in sorted(chosen))


def _free(code: str) -> set[str]:
    """Return the names that code reads and neither binds at its top level nor Python has."""
    table = symtable.symtable(code, "<passage>", "exec")
    read = {name for each in _tables(table) for name in _globals(each)}
    own = {each.get_name() for each in table.get_symbols() if each.is_assigned() or each.is_imported()}
    return read - own - set(dir(builtins)) - _DUNDER


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    for each in table.get_symbols():
        if each.is_referenced() and (each.is_global() or table.get_type() == "module"):
            yield each.get_name()


def _binds(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))


def _whole(record: str, node: ast.stmt) -> str:
    """Return a statement's lines, decorators included."""
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
    return "\n".join(record.split("\n")[first - 1 : node.end_lineno])
