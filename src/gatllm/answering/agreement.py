"""Where a prompt states nothing to run against: do proposals agree, by what they compute on plain arguments?

A generator that knows what is asked writes the same function in several ways; one that guesses writes several functions
(functional clusters, as in Li et al., "AlphaCode", Science 2022).
"""

from __future__ import annotations

import ast
import itertools
import warnings
from collections.abc import Sequence
from typing import Any

from gatllm.answering.trial import CodeRunner, clusters, outputs

# Values on which a right function does not fail, for the kinds of arguments that functions take, the commonest first.
# Nothing empty and nothing negative: what happens at the edges was not asked for, and loops may not end there.
_KINDS: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("int", (3, 1, 2, 4, 7, 10, 12, 25)),
    ("str", ("hello", "a", "Level up 42", "aabbc", "racecar", "one two three", "Ab")),
    ("list[int]", ([3, 1, 2], [1], [4, 4, 1, 9], [10, 7, 8, 3, 2], [1, 2, 3, 4, 5, 6])),
    ("list[str]", (["pear", "fig"], ["a"], ["one", "two", "three", "two"], ["Abc", "b", "aa"])),
    ("float", (1.5, 2.0, 0.25, 10.75)),
    ("list[list[int]]", ([[1, 3], [2, 6], [8, 10]], [[1, 2], [3, 4]], [[5, 1], [4, 4]])),
    ("dict[str, int]", ({"b": 1, "a": 2}, {"x": 3}, {"one": 1, "two": 2, "three": 3})),
    ("list[tuple[str, int]]", ([("b", 2), ("a", 1)], [("x", 3)], [("one", 1), ("two", 2), ("six", 6)])),
    ("bool", (True, False)),
)
_FEWER = 5  # kinds where there are three parameters: with all of them there would be too many combinations
_MOST = 3  # parameters
_CALLS = 8


def agreeing(codes: Sequence[str], name: str, runner: CodeRunner) -> list[list[int]]:
    """Group proposals by what they compute, the largest group first; [] where nothing can be said.

    Each is called with the commonest kinds of arguments that most of them can take (with others, which a proposal takes
    by chance, right ones may differ). Nothing can be said where there is no
    function to call with one to three arguments, and where the same code gives another result the next time.

    Args:
        codes: the proposals; the first one's signature says how many arguments there are.
        name: what the function is called; '' or a name that a proposal does not define: its last function.
        runner: the sandbox.
    """
    functions = [_function(code, name) for code in codes]
    first = functions[0]
    if first is None or not 0 < (count := _required(first)) <= _MOST:
        return []
    kinds = list(itertools.product(*([_KINDS] if count < _MOST else [_KINDS[:_FEWER]]) * count))
    probes = [tuple(values[0] for _, values in combination) for combination in kinds]

    def compute(inputs: list[tuple[Any, ...]]) -> list[tuple[str, ...]]:
        called = zip(codes, functions, strict=True)
        return [outputs(code, found.name, inputs, runner) if found else () for code, found in called]

    probed = [texts for texts in compute(probes) if texts]
    able = [sum(not texts[at].startswith("raises ") for texts in probed) for at in range(len(probes))]
    if not probed or not max(able):
        return []
    inputs = _arguments([values for _, values in kinds[able.index(max(able))]])
    computed = compute(inputs)
    if outputs(codes[0], first.name, inputs, runner) != computed[0]:
        return []  # left to chance
    return clusters(computed)


def _function(code: str, name: str) -> ast.FunctionDef | None:
    """Return the function that was asked for, or the last one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = [node for node in body if isinstance(node, ast.FunctionDef)]
    return next((node for node in found if node.name == name), found[-1] if found else None)


def _required(function: ast.FunctionDef) -> int:
    """Return how many arguments a call has to have; 0 where they can't all be given by place."""
    arguments = function.args
    if any(default is None for default in arguments.kw_defaults):
        return 0
    return len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)


def _arguments(values: Sequence[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    """Return calls in which every value of every parameter occurs, not always beside the same others."""
    return [
        tuple(each[(number * (place + 1) + place) % len(each)] for place, each in enumerate(values))
        for number in range(_CALLS)
    ]
