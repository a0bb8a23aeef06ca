"""Content identifiers of files and folders, equal to those of kubo and helia with the profile ``unixfs-v1-2025``.

CIDv1, SHA-256, raw leaves of 1 MiB, balanced dag-pb trees of at most 1,024 links, folders sorted by name. Another
profile gives the same bytes another identifier: the profile is recorded beside each one (IPIP-499).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gatllm.errors import GatllmError, UsageError

RAW = 0x55
DAG_PB = 0x70
# Beyond this many bytes of names and identifiers the profile shards folders (HAMT), which we don't write.
FOLDER_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Profile:
    """How bytes are cut into blocks: bytes a leaf, links a node."""

    name: str
    leaf: int
    links: int


PROFILE = Profile("unixfs-v1-2025", 1 << 20, 1024)
# What `ipfs add --cid-version=1` made before the profiles had names; for comparison with older tools only.
OLD_PROFILE = Profile("unixfs-v1-2020", 256 << 10, 174)


@dataclass(frozen=True, slots=True)
class Cid:
    """A CIDv1 over SHA-256: the codec of the root block (`RAW` or `DAG_PB`) and its digest."""

    codec: int
    digest: bytes

    @classmethod
    def of(cls, codec: int, data: bytes) -> Self:
        """Return the identifier of one block."""
        return cls(codec, hashlib.sha256(data).digest())

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read the binary form.

        Raises:
            UsageError: it is not a CIDv1 over SHA-256 of a raw or dag-pb block.
        """
        if len(raw) != 36 or raw[0] != 1 or raw[1] not in (RAW, DAG_PB) or raw[2:4] != b"\x12\x20":
            raise UsageError("not a CIDv1 over SHA-256", "add the content again with CID version 1")
        return cls(raw[1], raw[4:])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``b…`` (base32) or ``ipfs://b…``.

        Raises:
            UsageError: it is no such identifier.
        """
        text = text.removeprefix("ipfs://").rstrip("/")
        try:
            if not text.startswith("b") or text != text.lower():
                raise ValueError
            raw = base64.b32decode(text[1:].upper() + "=" * (-len(text[1:]) % 8))
        except ValueError:
            raise UsageError(f"{text[:70]!r} is not a CIDv1", "it starts with b and has 59 characters") from None
        found = cls.from_bytes(raw)
        if str(found) != text:  # base32 leaves spare bits: one identifier has one spelling
            raise UsageError(f"{text[:70]!r} is not the canonical form of a CID")
        return found

    def __bytes__(self) -> bytes:
        return bytes((1, self.codec, 0x12, 0x20)) + self.digest

    def __str__(self) -> str:
        return "b" + base64.b32encode(bytes(self)).decode().rstrip("=").lower()

    @property
    def uri(self) -> str:
        """The ``ipfs://`` address."""
        return f"ipfs://{self}"


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of content with its identifier."""

    cid: Cid
    data: bytes


Sink = Callable[[Block], None]


@dataclass(frozen=True, slots=True)
class _Node:
    cid: Cid
    size: int  # bytes of file content below
    total: int  # bytes of all blocks below and this one


def varint(value: int) -> bytes:
    """Return an unsigned LEB128 number."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, data: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + varint(len(data)) + data


def _link(node: _Node, name: str) -> bytes:
    return _field(2, _field(1, bytes(node.cid)) + _field(2, name.encode()) + b"\x18" + varint(node.total))


def _leaf(data: bytes, sink: Sink) -> _Node:
    block = Block(Cid.of(RAW, data), data)
    sink(block)
    return _Node(block.cid, len(data), len(data))


def _pb_node(links: bytes, unixfs: bytes, size: int, below: int, sink: Sink) -> _Node:
    # dag-pb writes links before data, against the order of the field numbers.
    data = links + _field(1, unixfs)
    block = Block(Cid.of(DAG_PB, data), data)
    sink(block)
    return _Node(block.cid, size, below + len(data))


def _parent(children: list[_Node], sink: Sink) -> _Node:
    size = sum(child.size for child in children)
    unixfs = b"\x08\x02\x18" + varint(size) + b"".join(b"\x20" + varint(child.size) for child in children)
    links = b"".join(_link(child, "") for child in children)
    return _pb_node(links, unixfs, size, sum(child.total for child in children), sink)


def _file(path: Path, sink: Sink, profile: Profile) -> _Node:
    # One open list of siblings per height: memory stays at a node's links a level however long the file is.
    levels: list[list[_Node]] = [[]]

    def push(height: int, node: _Node) -> None:
        if height == len(levels):
            levels.append([])
        if len(levels[height]) == profile.links:
            full, levels[height] = levels[height], []
            push(height + 1, _parent(full, sink))
        levels[height].append(node)

    with path.open("rb") as file:
        first = file.read(profile.leaf)
        push(0, _leaf(first, sink))
        while data := file.read(profile.leaf):
            push(0, _leaf(data, sink))
    height = 0
    while height < len(levels) - 1 or len(levels[height]) > 1:
        done, levels[height] = levels[height], []
        push(height + 1, _parent(done, sink))
        height += 1
    return levels[height][0]


def _folder(path: Path, sink: Sink, profile: Profile) -> _Node:
    children: list[tuple[str, _Node]] = []
    for entry in sorted(path.iterdir(), key=lambda item: item.name.encode()):
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise GatllmError(f"{entry} is a link or no plain file", "content is plain files and folders only")
        children.append((entry.name, _add(entry, sink, profile)))
    if sum(len(name.encode()) + 36 for name, _ in children) > FOLDER_LIMIT:
        raise GatllmError(f"{path} has too many entries for one folder", "divide it into subfolders")
    links = b"".join(_link(node, name) for name, node in children)
    below = sum(node.total for _, node in children)
    return _pb_node(links, b"\x08\x01", sum(node.size for _, node in children), below, sink)


def _add(path: Path, sink: Sink, profile: Profile) -> _Node:
    return _folder(path, sink, profile) if path.is_dir() else _file(path, sink, profile)


def add(path: Path, sink: Sink = lambda _: None, profile: Profile = PROFILE) -> Cid:
    """Return the identifier of a file or folder; ``sink`` gets every block, children before parents.

    Raises:
        GatllmError: it can't be read, holds a link, or a folder has too many entries.
    """
    try:
        return _add(path, sink, profile).cid
    except OSError as error:
        raise GatllmError(f"can't read {error.filename or path}: {error.strerror}", "check the path") from None
