"""Rewards for code: it compiles, the discriminator takes it for real, it computes what the tests say.

Tests are never run inside a candidate's process: of each assertion ``f(arguments) == value`` the candidate gets the
arguments alone, and this process compares what comes back with the value. An exit code, a printed "ok", an object that
equals everything or a patched interpreter therefore earns nothing (`docs/sandbox.md`).
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence

from gatllm.errors import GatllmError
from gatllm.review import compile_error
from gatllm.sandbox import Case, Job, Limits, Runner
from gatllm.training.rewards.reward import Asked, Judged, Reward

_FENCE = re.compile(r"^```[\w+-]*[ \t]*\n(.*?)(?:^```|\Z)", re.DOTALL | re.MULTILINE)
_LIMITS = Limits(cpu_seconds=3, wall_seconds=15.0)


def code_in(answer: str) -> str:
    """Return the first fenced block of an answer, or the whole of it where there is none."""
    found = _FENCE.search(answer)
    return found[1] if found else answer


def compiles(_: Sequence[Asked], answers: Sequence[str]) -> list[Judged]:
    """Reward code that compiles and does something: comments, docstrings and ``pass`` alone are worth nothing."""
    found = []
    for answer in answers:
        code = code_in(answer)
        error = compile_error(code)
        if error is not None:
            found.append(Judged(0.0, f"does not compile: {error.message}"[:120]))
        else:
            does = _does_something(code)
            found.append(Judged(float(does), "compiles" if does else "does nothing"))
    return found


def _does_something(code: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nodes = ast.walk(ast.parse(code))
    return any(isinstance(node, ast.Call | ast.BinOp | ast.Compare | ast.Return | ast.Assign) for node in nodes)


def realness() -> Reward:
    """Return a reward that is the discriminator's probability that code is real; what does not compile has none.

    Raises:
        GatllmError: there is no discriminator here.
    """
    from gatllm.review.default import load_reviewer

    reviewer = load_reviewer()
    if not reviewer.has_model:
        raise GatllmError("there is no discriminator here", "train one: gatllm train discriminator")

    def real(asked: Sequence[Asked], answers: Sequence[str]) -> list[Judged]:
        found = []
        for good, answer in zip(compiles(asked, answers), answers, strict=True):
            fake = reviewer.check(code_in(answer)).probability if good.reward else 1.0
            if fake is None:
                found.append(Judged(0.0, "too short or too long to be judged"))
            else:
                found.append(Judged(1 - fake, "taken for real" if good.reward else good.why))
        return found

    return real


def cases_of(tests: Sequence[str]) -> tuple[str, tuple[Case, ...]]:
    """Return the function that assertions call, and their cases; of ``assert f(1, "a") == 2`` one each.

    Raises:
        ValueError: an assertion has another form, or they call different functions.
    """
    name, cases = "", []
    for test in tests:
        for statement in ast.parse(test).body:
            if not isinstance(statement, ast.Assert):
                raise ValueError(f"{ast.unparse(statement)[:60]} is not an assertion")
            called, case = _case(statement.test)
            if name not in ("", called):
                raise ValueError(f"the tests call {name} and {called}")
            name = called
            cases.append(case)
    if not cases:
        raise ValueError("there is no assertion")
    return name, tuple(cases)


def assertions_in(test: str, entry_point: str) -> tuple[str, ...]:
    """Return the assertions of a HumanEval task's ``check(candidate)``, of the function that the answer defines.

    Raises:
        ValueError: there is no such function, or it does more than assert.
    """
    if not entry_point.isidentifier():
        raise ValueError(f"entry_point {entry_point!r} is not a name")
    checks = [one for one in ast.parse(test).body if isinstance(one, ast.FunctionDef) and one.name == "check"]
    if not checks or len(checks[-1].args.args) != 1:
        raise ValueError("test has no check(candidate)")
    candidate = checks[-1].args.args[0].arg
    found = []
    for statement in checks[-1].body:
        if _says_nothing(statement):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id == candidate:
                node.id = entry_point
        found.append(ast.unparse(statement))
    cases_of(found)
    return tuple(found)


def _says_nothing(statement: ast.stmt) -> bool:
    """Tell whether a statement is ``pass``, a docstring, or ``assert True``, as many such tests have them."""
    if isinstance(statement, ast.Assert):
        return isinstance(statement.test, ast.Constant) and bool(statement.test.value)
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _case(test: ast.expr) -> tuple[str, Case]:
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        for call, value in ((test.left, test.comparators[0]), (test.comparators[0], test.left)):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.keywords:
                arguments = tuple(ast.literal_eval(argument) for argument in call.args)
                return call.func.id, Case(arguments, ast.literal_eval(value))
    raise ValueError(f"{ast.unparse(test)[:60]} is not f(values) == value")


def by_tests(asked: Sequence[Asked], answers: Sequence[str]) -> list[Judged]:
    """Reward code that computes what every test says, in the sandbox.

    Raises:
        GatllmError: this machine has no sufficient sandbox.
    """
    jobs = []
    for one, answer in zip(asked, answers, strict=True):
        name, cases = cases_of(one.tests)
        code = code_in(answer)
        jobs.append(Job(f"{one.before}\n{code}" if one.before else code, name, cases))
    with Runner(workers=1, limits=_LIMITS) as runner:
        return [
            Judged(float(verdict.passed), "passes its tests" if verdict.passed else verdict.why[:200])
            for verdict in runner.check_all(jobs)
        ]
