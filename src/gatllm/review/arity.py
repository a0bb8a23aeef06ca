"""Calls of builtins that can only fail: more arguments by place than they take."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

# The Python documentation's own signatures; those that take any number are left out.
_MOST = {
    **dict.fromkeys(("abs", "all", "any", "ascii", "bin", "bool", "callable", "chr", "dict", "float", "frozenset"), 1),
    **dict.fromkeys(("hash", "hex", "id", "len", "list", "oct", "ord", "repr", "reversed", "set", "sorted"), 1),
    **dict.fromkeys(("tuple", "vars"), 1),
    **dict.fromkeys(("delattr", "divmod", "enumerate", "hasattr", "int", "isinstance", "issubclass", "iter"), 2),
    **dict.fromkeys(("next", "round", "sum", "super"), 2),
    **dict.fromkeys(("bytearray", "bytes", "exec", "eval", "getattr", "pow", "range", "setattr", "slice", "str"), 3),
}


def too_many(nodes: Sequence[ast.AST], known: Callable[[ast.Call], bool]) -> Iterator[str]:
    """Yield the builtins that are called with more arguments by place than they take.

    Args:
        nodes: all nodes of the module's syntax tree.
        known: tells of a call whether it may be passed over.
    """
    rebound = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    rebound |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    rebound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    rebound |= {one.asname or one.name for one in nodes if isinstance(one, ast.alias)}
    for node in nodes:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        most = _MOST.get(node.func.id)
        starred = any(isinstance(one, ast.Starred) for one in node.args)
        if most is None or starred or len(node.args) <= most or node.func.id in rebound or known(node):
            continue
        yield node.func.id
