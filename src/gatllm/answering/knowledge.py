"""What is known for certain about the language and its library: which modules, names and signatures exist.

The standard library's own modules are imported and asked; those of others are only looked for, never imported. What a
name stands for is told by the compiler's own symbol tables; a name that is bound more than once, or that a star import
might bind, stands for nothing that is known.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import inspect
import re
import symtable
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from gatllm.answering.library_names import UNKNOWN, installed, member, module, module_exists, near, signature
from gatllm.answering.scopes import Instance, Scopes, UnclearError

Kind = Literal["module", "name", "arguments"]
_LINE = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Fact:
    """Something in a piece of code that is not so. ``start`` and ``end`` are character offsets of ``found``.

    ``suggestion`` is the real name that was most likely meant ('' when none is near, or more than one).
    """

    kind: Kind
    line: int
    start: int
    end: int
    found: str
    message: str
    suggestion: str = ""


def check_names(code: str) -> list[Fact]:
    """Return what in ``code`` contradicts the language's library: modules, attributes and arguments.

    Code that does not compile gives nothing: that is for the compiler to say. Only what is certain is reported.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(code)
            scopes = Scopes(tree, symtable.symtable(code, "<code>", "exec"))
        except (SyntaxError, ValueError, RecursionError, MemoryError, UnclearError):
            return []
    return _Checker(code, tree, scopes).facts()


