"""A text read statement by statement, so that what a repair leaves alone is read once and not once for each repair."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from gatllm.review.critics import quietly_parsed
from gatllm.review.ends import equal_ends


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement at the top level or in a class, which is one for itself up to its body.

    Two with the same lines that begin and end in the same columns have the same tree, wherever they stand: ``node``
    and the first and last line (from 1) need not be compared.
    """

    lines: tuple[str, ...]
    columns: tuple[int, int]
    depth: int  # classes around it
    node: ast.stmt = field(compare=False)
    first: int = field(compare=False)
    last: int = field(compare=False)


@lru_cache(maxsize=16)  # the gate, the pool and the features look at the same repairs, one after the other
def statements(text: str) -> tuple[Statement, ...] | None:
    """Return the statements of a text; None where it does not parse. Their trees must not change."""
    tree = quietly_parsed(text)
    return None if tree is None else tuple(_apart(tree.body, text.split("\n"), 0))


def _apart(body: Sequence[ast.stmt], lines: Sequence[str], depth: int) -> Iterator[Statement]:
    for node in body:
        first, last = _first_line(node), node.end_lineno or node.lineno
        columns = node.col_offset, node.end_col_offset or 0
        inner = node.body if isinstance(node, ast.ClassDef) else []
        below = _first_line(inner[0]) if inner else 0
        if isinstance(node, ast.ClassDef) and not lines[below - 1][: inner[0].col_offset].strip():
            bare = ast.ClassDef(node.name, node.bases, node.keywords, [], node.decorator_list)
            head = ast.copy_location(bare, node)
            yield Statement(tuple(lines[first - 1 : below - 1]), columns, depth, head, first, below - 1)
            yield from _apart(inner, lines, depth + 1)
        else:
            yield Statement(tuple(lines[first - 1 : last]), columns, depth, node, first, last)


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def tree_of(text: str) -> tuple[object, ...]:
    """Return the syntax tree of a text to be compared, the text itself where it has none."""
    found = statements(text)
    return (text,) if found is None else tuple((one.depth, _dumped(one)) for one in found)


@lru_cache(maxsize=1024)
def _dumped(statement: Statement) -> str:
    try:
        return ast.dump(statement.node)
    except RecursionError:
        return "\n".join(statement.lines)


def skeleton(text: str) -> tuple[object, ...] | None:
    """Return the syntax tree of a text without what stands in its strings, to be compared; None where it has none."""
    found = statements(text)
    try:
        return None if found is None else tuple((one.depth, _shape_of(one)) for one in found)
    except RecursionError:
        return None


@lru_cache(maxsize=1024)
def _shape_of(statement: Statement) -> object:
    return _shape(statement.node)


def _shape(value: object) -> object:
    if isinstance(value, ast.Constant) and isinstance(value.value, str | bytes):
        return type(value.value)
    if isinstance(value, ast.AST):
        return (type(value), *(_shape(getattr(value, name, None)) for name in value._fields))
    if isinstance(value, list):
        return tuple(map(_shape, value))
    return type(value), repr(value)


class Names(NamedTuple):
    """The names that a statement binds, those of them that it defines or imports, and those that it uses."""

    bound: frozenset[str]
    defined: frozenset[str]
    used: frozenset[str]


@lru_cache(maxsize=1024)
def names_of(statement: Statement) -> Names:
    """Return the names of a statement, of what stands in it too; ``*`` is among the bound ones where it imports all."""
    bound: set[str] = set()
    defined: set[str] = set()
    used: set[str] = set()
    for node in ast.walk(statement.node):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            defined.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.ExceptHandler):
            bound.add(node.name or "")
        elif isinstance(node, ast.Global | ast.Nonlocal):
            bound.update(node.names)
        elif isinstance(node, ast.MatchAs | ast.MatchStar | ast.MatchMapping):
            bound.add(getattr(node, "name", None) or getattr(node, "rest", None) or "")
    return Names(frozenset(bound | defined), frozenset(defined), frozenset(used))


class Part(NamedTuple):
    """What of two versions of a text has to be compared: whole statements of the second around all differences.

    ``start`` is its offset, the same in both. ``nodes`` are those of the statements, with the lines of the whole text;
    ``used`` the names in them; ``bound`` and ``defined`` those that the whole text binds, or defines and imports.
    """

    before: str
    after: str
    start: int
    nodes: tuple[ast.AST, ...]
    used: frozenset[str]
    bound: frozenset[str]
    defined: frozenset[str]


_BESIDE = 1  # statements on each side of a difference that belong to it: a line may have come from there


@lru_cache(maxsize=16)
def part(before: str, after: str) -> Part:
    """Return the part of two versions of a text in which they differ; all of both where ``after`` does not parse."""
    found = statements(after)
    if not found:
        return Part(before, after, 0, (), *[frozenset()] * 3)
    old, new = before.split("\n"), after.split("\n")
    begin, end, first, last = _span(found, *equal_ends(old, new), len(new))
    inside = found[begin:end]
    return Part(
        "\n".join(old[first : len(old) - (len(new) - last)]),
        "\n".join(new[first:last]),
        sum(len(line) + 1 for line in new[:first]),
        tuple(node for body in _bodies(inside, begin > 0) for node in ast.walk(body)),
        frozenset().union(*(names_of(one).used for one in inside)),
        frozenset().union(*(names_of(one).bound for one in found)),
        frozenset().union(*(names_of(one).defined for one in found)),
    )


def _bodies(inside: Sequence[Statement], begun: bool) -> Iterator[ast.Module]:
    """Statements that follow each other in the module or in one class, as if they were all of a text.

    Where a part begins in the midst of a body another statement stands above: the first is no docstring, nor alone.
    """
    bodies: dict[int, list[ast.stmt]] = {}
    for one in inside:
        for depth in [depth for depth in bodies if depth > one.depth]:
            yield ast.Module(bodies.pop(depth), [])
        if one.depth not in bodies:
            in_midst = one.depth - 1 not in bodies if one.depth else begun
            bodies[one.depth] = [ast.Global([])] if in_midst else []
        bodies[one.depth].append(one.node)
    yield from (ast.Module(body, []) for body in bodies.values())


def _span(found: Sequence[Statement], head: int, tail: int, size: int) -> tuple[int, int, int, int]:
    """The statements, and the lines, around all but the first ``head`` and last ``tail`` of ``size`` lines."""
    below = size - tail
    begin = max(sum(one.last <= head for one in found) - _BESIDE, 0)
    end = min(sum(one.first <= max(below, head + 1) for one in found) + _BESIDE, len(found))
    while begin and found[begin - 1].last >= found[begin].first:  # several statements on a line
        begin -= 1
    while end < len(found) and found[end].first <= found[end - 1].last:
        end += 1
    first = found[begin].first - 1 if begin else 0
    last = found[end - 1].last if end < len(found) else size
    return begin, end, min(first, head), max(last, below)
