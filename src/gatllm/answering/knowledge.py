"""What is known for certain about the language and its library: which modules, names and signatures exist.

The standard library's own modules are imported and asked; those of others are only looked for, never imported.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import importlib
import importlib.util
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, Literal

# Importing these opens windows or browsers, prints, or is meant for tests.
_SHUNNED = "antigravity this idlelib turtledemo turtle tkinter test lib2to3 distutils ensurepip venv __main__"
_NEVER = frozenset(_SHUNNED.split())
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

Kind = Literal["module", "name", "arguments"]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something in a piece of code that is not so. ``start`` and ``end`` are character offsets of ``found``.

    ``better`` is the real name that was most likely meant ('' when none is near).
    """

    kind: Kind
    line: int
    start: int
    end: int
    found: str
    message: str
    better: str = ""


def check_names(code: str) -> list[Fact]:
    """Return what in ``code`` contradicts the language's library: modules, attributes and argument counts.

    Code that does not parse gives nothing: that is for the compiler to say. Only what is certain is reported; a name
    that was assigned anywhere in the code is never looked up.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return []
    return list(_Checker(code, tree).facts())


def unchecked_modules(code: str) -> list[str]:
    """Return the modules that ``code`` imports which are not the standard library's: their names can't be checked."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    tops = {
        alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    tops |= {
        (node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and not node.level
    }
    return sorted(top for top in tops if top and top not in sys.stdlib_module_names)


@cache
def _module(name: str) -> ModuleType | None:
    """Return a module of the standard library, imported; None for any other and for those that must not be."""
    top = name.partition(".")[0]
    if top not in sys.stdlib_module_names or top in _NEVER or name.endswith("__main__"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except Exception:  # a module of another platform fails as it likes
        return None


@cache
def _exists(name: str) -> bool | None:
    """Tell whether a module of the standard library exists; None when that can't be told."""
    top, _, rest = name.partition(".")
    if top not in sys.stdlib_module_names or top in _NEVER:
        return None
    if not rest:
        return True
    if _module(name) is not None:
        return True
    parent, _, last = name.rpartition(".")
    owner = _module(parent)
    if owner is None:
        return _exists(parent) if _exists(parent) is False else None
    if not hasattr(owner, "__path__"):
        return isinstance(getattr(owner, last, None), ModuleType)
    return importlib.util.find_spec(name) is not None


def _near(name: str, owner: Any) -> str:
    known = [other for other in dir(owner) if not other.startswith("_")]
    same = [other for other in known if other.lower().replace("_", "") == name.lower().replace("_", "")]
    found = same or difflib.get_close_matches(name, known, 2, 0.8)
    return found[0] if len(found) == 1 else ""


class _Checker(ast.NodeVisitor):
    def __init__(self, code: str, tree: ast.Module) -> None:
        self._tree = tree
        self._lines = [0]
        for line in code.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._code = code
        self._bound = _assigned(tree)
        self._objects: dict[str, Any] = {}  # names that certainly stand for something of the library
        self._found: list[Fact] = []

    def facts(self) -> Iterator[Fact]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._import(node)
        for name in list(self._objects):
            if self._bound.count(name):
                del self._objects[name]
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                self._attribute(node)
            elif isinstance(node, ast.Call):
                self._call(node)
        seen: set[tuple[int, int, str]] = set()
        for fact in sorted(self._found, key=lambda fact: (fact.start, fact.end)):
            if (fact.start, fact.end, fact.message) not in seen:
                seen.add((fact.start, fact.end, fact.message))
                yield fact

    def _place(self, line: int, column: int) -> int:
        """Return the character offset of an ast position, whose columns count UTF-8 bytes."""
        start = self._lines[line - 1]
        text = self._code[start : self._lines[line]].encode()[:column]
        return start + len(text.decode(errors="replace"))

    def _say(self, kind: Kind, node: Any, found: str, message: str, better: str = "") -> None:
        end = self._place(node.end_lineno, node.end_col_offset)
        start = self._place(node.lineno, node.col_offset)
        if isinstance(node, ast.Attribute):
            start = end - len(node.attr)
        elif isinstance(node, ast.alias | ast.ImportFrom):
            at = self._code.find(found, start, end)
            start, end = (at, at + len(found)) if at >= 0 else (start, end)
        self._found.append(Fact(kind, node.lineno, start, end, found, message, better))

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._no_module(alias.name, alias)
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                if (module := _module(name)) is not None:
                    self._objects[alias.asname or name] = module
            return
        if node.level or not node.module or self._no_module(node.module, node):
            return
        owner = _module(node.module)
        if owner is None:
            return
        for alias in node.names:
            if alias.name == "*":
                continue
            if hasattr(owner, alias.name):
                self._objects[alias.asname or alias.name] = getattr(owner, alias.name)
            elif not _exists(f"{node.module}.{alias.name}") and not self._of_another_platform(alias.name):
                better = _near(alias.name, owner)
                self._say("name", alias, alias.name, _none_of(f"module {node.module}", alias.name, better), better)

    def _no_module(self, name: str, node: ast.alias | ast.ImportFrom) -> bool:
        """Report a module that does not exist; one that is merely not installed is no error."""
        top = name.partition(".")[0]
        if _exists(name) is False:
            self._say("module", node, name, f"the standard library has no module {name}")
            return True
        if top not in sys.stdlib_module_names and not _installed(top):
            near = difflib.get_close_matches(top, sorted(sys.stdlib_module_names), 1, 0.85)
            if near and near[0] not in self._tops():
                self._say("module", node, top, f"there is no module {top} here; {near[0]} is meant?", near[0])
                return True
        return False

    def _tops(self) -> set[str]:
        return {name.partition(".")[0] for name in self._objects}

    def _value(self, node: ast.expr) -> Any:
        """Return the library's object that an expression stands for, or `_UNKNOWN`."""
        if isinstance(node, ast.Name):
            if node.id in self._objects:
                return self._objects[node.id]
            if node.id not in self._bound and hasattr(builtins, node.id):
                return getattr(builtins, node.id)
        elif isinstance(node, ast.Attribute):
            owner = self._value(node.value)
            if isinstance(owner, ModuleType | type):
                return (
                    inspect.getattr_static(owner, node.attr, _UNKNOWN)
                    if isinstance(owner, type)
                    else getattr(owner, node.attr, _UNKNOWN)
                )
        return _UNKNOWN

    def _attribute(self, node: ast.Attribute) -> None:
        literal = type(node.value.value) if isinstance(node.value, ast.Constant) else _LITERALS.get(type(node.value))
        if literal is not None and literal is not type(...):
            if not hasattr(literal, node.attr):
                better = _near(node.attr, literal)
                self._say("name", node, node.attr, _none_of(literal.__name__, node.attr, better), better)
            return
        owner = self._value(node.value)
        if isinstance(owner, ModuleType):
            missing = not hasattr(owner, node.attr) and not _exists(f"{owner.__name__}.{node.attr}")
            kind = f"module {ast.unparse(node.value)}"
        elif isinstance(owner, type) and not hasattr(owner, "__getattr__") and type(owner) is type:
            missing, kind = not hasattr(owner, node.attr), owner.__name__
        else:
            return
        if missing and not hasattr(owner, "__getattr__") and not self._of_another_platform(node.attr):
            better = _near(node.attr, owner)
            self._say("name", node, node.attr, _none_of(kind, node.attr, better), better)

    def _of_another_platform(self, name: str) -> bool:
        """Constants and private names differ between systems and versions; careful code asks before it uses them."""
        return name.startswith("_") or name.isupper() or f'"{name}"' in self._code or f"'{name}'" in self._code

    def _call(self, node: ast.Call) -> None:
        target = self._value(node.func)
        if target is _UNKNOWN or isinstance(target, staticmethod | classmethod | property):
            return
        if isinstance(node.func, ast.Attribute) and isinstance(self._value(node.func.value), type):
            return  # a method taken from its class: whether it is bound can't be told
        if any(isinstance(arg, ast.Starred) for arg in node.args) or any(word.arg is None for word in node.keywords):
            return
        signature = _signature(target)
        if signature is None:
            return
        try:
            signature.bind(*[None] * len(node.args), **{word.arg or "": None for word in node.keywords})
        except TypeError as error:
            name = ast.unparse(node.func)
            self._say("arguments", node, name, f"{name}{_short(signature)} is called wrongly: {error}")


_UNKNOWN: Any = object()


@cache
def _installed(top: str) -> bool:
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


def _signature(target: Callable[..., Any]) -> inspect.Signature | None:
    if isinstance(target, type) and issubclass(target, BaseException):
        return None
    try:
        return inspect.signature(target)
    except (ValueError, TypeError):
        return None


def _short(signature: inspect.Signature) -> str:
    text = str(signature.replace(return_annotation=inspect.Signature.empty))
    return text if len(text) <= 60 else "(…)"


def _none_of(owner: str, name: str, better: str) -> str:
    return f"{owner} has no {name}" + (f"; {better} is meant?" if better else "")


def _assigned(tree: ast.AST) -> list[str]:
    """Return every name that the code itself binds in any other way than by importing it."""
    names: list[str | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            names.append(node.id)
        elif isinstance(node, ast.arg):
            names.append(node.arg)
        elif isinstance(
            node,
            ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar,
        ):
            names.append(node.name)
        elif isinstance(node, ast.MatchMapping):
            names.append(node.rest)
    return [name for name in names if name]