def unchecked_modules(code: str) -> list[str]:
    """Return the modules that ``code`` imports which are not the standard library's: their names can't be checked."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    tops = {name.partition(".")[0] for name in names}
    return sorted(top for top in tops if top and top not in sys.stdlib_module_names)


def correct_names(code: str) -> tuple[str, list[Fact]]:
    """Replace names that do not exist by the one near name that does; return the code and what was replaced.

    Nothing is replaced unless every replacement sits exactly on what was found, and the result compiles with fewer
    names that do not exist.
    """
    facts = check_names(code)
    chosen = [fact for fact in facts if fact.suggestion and code[fact.start : fact.end] == fact.found]
    corrected = code
    for fact in reversed(chosen):
        corrected = corrected[: fact.start] + fact.suggestion + corrected[fact.end :]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(corrected, "<code>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code, []
    return (corrected, chosen) if chosen and len(check_names(corrected)) < len(facts) else (code, [])


class _Checker:
    def __init__(self, code: str, tree: ast.Module, scopes: Scopes) -> None:
        self._tree = tree
        self._code = code
        self._scopes = scopes
        self._lines = [0, *(found.end() for found in _LINE.finditer(code)), len(code)]
        self._found: list[Fact] = []
        # Code that asks for Python's version may use what only a newer one has.
        self._versions = re.search(r"\b(?:version_info|hexversion)\b", code) is not None

    def facts(self) -> list[Fact]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._no_module(alias.name, alias)
            elif isinstance(node, ast.ImportFrom):
                self._import_from(node)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                self._attribute(node)
            elif isinstance(node, ast.Call):
                self._call(node)
        ordered = sorted(self._found, key=lambda fact: (fact.start, fact.end))
        return list({(fact.start, fact.end, fact.message): fact for fact in ordered}.values())

    def _place(self, line: int, column: int) -> int:
        """Return the character offset of an ast position, whose columns count UTF-8 bytes.

        Lines end where the tokenizer ends them: not at form feeds, U+2028 and the like, as `str.splitlines` would.
        """
        start = self._lines[line - 1]
        text = self._code[start : self._lines[line]].encode("utf-8", "surrogatepass")[:column]
        return start + len(text.decode("utf-8", "replace"))

    def _say(self, kind: Kind, node: Any, found: str, message: str, suggestion: str = "") -> None:
        start = self._place(node.lineno, node.col_offset)
        end = self._place(node.end_lineno, node.end_col_offset)
        if isinstance(node, ast.Attribute):
            start = end - len(node.attr)
        elif isinstance(node, ast.alias | ast.ImportFrom):
            within = re.search(rf"(?<![\w.]){re.escape(found)}(?!\w)", self._code[start:end])
            start, end = (start + within.start(), start + within.end()) if within else (start, end)
        self._found.append(Fact(kind, node.lineno, start, end, found, message, suggestion))

    def _import_from(self, node: ast.ImportFrom) -> None:
        if node.level or not node.module or self._no_module(node.module, node):
            return
        owner = module(node.module)
        if owner is None:
            return
        for alias in node.names:
            missing = alias.name != "*" and member(owner, alias.name) is UNKNOWN
            if missing and not module_exists(f"{node.module}.{alias.name}") and not self._guarded(alias.name):
                suggestion = near(alias.name, owner)
                self._say(
                    "name", alias, alias.name, _none_of(f"module {node.module}", alias.name, suggestion), suggestion
                )

    def _no_module(self, name: str, node: ast.alias | ast.ImportFrom) -> bool:
        """Report a module that does not exist; one that is merely not installed is not an error."""
        top = name.partition(".")[0]
        if module_exists(name) is False:
            self._say("module", node, name, f"the standard library has no module {name}")
            return True
        if top not in sys.stdlib_module_names and not installed(top):
            close = difflib.get_close_matches(top, sorted(sys.stdlib_module_names), 2, 0.85)
            if len(close) == 1 and close[0] not in self._scopes.imported:
                self._say("module", node, top, f"there is no module {top} here; {close[0]} is meant?", close[0])
                return True
        return False

    def _attribute(self, node: ast.Attribute) -> None:
        owner = self._scopes.value(node.value)
        if isinstance(owner, Instance):
            missing, kind, owner = not hasattr(owner.type, node.attr), owner.type.__name__, owner.type
        elif isinstance(owner, ModuleType):
            missing = member(owner, node.attr) is UNKNOWN and not module_exists(f"{owner.__name__}.{node.attr}")
            kind = f"module {ast.unparse(node.value)}"
        elif type(owner) is type:
            missing, kind = not hasattr(owner, node.attr), owner.__name__
        else:
            return
        if missing and not hasattr(owner, "__getattr__") and not self._guarded(node.attr):
            suggestion = near(node.attr, owner)
            self._say("name", node, node.attr, _none_of(kind, node.attr, suggestion), suggestion)

    def _guarded(self, name: str) -> bool:
        """Constants and private names differ between systems and versions; careful code asks before it uses them."""
        if self._versions:
            return True
        return name.startswith("_") or name.isupper() or f'"{name}"' in self._code or f"'{name}'" in self._code

    def _call(self, node: ast.Call) -> None:
        if (
            self._versions
            or any(isinstance(arg, ast.Starred) for arg in node.args)
            or any(word.arg is None for word in node.keywords)
        ):
            return
        bound = 0
        if isinstance(node.func, ast.Attribute) and isinstance(
            owner := self._scopes.value(node.func.value), Instance | type
        ):
            if not isinstance(owner, Instance):
                return  # a method taken from its class: whether it is bound can't be told
            target, bound = inspect.getattr_static(owner.type, node.func.attr, UNKNOWN), 1
        else:
            target = self._scopes.value(node.func)
        if target is UNKNOWN or isinstance(target, Instance | staticmethod | classmethod | property):
            return
        known = signature(target)
        if known is None:
            return
        try:
            known.bind(*[None] * (bound + len(node.args)), **{word.arg or "": None for word in node.keywords})
        except TypeError as error:
            name = ast.unparse(node.func) if len(ast.unparse(node.func)) <= 40 else ast.unparse(node.func)[-40:]
            self._say("arguments", node, name, f"{name}{_short(known, bound)} is called wrongly: {error}")


def _short(known: inspect.Signature, bound: int) -> str:
    parameters = list(known.parameters.values())[bound:]
    text = str(known.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    return text if len(text) <= 60 else "(…)"


def _none_of(owner: str, name: str, suggestion: str) -> str:
    return f"{owner} has no {name}" + (f"; {suggestion} is meant?" if suggestion else "")


# Names in prose -----------------------------------------------------------------------------------------------------

_DOTTED = re.compile(r"(?P<tick>`?)(?<![\w./\\@-])(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)(?P<call>\()?")
_ENDINGS = frozenset(
    [
        "py",
        "pyi",
        "pyc",
        "json",
        "txt",
        "md",
        "csv",
        "toml",
        "yaml",
        "yml",
        "xml",
        "html",
        "log",
        "org",
        "com",
        "net",
        "io",
        "dev",
        "zip",
        "gz",
        "db",
        "ini",
        "cfg",
    ]
)
_TYPES = {kind.__name__: kind for kind in (str, bytes, int, float, complex, list, tuple, dict, set, frozenset)}
_FUNCTION = re.compile(r"`(?P<name>[a-z_]\w*)\(")


@dataclass(frozen=True, slots=True)
class Mention:
    """A dotted name of the library in prose: whether it exists, and what is known of it in words."""

    name: str
    exists: bool
    words: str


def mentions(prose: str) -> list[Mention]:
    """Return the library's names that ``prose`` speaks of as code: between backticks, or called."""
    found: dict[str, Mention] = {}
    for match in _DOTTED.finditer(prose):
        name = match["name"]
        root, _, last = name.partition(".")[0], "", name.rpartition(".")[2]
        if name in found or not (match["tick"] or match["call"]) or (last in _ENDINGS and not match["call"]):
            continue
        if root not in _TYPES and (root not in sys.stdlib_module_names or module(root) is None):
            continue
        if (mention := _mention(name)) is not None:
            found[name] = mention
    return list(found.values())


