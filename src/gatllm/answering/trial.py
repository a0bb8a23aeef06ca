"""Runs a candidate in the sandbox against what the prompt states, and compares candidates by what they compute."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

from gatllm.answering.answer import Check, Trial
from gatllm.answering.specification import Example, Specification
from gatllm.sandbox import CandidateError, Execution, Limits, Value, same

_CHECK = "_gatllm_check"  # the name of the function that is put behind the candidate
# Generous in wall time: a busy machine must not make right code wrong.
LIMITS = Limits(cpu_seconds=2, wall_seconds=12.0)
_LONGEST = 200


class CodeRunner(Protocol):
    """What `gatllm.sandbox.Runner` offers here."""

    def call(
        self, code: str, function: str, inputs: Sequence[Sequence[Any]], *, limits: Limits | None = None
    ) -> Execution:
        """Call ``function`` of ``code`` once for each of ``inputs``."""


def try_candidate(code: str, specification: Specification, runner: CodeRunner | None) -> Trial:
    """Run ``code`` against the examples of ``specification``.

    The code is untrusted and runs in the sandbox only; the values it returns are compared here.
    """
    if not specification.examples:
        return Trial("nothing stated")
    if runner is None:
        return Trial("not run", why="there is no sandbox on this machine")
    if (program := _with_checks(code, specification.examples)) is None:
        return Trial("failed", why="the code does not compile")
    count = len(specification.examples)
    execution = runner.call(program, _CHECK, [(number,) for number in range(count)], limits=LIMITS)
    if execution.status != "finished":
        why = str(execution.error) if execution.error else _STOPPED.get(execution.status, execution.status)
        checks = tuple(Check(example.words, False, why) for example in specification.examples)
        return Trial("failed", checks, "")
    # Results of other types than the built-in ones can't leave the sandbox; those are compared inside.
    odd = [number for number, result in enumerate(execution.results) if _is_odd(result, code)]
    results = list(execution.results)
    if odd:
        inside = runner.call(program, _CHECK, [(count + number,) for number in odd], limits=LIMITS)
        for number, result in zip(odd, inside.results, strict=False):
            if isinstance(result, Value) and result.value is True:
                results[number] = Value(specification.examples[number].expected)
    checks = tuple(map(_judge, specification.examples, results))
    return Trial("passed" if all(check.passed for check in checks) else "failed", checks)


_STOPPED = {
    "timeout": "it did not come to an end in time",
    "memory": "it took too much memory",
    "output": "it wrote too much",
    "silent": "it ended the process",
    "killed": "it crashed",
}


def _is_odd(result: Value | CandidateError, code: str) -> bool:
    """Tell whether a value was of the library's own type: one of the candidate's may claim to equal anything."""
    if not isinstance(result, CandidateError) or result.type != "TypeError":
        return False
    kind, found, _ = result.message.partition(" is not a plain value")
    return bool(found) and not re.search(rf"\bclass\s+{re.escape(kind)}\b|['\"]{re.escape(kind)}['\"]", code)


def _judge(example: Example, result: Value | CandidateError) -> Check:
    if isinstance(result, CandidateError):
        passed = example.kind == "raises" and result.type == example.expected
        return Check(example.words, passed, f"it raised {result.type}: {result.message}"[:_LONGEST].rstrip(": "))
    value = result.value
    if example.kind == "raises":
        passed = False
    elif example.kind == "true":
        passed = bool(value)
    elif example.kind in ("text", "printed"):
        passed = str(value).strip() == str(example.expected).strip()
    else:
        passed = same(example.expected, value) or (example.rounded and _as_written(example.expected, value))
    verb = "it printed" if example.kind == "printed" else "it returned"
    return Check(example.words, passed, f"{verb} {value!r}"[:_LONGEST])


def _as_written(expected: Any, value: Any) -> bool:
    """Tell whether a float equals another to the places that were written, as prose gives them."""
    if not isinstance(expected, float) or not isinstance(value, float):
        return False
    places = len(repr(expected).partition(".")[2])
    return abs(expected - value) <= 0.51 * 10.0**-places


def _with_checks(code: str, examples: Sequence[Example]) -> str | None:
    """Return the code with a function behind it that evaluates the example of a number."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
            body = [*_branches(examples)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    function = ast.parse(f"def {_CHECK}(number):\n    import math\n    pass").body[0]
    assert isinstance(function, ast.FunctionDef)  # noqa: S101  # it is written two lines above
    function.body[1:] = body
    return f"{code.rstrip()}\n\n\n{ast.unparse(ast.fix_missing_locations(function))}\n"


def _branches(examples: Sequence[Example]) -> list[ast.stmt]:
    """Return one branch for each example's value, and one more for the comparison made inside."""
    written = []
    for number, example in enumerate(examples):
        call = f"repr({example.call}\n)" if example.kind == "text" else f"({example.call}\n)"
        lines = ast.parse(example.setup).body
        if example.kind == "printed":
            lines += ast.parse(
                "import contextlib, io\nbuffer = io.StringIO()\n"
                f"with contextlib.redirect_stdout(buffer):\n    {example.call}\nvalue = buffer.getvalue()"
            ).body
        else:
            lines += ast.parse(f"value = {call}").body
        if example.kind == "true":
            lines += ast.parse("value = bool(value)").body
        written.append((number, [*lines, _return("value")]))
        inside = [*ast.parse(example.setup).body, _return(f"bool(({example.call}\n) == ({example.expected!r}))")]
        written.append((len(examples) + number, inside))
    branches: list[ast.stmt] = []
    for number, lines in written:
        branch = ast.parse(f"if number == {number}:\n    pass").body[0]
        assert isinstance(branch, ast.If)  # noqa: S101  # it is written one line above
        branch.body = lines
        branches.append(branch)
    return branches


def _return(source: str) -> ast.stmt:
    function = ast.parse(f"def f():\n    return {source}").body[0]
    assert isinstance(function, ast.FunctionDef)  # noqa: S101  # it is written one line above
    return function.body[0]


def outputs(code: str, function: str, inputs: Sequence[tuple[Any, ...]], runner: CodeRunner) -> tuple[str, ...]:
    """Return what the function gives for each of ``inputs``, as texts that can be compared; () when it can't run."""
    execution = runner.call(code, function, inputs, limits=LIMITS)
    if execution.status != "finished":
        return ()
    return tuple(
        f"raises {result.type}" if isinstance(result, CandidateError) else _canonical(result.value)
        for result in execution.results
    )


def _canonical(value: Any) -> str:
    """Return the same text for what `same` calls equal: 2 and 2.0 and the order of a dict do not count."""
    if isinstance(value, bool | int | float):
        return json.dumps(float(f"{value:.9g}")) if abs(value) < 2**53 else repr(value)
    if isinstance(value, dict):
        pairs = sorted(f"{_canonical(key)}: {_canonical(item)}" for key, item in value.items())
        return f"dict({', '.join(pairs)})"
    if isinstance(value, set | frozenset):
        return f"set({', '.join(sorted(map(_canonical, value)))})"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(_canonical, value))})"
    return repr(value)


def clusters(computed: Sequence[tuple[str, ...]]) -> list[list[int]]:
    """Group candidates that compute the same (functional clusters), the largest first, then by who came first.

    Candidates that could not run, or failed on every input, are in no group.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, texts in enumerate(computed):
        if any(not text.startswith("raises ") for text in texts):
            groups.setdefault(texts, []).append(number)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0]))
