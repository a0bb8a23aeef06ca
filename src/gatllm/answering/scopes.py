"""What names in a piece of code stand for, by the compiler's symbol tables."""

from __future__ import annotations

import ast
import builtins
import symtable
from dataclasses import dataclass
from typing import Any

from gatllm.answering.library_names import UNKNOWN, member, module

_LITERALS: dict[type[ast.AST], type] = {
    ast.List: list,
    ast.ListComp: list,
    ast.Dict: dict,
    ast.DictComp: dict,
    ast.Set: set,
    ast.SetComp: set,
    ast.Tuple: tuple,
    ast.JoinedStr: str,
}
# What calls of built-in functions and of methods of built-in types return, where that never varies.
_FUNCTIONS = {"sorted": list, "list": list, "dict": dict, "set": set, "tuple": tuple, "str": str, "len": int,
              "repr": str, "input": str, "float": float, "chr": str, "ord": int, "bin": str, "hex": str}  # fmt: skip
_METHODS: dict[type, dict[str, type]] = {
    str: dict.fromkeys(("strip", "lstrip", "rstrip", "upper", "lower", "title", "capitalize", "replace"), str)
    | dict.fromkeys(("join", "format", "zfill", "center", "casefold"), str)
    | dict.fromkeys(("split", "rsplit", "splitlines"), list)
    | dict.fromkeys(("find", "rfind", "index", "count"), int)
    | {"encode": bytes},
    bytes: {"decode": str, "hex": str},
    list: {"copy": list, "count": int, "index": int},
    set: {"copy": set},
    dict: {"copy": dict},
}
_SCOPES = {ast.Lambda: "lambda", ast.ListComp: "listcomp", ast.SetComp: "setcomp", ast.DictComp: "dictcomp",
           ast.GeneratorExp: "genexpr"}  # fmt: skip


class UnclearError(Exception):
    """The symbol tables could not be matched with the code."""


@dataclass(frozen=True, slots=True)
class Instance:
    """Some value of a built-in type."""

    type: type


