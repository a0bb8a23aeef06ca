"""What a run gave, as the parent believes it."""

from __future__ import annotations

import base64
import itertools
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


def _negative_zero(number: float) -> bool:
    return number == 0 and isinstance(number, float) and math.copysign(1, number) < 0


def _same_number(expected: Any, actual: Any, tolerance: float, loose: bool) -> bool:
    if not loose and isinstance(expected, bool) != isinstance(actual, bool):
        return False
    if expected == actual:
        return loose or tolerance > 0 or _negative_zero(expected) == _negative_zero(actual)
    return (isinstance(expected, float) or isinstance(actual, float)) and _close(expected, actual, tolerance)


def same(expected: Any, actual: Any, tolerance: float = 0.0, *, loose: bool = False) -> bool:
    """Tell whether two plain values are equal: numbers by value (1 is 1.0), all else by type and value.

    True is not 1, and -0.0 not 0.0, at any depth, unless ``loose``, which sees them as Python does. ``tolerance`` is
    the relative and absolute distance that floats may have. A NaN is the same as a NaN.
    """

    def alike(first: Any, second: Any) -> bool:
        return same(first, second, tolerance, loose=loose)

    if isinstance(expected, int | float) and isinstance(actual, int | float):
        return _same_number(expected, actual, tolerance, loose)
    if type(expected) is not type(actual):
        return False
    if isinstance(expected, complex):
        expected, actual = (expected.real, expected.imag), (actual.real, actual.imag)
    if isinstance(expected, list | tuple):
        return len(expected) == len(actual) and all(map(alike, expected, actual))
    if isinstance(expected, dict | set | frozenset):
        keys = {key: key for key in actual}  # 1 finds True here: what it found is compared again
        held = len(expected) == len(actual) and all(key in keys and alike(key, keys[key]) for key in expected)
        values: dict[Any, Any] = expected if isinstance(expected, dict) else {}
        return held and all(alike(value, actual[key]) for key, value in values.items())
    return bool(expected == actual)


_SHOWN_BITS = 512
_SHOWN_ITEMS = 12
_SHOWN_DEPTH = 4
_BRACKETS: dict[type, str] = {list: "[]", tuple: "()", dict: "{}", set: "{}", frozenset: "{}"}


def shown(value: Any, most: int = 200) -> str:
    """Return a plain value in words of at most ``most`` characters, whatever its size or depth."""
    text = _shown(value, _SHOWN_DEPTH)
    return text if len(text) <= most else text[: most - 1] + "…"


def _shown(value: Any, depth: int) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > _SHOWN_BITS:
        return f"<an integer of {value.bit_length()} bits>"  # Python refuses to write out the longest
    if isinstance(value, str | bytes):
        return repr(value[:_SHOWN_BITS]) + ("…" if len(value) > _SHOWN_BITS else "")
    brackets = _BRACKETS.get(type(value))
    if brackets is None:
        return repr(value)
    if not depth:
        return f"{brackets[0]}…{brackets[1]}"
    first = list(itertools.islice(value, _SHOWN_ITEMS))
    if isinstance(value, dict):
        parts = [f"{_shown(key, depth - 1)}: {_shown(value[key], depth - 1)}" for key in first]
    else:
        parts = [_shown(item, depth - 1) for item in first]
    more = ["…"] if len(value) > _SHOWN_ITEMS else []
    inner = ", ".join(parts + more) + ("," if type(value) is tuple and len(value) == 1 else "")
    if not value and brackets == "{}" and not isinstance(value, dict):
        return f"{type(value).__name__}()"
    return f"{brackets[0]}{inner}{brackets[1]}"
