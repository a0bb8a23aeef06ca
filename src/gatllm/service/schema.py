"""What every body of a request has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


def _whole(value: Any) -> bool:
    """Tell whether all text in a JSON value is made of whole characters."""
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value) if not value.isascii() else True
    if isinstance(value, dict):
        return all(_whole(key) and _whole(one) for key, one in value.items())
    return all(_whole(one) for one in value) if isinstance(value, list) else True


class Body(BaseModel):
    """A JSON body. What is not listed is refused, never ignored; so is a value of another type (``"1"`` for 1), and
    half a character (a lone surrogate).

    JSON can say ``"\\ud800"``, UTF-8 can't: it would fail later, wherever the text is first hashed, kept or sent.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _of_whole_characters(cls, value: Any) -> Any:
        if not _whole(value):
            raise ValueError("the text holds half a character (a lone surrogate)")
        return value
