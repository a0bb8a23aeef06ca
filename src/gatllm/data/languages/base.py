"""What a language plug-in is, and which there are."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Protocol

from gatllm.errors import UsageError
from gatllm.tokenizers.lexing.strict import Token


class Language(Protocol):
    """A programming language, as far as data needs to know it."""

    @property
    def name(self) -> str:
        """``python``, ``cpp``."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The endings of its files."""
        ...

    @property
    def semantic(self) -> bool:
        """Whether the families of errors against the meaning apply (they are written for Python)."""
        ...

    def lex(self, text: str) -> list[Token]:
        """Return the tokens, which joined give the text."""
        ...

    def parse(self, text: str) -> tuple[object | None, str, int]:
        """Return a syntax tree, or None with the parser's message and 1-based line (0: unknown)."""
        ...

    def same(self, first: object, second: object) -> bool:
        """Tell whether two trees mean the same program."""
        ...


def _python() -> Language:
    from gatllm.data.languages.python import Python

    return Python()


def _cpp() -> Language:
    from gatllm.data.languages.cpp import Cpp

    return Cpp()


_KNOWN: dict[str, tuple[tuple[str, ...], Callable[[], Language]]] = {
    "python": ((".py",), _python),
    "cpp": ((".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".h"), _cpp),
}


def languages() -> list[str]:
    """Return the names of all languages."""
    return list(_KNOWN)


@cache
def language(name: str) -> Language:
    """Return a language by name.

    Raises:
        UsageError: there is no such language.
        GatllmError: its parser is not installed.
    """
    if name not in _KNOWN:
        raise UsageError(f"no language {name}", f"choose from {', '.join(_KNOWN)}")
    return _KNOWN[name][1]()


def suffixes_of(name: str) -> tuple[str, ...]:
    """Return the endings of a language's files, without loading its parser.

    Raises:
        UsageError: there is no such language.
    """
    if name not in _KNOWN:
        raise UsageError(f"no language {name}", f"choose from {', '.join(_KNOWN)}")
    return _KNOWN[name][0]


def language_of(file_name: str) -> str:
    """Return the language that a file name's ending belongs to; python when it tells nothing."""
    for name, (suffixes, _) in _KNOWN.items():
        if file_name.lower().endswith(suffixes):
            return name
    return "python"
