"""Which records train and which validate: decided by a hash of the module, so it never moves between runs."""

from __future__ import annotations

from typing import Literal

from gatllm.records import sha256

Split = Literal["train", "validation"]
_PASSED_OVER = frozenset({"src", "lib", "site-packages", "tests", "test"})
_VALIDATION_PERCENT = 10


def module_of(origin: str) -> str:
    """Return the unit that is never divided: the source and up to two steps of the path, without ``#function``.

    ``stdlib:json/decoder.py#JSONDecoder.decode`` → ``stdlib:json/decoder``.
    """
    scheme, colon, path = origin.partition("#")[0].rpartition(":")
    parts = path.split("/")
    while len(parts) > 1 and parts[0] in _PASSED_OVER:
        parts.pop(0)
    return f"{scheme}{colon}{'/'.join(parts[:2]).removesuffix('.py')}"


def split_of(key: str) -> Split:
    """Return where a record belongs, from its ``origin`` (or any other stable key): about 10 % validate."""
    bucket = int(sha256(module_of(key).encode("utf-8", "surrogatepass"))[:8], 16) % 100
    return "validation" if bucket < _VALIDATION_PERCENT else "train"
