"""What a run gave, as the parent believes it."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gatllm.sandbox._server import decode

# finished: the candidate says it came to its end. error: it raised. timeout, output, memory: it was stopped at a limit.
# killed: it ended by a signal. silent: it ended without a word, as `os._exit` does. forged: its words make no sense.
Status = Literal["finished", "error", "timeout", "output", "memory", "killed", "silent", "forged"]


@dataclass(frozen=True, slots=True)
class CandidateError:
    """An exception that the candidate raised, in the candidate's own words."""

    type: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.type}: {self.message}" if self.message else f"{where}{self.type}"


@dataclass(frozen=True, slots=True)
class Value:
    """What one call returned."""

    value: Any


@dataclass(frozen=True, slots=True)
class Execution:
    """One run. Everything but ``status`` "timeout", "output", "memory", "killed" is the candidate's word only."""

    status: Status
    error: CandidateError | None = None
    results: list[Value | CandidateError] = field(default_factory=list)
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0


def read_execution(answer: Mapping[str, Any], calls: int | None) -> Execution:
    """Turn a server's answer into what can be believed; ``calls`` results are expected (None: a whole program)."""
    common: dict[str, Any] = {
        "stdout": base64.b64decode(answer["stdout"]).decode("utf-8", "replace"),
        "stderr": base64.b64decode(answer["stderr"]).decode("utf-8", "replace"),
        "seconds": float(answer["seconds"]),
    }
    stopped, status = answer["stopped"], answer["status"]
    if stopped:
        return Execution("timeout" if stopped == "timeout" else "output", **common)
    if status in (-24, -9):  # SIGXCPU, or SIGKILL by the hard limit on processor time
        return Execution("timeout", **common)
    if status < 0:
        return Execution("killed", **common)
    reply = base64.b64decode(answer["reply"])
    if not reply:
        return Execution("silent", **common)
    try:
        return _believe(json.loads(reply), calls, common)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Execution("forged", **common)


def _believe(reply: Any, calls: int | None, common: dict[str, Any]) -> Execution:
    if not isinstance(reply, dict) or len(reply) != 1:
        raise ValueError
    if "error" in reply:
        error = _error(reply["error"])
        return Execution("memory" if error.type == "MemoryError" else "error", error, **common)
    if calls is None:
        if reply != {"finished": True}:
            raise ValueError
        return Execution("finished", **common)
    results: list[Value | CandidateError] = []
    for entry in reply["values"]:
        if not isinstance(entry, dict) or len(entry) != 1:
            raise ValueError
        results.append(_error(entry["error"]) if "error" in entry else Value(decode(entry["value"])))
    if len(results) != calls:
        raise ValueError
    return Execution("finished", results=results, **common)


def _error(value: Any) -> CandidateError:
    line = value["line"]
    if not (isinstance(value["type"], str) and isinstance(value["message"], str)):
        raise TypeError
    return CandidateError(value["type"], value["message"], line if isinstance(line, int) else None)


def _close(expected: float, actual: float, tolerance: float) -> bool:
    try:
        if math.isnan(expected) and math.isnan(actual):
            return True
        return tolerance > 0 and math.isclose(expected, actual, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:  # an int beyond all floats
        return False


def same(expected: Any, actual: Any, tolerance: float = 0.0) -> bool:
    """Tell whether two plain values are equal as Python sees it: numbers by value, all else by type and value.

    ``tolerance`` is the relative and absolute distance that floats may have. A NaN is the same as a NaN.
    """
    if isinstance(expected, int | float) and isinstance(actual, int | float):
        return expected == actual or (
            (isinstance(expected, float) or isinstance(actual, float)) and _close(expected, actual, tolerance)
        )
    if type(expected) is not type(actual):
        return False
    if isinstance(expected, list | tuple):
        return len(expected) == len(actual) and all(map(same, expected, actual, [tolerance] * len(expected)))
    if isinstance(expected, dict):
        return expected.keys() == actual.keys() and all(same(expected[key], actual[key], tolerance) for key in expected)
    return bool(expected == actual)
