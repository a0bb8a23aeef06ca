"""What is wrong with a request, in OpenAI's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Found = Mapping[str, Any]
Said = tuple[str, str]  # message and code
_KINDS = {
    "string": "a string", "int": "an integer", "float": "a number", "bool": "a boolean", "list": "an array",
    "dict": "an object", "model": "an object",
}  # fmt: skip


def in_words(found: Found) -> tuple[str, str | None, str]:
    """Return message, parameter and code for one error that pydantic found."""
    # Of a union the last parts of the place name its branches ("str", "list[str]"): they are nothing a client wrote.
    place = [str(part) for part in found["loc"] if part not in ("body", "query", "path")]
    name = ".".join(part for part in place if not _is_branch(part)) or None
    kind = str(found["type"])
    say = next((say for start, say in _SAY.items() if kind.startswith(start)), _otherwise)
    if kind.endswith("_type"):
        say = _type
    message, code = say(found, name or "the body")
    return message, None if kind == "json_invalid" else name, code


def _is_branch(part: str) -> bool:
    return part in ("str", "constrained-str") or "[" in part or part.startswith(("function-", "constrained"))


def _type(found: Found, name: str) -> Said:
    wanted = str(found["type"]).split("_")[0]
    return f"Invalid type for '{name}': expected {_KINDS.get(wanted, wanted)}.", "invalid_type"


def _too_small(found: Found, name: str) -> Said:
    return _beyond(found, name, "below minimum", ">=", found["ctx"].get("ge", found["ctx"].get("gt")))


def _too_large(found: Found, name: str) -> Said:
    return _beyond(found, name, "above maximum", "<=", found["ctx"].get("le", found["ctx"].get("lt")))


def _beyond(found: Found, name: str, side: str, sign: str, limit: Any) -> Said:
    message = f"Invalid '{name}': {side} value. Expected a value {sign} {limit}, but got {found.get('input')} instead."
    return message, f"{side.replace(' ', '_')}_value"


def _value(found: Found, name: str) -> Said:
    words = str(found["msg"]).removeprefix("Value error, ")
    if "not supported" in words:
        start = "Invalid parameter: " if words.startswith("of type") else ""
        return f"{start}'{name}' {words}", "unsupported_parameter"
    return (words if "'" in words else f"Invalid '{name}': {words}."), "invalid_value"


def _otherwise(found: Found, name: str) -> Said:
    return f"Invalid '{name}': {found['msg']}.", "invalid_value"


_SAY: dict[str, Callable[[Found, str], Said]] = {
    "json_invalid": lambda *_: ("We could not parse the JSON body of your request.", "invalid_json"),
    "missing": lambda _, name: (f"Missing required parameter: '{name}'.", "missing_required_parameter"),
    "extra_forbidden": lambda _, name: (f"Unrecognized request argument supplied: {name}", "unknown_parameter"),
    "literal_error": lambda found, name: (
        f"Invalid value for '{name}'. Supported values are: {found['ctx']['expected']}.",
        "invalid_value",
    ),
    "greater_than": _too_small,
    "less_than": _too_large,
    "value_error": _value,
}
