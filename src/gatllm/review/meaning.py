"""Errors of meaning that the shape of a text gives away: work thrown away, and arguments in each other's places.

Each kind was kept for being rare in code that people are content with: `benchmarks/review_meaning.py` counts alarms in
untouched functions. All of them are suggestions; nothing here is proven, and nothing is ever written.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from gatllm.review.critics import Finding, quietly_parsed
from gatllm.review.edits import Change

CRITIC = "meaning"
RULES = {
    "unused-result": "A value is computed and dropped: `text.strip()` on a line of its own changes nothing, as strings "
    "never change; `sorted(xs)` returns a new list.",
    "method-not-called": "A method or function is named on a line of its own, not called: `file.close` does nothing.",
    "comparison-as-statement": "Two values are compared on a line of their own; `=` was probably meant.",
    "result-is-none": "A list's `sort`, `append` and the like change it in place and return None.",
    "swapped-arguments": "Two arguments bear each other's parameter's names: `area(height, width)` for "
    "`def area(width, height)`.",
}
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_ENDED = " `# noqa` at the end of a line silences it there; `gatllm fix --semantic` shows what may be meant."

# Functions of Python's own that do nothing but return. `list(x)`, `int(x)` and such drain an iterator or check a value.
_PURE = frozenset({"sorted", "reversed", "enumerate", "zip", "map", "filter", "abs", "sum", "round"})
# Methods of strings alone, by how many arguments a call of the string's has; `replace` of a path takes one.
_OF_STRINGS = {
    **dict.fromkeys(("strip", "lstrip", "rstrip"), (0, 1)),
    **dict.fromkeys(("lower", "upper", "title", "capitalize", "casefold", "swapcase", "splitlines", "isdigit"), (0,)),
    **dict.fromkeys(("replace",), (2,)),
    **dict.fromkeys(("startswith", "endswith", "removeprefix", "removesuffix", "zfill"), (1,)),
}
_OF_LITERALS = frozenset({"format", "join", "split", "encode"})  # other objects have methods of these names
# What is called without arguments, and for its effect.
_CALLED = frozenset({"close", "flush", "commit", "rollback", "clear", "sort", "reverse", "popitem", "shutdown", "quit"})
_IN_PLACE = frozenset({"sort", "reverse", "append", "extend", "insert", "clear"})
# Parts of the names of functions that exchange their arguments on purpose.
_EXCHANGING = (
    "swap",
    "rev",
    "transpos",
    "flip",
    "mirror",
    "rotat",
    "inv",
    "switch",
    "exchang",
    "recip",
    "conj",
    "anti",
)
_TRIES = (ast.Try, ast.TryStar, ast.With, ast.AsyncWith)  # there a line may be there to raise


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that probably does not do what was meant, and the change that would (None: nobody can tell)."""

    finding: Finding
    change: Change | None


def explained(rule: str) -> str | None:
    """Return what a rule of this module is about; None where it has no such rule."""
    return RULES[rule] + _ENDED if rule in RULES else None


def doubts(text: str) -> list[Doubt]:
    """Return what is doubtful in a text that compiles, in the order of its lines; nothing in one that does not."""
    tree = quietly_parsed(text)
    if tree is None:
        return []
    places = _Places(text)
    try:
        found = [*_statements(tree, places), *_in_place(tree, places), *_swapped(tree, places)]
    except RecursionError:
        return []
    return sorted(found, key=lambda doubt: (doubt.finding.line, doubt.finding.column))