class Scopes:
    """The scope of every name, and the values of those names that are bound once and certainly.

    Raises:
        UnclearError: the symbol tables do not fit the tree.
    """

    def __init__(self, tree: ast.Module, table: symtable.SymbolTable) -> None:
        self._top = table
        self._of: dict[ast.AST, symtable.SymbolTable] = {}
        self._parent: dict[int, symtable.SymbolTable] = {}
        self._children: dict[int, list[symtable.SymbolTable]] = {}
        self._bindings: dict[tuple[int, str], list[Any]] = {}
        self._stars = any(
            isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
            for node in ast.walk(tree)
        )
        self.imported: set[str] = set()
        self._visit_all(tree.body, table)

    # Which scope a node is in ---------------------------------------------------------------------------------------

    def _visit_all(self, nodes: list[Any], table: symtable.SymbolTable) -> None:
        for node in nodes:
            if isinstance(node, ast.AST):
                self._visit(node, table)

    def _visit(self, node: ast.AST, table: symtable.SymbolTable) -> None:
        self._of[node] = table
        self._bind(node, table)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = self._child(table, node.name, _first_line(node))
            self._visit_all([part for part in ast.iter_child_nodes(node) if part not in node.body], table)
            if not isinstance(node, ast.ClassDef):
                self._bind_arguments(node.args, inner)
            self._visit_all(node.body, inner)
        elif isinstance(node, ast.Lambda):
            inner = self._child(table, "lambda", node.lineno)
            self._visit(node.args, table)
            self._bind_arguments(node.args, inner)
            self._visit(node.body, inner)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            # The first iterable is computed outside.
            self._visit(node.generators[0].iter, table)
            inner = self._child(table, _SCOPES[type(node)], node.lineno)
            for part in ast.iter_child_nodes(node):
                if part is node.generators[0]:
                    first = node.generators[0]
                    self._of[first] = inner
                    self._visit_all([first.target, *first.ifs], inner)
                else:
                    self._visit(part, inner)
        else:
            self._visit_all(list(ast.iter_child_nodes(node)), table)

    def _child(self, table: symtable.SymbolTable, name: str, line: int) -> symtable.SymbolTable:
        left = self._children.setdefault(table.get_id(), table.get_children())
        for child in left:
            if child.get_name() != name:
                continue
            if "PARAMETERS" in str(child.get_type()).upper() or child.get_type() == "type parameter":
                self._parent[child.get_id()] = table
                left.remove(child)
                return self._child(child, name, line)
            if child.get_lineno() == line:
                left.remove(child)
                self._parent[child.get_id()] = table
                return child
        raise UnclearError

    def _owner(self, name: str, table: symtable.SymbolTable) -> symtable.SymbolTable | None:
        """Return the scope whose binding of ``name`` is seen in ``table``; None for a built-in or an unknown one."""
        try:
            symbol = table.lookup(name)
        except KeyError:
            # A comprehension that the compiler puts into its surroundings (Python 3.12) may not list the name.
            parent = self._parent.get(table.get_id())
            return self._owner(name, parent) if parent is not None else None
        if table is self._top or symbol.is_global():
            return self._top
        if symbol.is_local():
            return table
        parent = self._parent.get(table.get_id())
        while parent is not None and parent.get_type() == "class":
            parent = self._parent.get(parent.get_id())
        return self._owner(name, parent) if parent is not None else None

    # What is bound --------------------------------------------------------------------------------------------------

    def _add(self, name: str, table: symtable.SymbolTable, value: Any) -> None:
        owner = self._owner(name, table) or table
        self._bindings.setdefault((owner.get_id(), name), []).append(value)

    def _bind_arguments(self, arguments: ast.arguments, table: symtable.SymbolTable) -> None:
        for node in ast.walk(arguments):
            if isinstance(node, ast.arg):
                self._add(node.arg, table, UNKNOWN)

    def _bind(self, node: ast.AST, table: symtable.SymbolTable) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                self.imported.add(top)
                self._add(alias.asname or top, table, module(alias.name if alias.asname else top) or UNKNOWN)
                if module(alias.name) is None and module(top) is not None:
                    module(alias.name)  # so that `import os.path` makes `os.path` known
        elif isinstance(node, ast.ImportFrom):
            owner = module(node.module) if node.module and not node.level else None
            self.imported.add((node.module or "").partition(".")[0])
            for alias in node.names:
                if alias.name != "*":
                    found = UNKNOWN if owner is None else member(owner, alias.name)
                    self._add(alias.asname or alias.name, table, found)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            self._add(node.id, table, UNKNOWN)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            # The target itself is visited below and counts as unknown; here it is said what it certainly is.
            self._add(node.targets[0].id, table, node.value)
        elif (
            isinstance(
                node,
                ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar,
            )
            and node.name
        ):
            self._add(node.name, table, UNKNOWN)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            self._add(node.rest, table, UNKNOWN)

    # What it stands for ---------------------------------------------------------------------------------------------

    def value(self, node: ast.expr, depth: int = 0) -> Any:
        """Return the library's object that an expression stands for, an `Instance`, or `UNKNOWN`."""
        if depth > 20:
            return UNKNOWN
        if kind := _literal(node):
            return Instance(kind)
        if isinstance(node, ast.Name):
            return self._name(node, depth)
        if isinstance(node, ast.Attribute):
            owner = self.value(node.value, depth + 1)
            is_owner = not isinstance(owner, Instance) and (isinstance(owner, type) or hasattr(owner, "__spec__"))
            return member(owner, node.attr) if is_owner and owner is not UNKNOWN else UNKNOWN
        if isinstance(node, ast.Call):
            return self._returned(node, depth)
        return UNKNOWN

    def _name(self, node: ast.Name, depth: int) -> Any:
        table = self._of.get(node)
        if table is None:
            return UNKNOWN
        owner = self._owner(node.id, table)
        bound = self._bindings.get((owner.get_id(), node.id), []) if owner is not None else []
        if not bound:
            known = hasattr(builtins, node.id) and not self._stars and owner in (None, self._top)
            return getattr(builtins, node.id) if known else UNKNOWN
        if self._stars and owner is self._top:
            return UNKNOWN
        if len(bound) == 2 and isinstance(bound[0], ast.expr) and bound[1] is UNKNOWN:  # one plain assignment
            found = self.value(bound[0], depth + 1)
            return found if isinstance(found, Instance) else UNKNOWN
        same = all(value is bound[0] for value in bound)
        return bound[0] if same and not isinstance(bound[0], ast.AST) else UNKNOWN

    def _returned(self, node: ast.Call, depth: int) -> Any:
        if isinstance(node.func, ast.Name):
            target = self._name(node.func, depth + 1)
            kind = _FUNCTIONS.get(node.func.id)
            return Instance(kind) if kind and target is getattr(builtins, node.func.id) else UNKNOWN
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value, depth + 1)
            if isinstance(owner, Instance) and (found := _METHODS.get(owner.type, {}).get(node.func.attr)):
                return Instance(found)
        return UNKNOWN


def _literal(node: ast.expr) -> type | None:
    if isinstance(node, ast.Constant):
        return None if node.value is None or node.value is ... else type(node.value)
    return _LITERALS.get(type(node))


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """Return the line that a symbol table gives: that of the first decorator, where there is one."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
