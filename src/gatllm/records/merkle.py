"""Merkle trees as in RFC 6962 (certificate transparency), section 2.1.

Leaves and inner nodes are hashed with different prefixes, so that no inner node can be passed off as a leaf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one leaf: SHA-256(0x00 || leaf)."""
    return hashlib.sha256(b"\0" + leaf).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class MerkleBuilder:
    """Computes a root from a stream of leaves in O(log n) memory."""

    def __init__(self) -> None:
        # (height, hash) of the complete subtrees so far, tallest first, like the digits of a binary counter.
        self._peaks: list[tuple[int, bytes]] = []
        self.size = 0

    def add(self, leaf: bytes) -> None:
        """Append one leaf."""
        self.add_hash(leaf_hash(leaf))

    def add_hash(self, hashed: bytes) -> None:
        """Append one leaf that is already hashed with `leaf_hash`."""
        height = 0
        while self._peaks and self._peaks[-1][0] == height:
            hashed = _node_hash(self._peaks.pop()[1], hashed)
            height += 1
        self._peaks.append((height, hashed))
        self.size += 1

    def root(self) -> str:
        """Return the root over all leaves so far, as 64 hexadecimal digits."""
        if not self._peaks:
            return hashlib.sha256(b"").hexdigest()
        hashed = self._peaks[-1][1]
        for _, peak in reversed(self._peaks[:-1]):
            hashed = _node_hash(peak, hashed)
        return hashed.hex()


def merkle_root(leaves: Iterable[bytes]) -> str:
    """Return the Merkle root of ``leaves`` in order, as 64 hexadecimal digits."""
    builder = MerkleBuilder()
    for leaf in leaves:
        builder.add(leaf)
    return builder.root()


def merkle_levels(leaf_hashes: Sequence[bytes]) -> list[list[bytes]]:
    """Return the tree level by level, leaves first; a node without a partner rises as it is, as RFC 6962 has it.

    With the levels at hand an inclusion proof is a look at each: the sibling, where there is one.
    """
    levels = [list(leaf_hashes)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [_node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
        levels.append(pairs + below[2 * len(pairs) :])
    return levels


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> list[str]:
    """Return the audit path of leaf ``index``, from the leaf up (RFC 6962, 2.1.1).

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaf_hashes):
        raise IndexError(f"leaf {index} of {len(leaf_hashes)}")
    path = []
    for level in merkle_levels(leaf_hashes):
        if index ^ 1 < len(level):
            path.append(level[index ^ 1].hex())
        index //= 2
    return path


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[str], root: str) -> bool:
    """Tell whether ``leaf`` is leaf ``index`` of the tree of ``size`` leaves with this ``root``."""
    if not 0 <= index < size:
        return False
    turns: list[bool] = []  # from the root down: is the leaf in the right half?
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        turns.append(index >= middle)
        start, stop = (middle, stop) if index >= middle else (start, middle)
    if len(turns) != len(path):
        return False
    hashed = leaf_hash(leaf)
    try:
        for right, sibling in zip(reversed(turns), path, strict=True):
            other = bytes.fromhex(sibling)
            hashed = _node_hash(other, hashed) if right else _node_hash(hashed, other)
    except (ValueError, TypeError):  # not hexadecimal: a forged path, not a crash
        return False
    return hashed.hex() == root