def _mention(name: str) -> Mention | None:
    parts = name.split(".")
    owner: Any = _TYPES.get(parts[0]) or module(parts[0])
    for at, part in enumerate(parts[1:], 1):
        before = owner
        owner = member(before, part)
        if owner is UNKNOWN and isinstance(before, ModuleType):
            owner = module(".".join(parts[: at + 1])) or UNKNOWN
        if owner is UNKNOWN:
            made = isinstance(before, ModuleType) and hasattr(before, "__getattr__") and _makes(before, part)
            if not isinstance(before, ModuleType | type) or made or part.startswith("_"):
                return None  # an attribute of a value, which may be set anywhere
            return Mention(name, False, _instead(".".join(parts[:at]), part, before))
    return Mention(name, True, _described(name, owner))


def _makes(owner: ModuleType, part: str) -> bool:
    """Tell whether a module of the library makes a name when it is asked for (`sqlite3`, `io`: old ones, mostly)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hasattr(owner, part)


def _instead(path: str, part: str, owner: Any) -> str:
    """Say that a name does not exist, and which existing names its words lead to."""
    pieces = [piece for piece in part.lower().split("_") if len(piece) > 2]
    real = [other for other in dir(owner) if not other.startswith("_")]
    close = [near(part, owner)] if near(part, owner) else []
    close += [other for other in real if other.lower() in pieces]
    close = [f"{path}.{other}" for other in dict.fromkeys(close)]
    close += [piece for piece in pieces if callable(getattr(builtins, piece, None))]
    hint = f" There is {_listed(close[:3])}." if close else ""
    return f"There is no `{path}.{part}`.{hint}"


def _listed(names: list[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def _described(name: str, target: Any) -> str:
    known = signature(target) if callable(target) else None
    first = (inspect.getdoc(target) or "").strip().partition("\n")[0]
    shown = "" if known is None else str(known.replace(return_annotation=inspect.Signature.empty))
    return f"{name}{shown}: {first}" if first else f"{name}{shown}"


def reference(found: Sequence[Mention], budget: int = 600) -> str:
    """Return what a generator should know of the names in a prompt, in at most ``budget`` characters."""
    lines: list[str] = []
    for mention in sorted(found, key=lambda each: each.exists):  # what does not exist first
        line = f"- {mention.words}"[:300]
        if sum(map(len, lines)) + len(line) <= budget:
            lines.append(line)
    return "\n".join(lines)
