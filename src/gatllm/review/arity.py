"""Calls of builtins that can only fail: more arguments by place than they take."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence, Set

# The Python documentation's own signatures; those that take any number are left out.
_MOST = {
    **dict.fromkeys(("abs", "all", "any", "ascii", "bin", "bool", "callable", "chr", "dict", "float", "frozenset"), 1),
    **dict.fromkeys(("hash", "hex", "id", "len", "list", "oct", "ord", "repr", "reversed", "set", "sorted"), 1),
    **dict.fromkeys(("tuple", "vars"), 1),
    **dict.fromkeys(("delattr", "divmod", "enumerate", "hasattr", "int", "isinstance", "issubclass", "iter"), 2),
    **dict.fromkeys(("next", "round", "sum", "super"), 2),
    **dict.fromkeys(("bytearray", "bytes", "exec", "eval", "getattr", "pow", "range", "setattr", "slice", "str"), 3),
}


def too_many(nodes: Sequence[ast.AST], rebound: Set[str], known: Callable[[ast.Call], bool]) -> Iterator[str]:
    """Yield the builtins that are called with more arguments by place than they take.

    Args:
        nodes: those of the syntax tree that are looked at.
        rebound: the names that the module gives another meaning.
        known: tells of a call whether it may be passed over.
    """
    for node in nodes:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        most = _MOST.get(node.func.id)
        starred = any(isinstance(one, ast.Starred) for one in node.args)
        if most is None or starred or len(node.args) <= most or node.func.id in rebound or known(node):
            continue
        yield node.func.id