class _Places:
    """Where the nodes of a tree stand in its text: `ast` counts bytes, everything else here characters."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._rows, self._starts = [], [0]
        for line in _LINE.findall(text):
            self._rows.append(line)
            self._starts.append(self._starts[-1] + len(line))

    def offset(self, line: int, column: int) -> int:
        row = self._rows[line - 1]
        inside = column if row.isascii() else len(row.encode()[:column].decode(errors="ignore"))
        return self._starts[line - 1] + inside

    def span(self, node: ast.expr) -> tuple[int, int]:
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return self.offset(node.lineno, node.col_offset), self.offset(end_line, end_column)

    def source(self, node: ast.expr) -> str:
        start, end = self.span(node)
        return self.text[start:end]

    def doubt(self, node: ast.expr, rule: str, words: str, change: Change | None) -> Doubt:
        column = self.offset(node.lineno, node.col_offset) - self._starts[node.lineno - 1] + 1
        return Doubt(Finding(node.lineno, column, rule, words, CRITIC), change)


def _statements(tree: ast.Module, places: _Places) -> Iterator[Doubt]:
    """Expressions that are statements of their own and have no effect."""
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    methods = {name[1:] for name in _signatures(tree) if name.startswith(".")} - _properties(tree)
    modules = {
        (one.asname or one.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for one in node.names
    }
    rebound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    rebound |= modules | functions | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for value in _lone(tree.body):
        match value:
            case ast.Call(func=ast.Name(id=name)) if name in _PURE - rebound and not _checks(value):
                yield places.doubt(value, "unused-result", f"the result of `{name}` is not used", _kept(value, places))
            case ast.Call(func=ast.Attribute(value=base, attr=name)) if _of_string(value, base, name, modules):
                words = f"the result of `{name}` is not used: a string never changes"
                yield places.doubt(value, "unused-result", words, _kept(value, places))
            case ast.Attribute(attr=name) if name in _CALLED or (_of_self(value) and name in methods):
                yield _uncalled(value, name, places)
            case ast.Name(id=name) if name in functions and name not in modules:
                yield _uncalled(value, name, places)
            case ast.Compare(left=ast.Name() | ast.Attribute() | ast.Subscript(), ops=[ast.Eq()], comparators=[right]):
                left, first = places.span(value.left)[1], places.span(right)[0]
                between = places.text[left:first]
                change = Change(left, first, between.replace("==", "=", 1)) if between.strip() == "==" else None
                yield places.doubt(value, "comparison-as-statement", "a comparison whose result is not used", change)


def _uncalled(value: ast.expr, name: str, places: _Places) -> Doubt:
    end = places.span(value)[1]
    return places.doubt(value, "method-not-called", f"`{name}` is named and not called", Change(end, end, "()"))


def _of_self(value: ast.Attribute) -> bool:
    return isinstance(value.value, ast.Name) and value.value.id == "self"


def _properties(tree: ast.Module) -> set[str]:
    """Names of methods with a decorator, in whichever class: they may be properties."""
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list
    }


def _lone(body: Sequence[ast.stmt]) -> Iterator[ast.expr]:
    """Yield the values of expression statements, but for those in ``try`` and ``with``, which may be there to raise."""
    for statement in body:
        if isinstance(statement, ast.Expr):
            yield statement.value
        elif not isinstance(statement, _TRIES):
            for field in ("body", "orelse"):
                yield from _lone(getattr(statement, field, ()))
            for case in getattr(statement, "cases", ()):
                yield from _lone(case.body)
        elif isinstance(statement, ast.Try):
            yield from _lone(statement.finalbody)


def _checks(call: ast.Call) -> bool:
    """Tell whether a call may be there for what happens on the way: a star, or an argument that is a call itself."""
    return any(isinstance(node, ast.Starred | ast.Await | ast.NamedExpr | ast.Yield) for node in ast.walk(call))


def _of_string(call: ast.Call, base: ast.expr, name: str, modules: set[str]) -> bool:
    literal = isinstance(base, ast.JoinedStr) or (isinstance(base, ast.Constant) and isinstance(base.value, str))
    if name in _OF_LITERALS:
        return literal
    plain = not call.keywords and len(call.args) in _OF_STRINGS.get(name, ()) and not _checks(call)
    if name == "replace" and not any(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in call.args):
        return literal and plain  # trees, tables and dates have a method of that name as well
    return plain and not (isinstance(base, ast.Name) and base.id in modules)


def _kept(call: ast.Call, places: _Places) -> Change | None:
    """The change that keeps a result under the name that it was computed from."""
    base = call.func.value if isinstance(call.func, ast.Attribute) else call.args[0] if call.args else None
    if not isinstance(base, ast.Name | ast.Attribute | ast.Subscript):
        return None
    start = places.span(call)[0]
    return Change(start, start, f"{places.source(base)} = ")


def _in_place(tree: ast.Module, places: _Places) -> Iterator[Doubt]:
    """``xs = xs.sort()`` where ``xs`` is a list for certain."""
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            continue
        own = list(_own(scope))
        lists = _always_lists(own)
        for node in own:
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=call):
                    match call:
                        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if (
                            method in _IN_PLACE and name in lists and name == target
                        ):
                            start, end = places.offset(node.lineno, node.col_offset), places.span(call)[0]
                            words = f"`{method}` changes `{name}` in place and returns None"
                            yield places.doubt(call, "result-is-none", words, Change(start, end, ""))


def _own(scope: ast.FunctionDef | ast.AsyncFunctionDef | ast.Module) -> Iterator[ast.AST]:
    """The nodes of a scope without those of the scopes in it."""
    todo: list[ast.AST] = [*scope.body]
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)


def _always_lists(own: Sequence[ast.AST]) -> set[str]:
    """Names to which a scope gives lists and, but for the results of their own methods, nothing else."""
    given: dict[str, bool] = {}
    for node in own:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                match value:
                    case ast.List() | ast.ListComp() | ast.Call(func=ast.Name(id="list" | "sorted")):
                        given.setdefault(name, True)
                    case ast.Call(func=ast.Attribute(value=ast.Name(id=base), attr=method)) if (
                        base == name and method in _IN_PLACE
                    ):
                        pass
                    case _:
                        given[name] = False
            case ast.Name(id=name, ctx=ast.Store()) if name not in given:
                pass
            case ast.For(target=target) | ast.comprehension(target=target):
                given.update({one.id: False for one in ast.walk(target) if isinstance(one, ast.Name)})
    return {name for name, is_list in given.items() if is_list}


def _swapped(tree: ast.Module, places: _Places) -> Iterator[Doubt]:
    """Calls in which two arguments bear the names of each other's parameters."""
    known = _signatures(tree)
    for scope, call in _calls(tree):
        name, parameters = _called(call, known)
        if not parameters or any(part in f"{scope}{name}".lower() for part in _EXCHANGING) or scope == name:
            continue
        if any(isinstance(one, ast.Starred) for one in call.args):
            continue
        said = [_last_name(one) for one in call.args]
        for one, other in combinations(range(min(len(said), len(parameters))), 2):
            if said[one] == parameters[other] != said[other] == parameters[one] and said[one]:
                first, second = call.args[one], call.args[other]
                start, end = places.span(first)[0], places.span(second)[1]
                between = places.text[places.span(first)[1] : places.span(second)[0]]
                both = f"`{said[one]}` and `{said[other]}`"
                words = f"{both} are in each other's places: `{name}` takes `{parameters[one]}` first"
                change = Change(start, end, places.source(second) + between + places.source(first))
                yield places.doubt(first, "swapped-arguments", words, change)


def _signatures(tree: ast.Module) -> dict[str, list[str]]:
    """Positional parameters of the functions, methods (``.name``) and classes of a module that are defined once."""
    found: dict[str, list[list[str]]] = {}
    for one in tree.body:
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and not one.decorator_list:
            found.setdefault(one.name, []).append(_parameters(one))
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        for method in node.body:
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                plain = not method.decorator_list
                bound = f".{method.name}" if method.name != "__init__" else node.name
                found.setdefault(bound, []).append(_parameters(method)[1:] if plain else [])
    return {name: many[0] for name, many in found.items() if len(many) == 1}


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [one.arg for one in (*node.args.posonlyargs, *node.args.args)]


def _calls(tree: ast.AST, scope: str = "") -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with the name of the function that it stands in."""
    for node in ast.iter_child_nodes(tree):
        inner = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else scope
        if isinstance(node, ast.Call):
            yield scope, node
        yield from _calls(node, inner)


def _called(call: ast.Call, known: dict[str, list[str]]) -> tuple[str, list[str]]:
    match call.func:
        case ast.Name(id=name):
            return name, known.get(name, [])
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
            return name, known.get(f".{name}", [])
    return "", []


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
