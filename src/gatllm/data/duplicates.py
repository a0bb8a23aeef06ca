"""Exact and near duplicates: SHA-256, and MinHash with locality-sensitive hashing (Broder 1997) by datasketch."""

from __future__ import annotations

import zlib
from typing import Any

from gatllm.errors import GatllmError
from gatllm.records import sha256

_PERMUTATIONS = 64
_FEWEST_LINES = 5  # shorter texts are alike too easily


class Duplicates:
    """Remembers texts and tells which one a new text repeats.

    Args:
        threshold: share of common lines (Jaccard, of distinct stripped lines that hold a letter or digit) from which
            texts count as near duplicates; 0 looks for exact ones only.
    """

    def __init__(self, threshold: float = 0.9) -> None:
        self.threshold = threshold
        self._exact: dict[str, str] = {}
        self._index: Any = None
        if threshold:
            try:
                from datasketch import MinHashLSH
            except ImportError:
                raise GatllmError("finding near duplicates needs datasketch", "pip install datasketch") from None
            self._index = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS)
            self._origins: list[str] = []

    def add(self, text: str, origin: str) -> tuple[str, str] | None:
        """Remember ``text``; when it repeats an earlier one, return (rule, origin of that one) instead."""
        hashed = sha256(text.encode("utf-8", "surrogatepass"))
        if hashed in self._exact:
            return "duplicate", self._exact[hashed]
        sketch = self._sketch(text)
        if sketch is not None:
            close = [int(key) for key in self._index.query(sketch)]
            if close:
                return "near-duplicate", self._origins[min(close)]
            self._index.insert(str(len(self._origins)), sketch)
            self._origins.append(origin)
        self._exact[hashed] = origin
        return None

    def _sketch(self, text: str) -> Any:
        if self._index is None:
            return None
        lines = {line.strip() for line in text.splitlines()}
        hashes = [zlib.crc32(line.encode("utf-8", "surrogatepass")) for line in lines if any(map(str.isalnum, line))]
        if len(hashes) < _FEWEST_LINES:
            return None
        from datasketch import MinHash

        sketch = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=int)
        sketch.update_batch(sorted(hashes))
        return sketch
