"""What counts as a negative: a critic or a test must tell the broken text from the original.

An injected error is a noisy label until something fails. Of one-token changes that parse, 14 to 24 % (integers,
operators) still pass every test of their program (`dev/LOG.md`): taught as errors they would be lies. So a case counts
when the compiler or ruff finds something new, or when the function, called in the sandbox with made-up arguments, does
something else. Where every call gives the same, it is thrown away; where nothing can be said, it counts only if its
kind is one that hardly ever leaves a program as it was.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from random import Random
from types import TracebackType
from typing import Any, Literal, Self

from gatllm.adversarial.case import REPLACED, Case
from gatllm.data.functions import parse
from gatllm.errors import GatllmError
from gatllm.review import compile_error, lint, same_tree
from gatllm.sandbox import CandidateError, Execution, Limits, Runner, Value, same

Ruling = Literal["critic", "test", "same tree", "same behaviour", "unknown"]

# Share of changes that pass all tests, by kind: measured on 500 tested programs a kind, the rest taken as doubtful.
NOISE = {
    "off-by-one": 0.239,
    "arithmetic": 0.142,
    "comparison": 0.142,
    "mutable-default": 1.0,
    "exception": 1.0,
    "name": 0.038,
    "argument": 0.038,
    "return": 0.038,
    "self": 0.004,
    "await": 0.038,
    "underscore": 0.004,
    "builtin-typo": 0.014,
    REPLACED: 0.0,  # the tree differs from what a person wrote there: that is all that its label says (ELECTRA)
}
MOST_NOISE = 0.05
_CALLS, _ENOUGH = 8, 4  # calls of a function, and how many must return for "the same" to mean something
_LIMITS = Limits(cpu_seconds=1, wall_seconds=10)  # a busy machine must not decide
_VALUES: dict[str, tuple[Any, ...]] = {
    "int": (0, 1, 2, -3, 7, 10, 100),
    "float": (0.0, 0.5, -1.5, 3.25),
    "str": ("", "a", "Hello World", "x=1;y=2", " abc\n", "10"),
    "bytes": (b"", b"abc", b"\x00\xff12"),
    "bool": (True, False),
    "list": ([], [1], [3, 1, 2], ["a", "b"], [1, 1, 2]),
    "dict": ({}, {"a": 1}, {"x": "1", "y": "2"}),
}


class Referee:
    """Rules on cases; owns a sandbox where this machine has one, and says in ``tests`` whether it has."""

    def __init__(self, *, tests: bool = True) -> None:
        self._runner: Runner | None = None
        if tests:
            try:
                self._runner = Runner(workers=1, limits=_LIMITS)
            except GatllmError:  # no walls here: critics alone
                self._runner = None
        self.rulings: Counter[str] = Counter()

    @property
    def tests(self) -> bool:
        """Whether functions are also run."""
        return self._runner is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            self._runner.close()

    def counting(self, cases: Sequence[Case]) -> list[Case]:
        """Return the cases that count as negatives; ``rulings`` counts what was said of all of them."""
        kept = []
        for case, ruling in zip(cases, self.rule(cases), strict=True):
            counts = ruling in {"critic", "test"} or (ruling == "unknown" and NOISE.get(case.family, 1.0) <= MOST_NOISE)
            self.rulings[ruling if ruling != "unknown" else f"unknown, {'kept' if counts else 'left out'}"] += 1
            if counts:
                kept.append(case)
        return kept

    def rule(self, cases: Sequence[Case]) -> list[Ruling]:
        """Say of each case who tells it from the original."""
        compiling = [case for case in cases if compile_error(case.broken) is None]
        found = lint([text for case in compiling for text in (case.text, case.broken)])
        worse = {
            id(case): bool(_codes(found[2 * number + 1]) - _codes(found[2 * number]))
            for number, case in enumerate(compiling)
        }
        return [self._rule(case, worse.get(id(case), True)) for case in cases]

    def _rule(self, case: Case, critic: bool) -> Ruling:
        if critic:
            return "critic"
        if same_tree(case.broken, case.text):
            return "same tree"
        return self._test(case)

    def _test(self, case: Case) -> Ruling:
        job = _callable(case.text)
        if self._runner is None or job is None:
            return "unknown"
        name, inputs = job
        before = self._runner.call(case.text, name, inputs)
        returned = _returned(before)
        if not returned:
            return "unknown"  # it needs more than made-up arguments
        again = self._runner.call(case.text, name, inputs)
        if again.status != "finished" or not all(map(_equal, before.results, again.results)):
            return "unknown"  # chance, or a clock
        after = self._runner.call(case.broken, name, inputs)
        if after.status != "finished":
            return "test" if after.status in {"error", "timeout", "memory", "output"} else "unknown"
        pairs = list(zip(before.results, after.results, strict=True))
        if any(isinstance(old, Value) and not _equal(old, new) for old, new in pairs):
            return "test"
        return "same behaviour" if returned >= min(_ENOUGH, len(inputs)) else "unknown"


def _codes(findings: Sequence[Any]) -> Counter[tuple[str, str]]:
    return Counter((finding.code, finding.message) for finding in findings)


def _returned(execution: Execution) -> int:
    if execution.status != "finished":
        return 0
    return sum(isinstance(result, Value) for result in execution.results)


def _equal(old: Value | CandidateError, new: Value | CandidateError) -> bool:
    if isinstance(old, Value) and isinstance(new, Value):
        return same(old.value, new.value, 0.0)
    return isinstance(old, CandidateError) and isinstance(new, CandidateError) and old.type == new.type


def _callable(text: str) -> tuple[str, list[tuple[Any, ...]]] | None:
    """Return a function's name and made-up arguments, or None where it can't be called by itself."""
    tree = parse(text)
    node = tree.body[0] if tree is not None and tree.body else None
    if not isinstance(node, ast.FunctionDef) or node.decorator_list or len(tree.body if tree else []) != 1:
        return None
    arguments = [*node.args.posonlyargs, *node.args.args]
    required = arguments[: len(arguments) - len(node.args.defaults)]
    if (
        any(one.arg in {"self", "cls"} for one in arguments[:1])
        or len(required) > 4
        or any(default is None for default in node.args.kw_defaults)
    ):
        return None
    rng = Random(text)
    return node.name, [tuple(_value(one, rng) for one in required) for _ in range(_CALLS if required else 1)]


def _value(argument: ast.arg, rng: Random) -> Any:
    """Draw a value for a parameter: of the annotated type where it is a plain one, else of any."""
    kind = argument.annotation.id if isinstance(argument.annotation, ast.Name) else ""
    return rng.choice(_VALUES[kind] if kind in _VALUES else rng.choice(list(_VALUES.values())))
