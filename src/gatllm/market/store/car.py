"""CAR files (version 1): content with all its blocks in one file, verified block by block when read.

Whoever imports one gets the root identifier that we computed, whatever the profile of their node.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gatllm.errors import GatllmError, VerificationError
from gatllm.market.store.cid import DAG_PB, PROFILE, RAW, Block, Cid, Profile, add, varint
from gatllm.progress import Progress, Report, silent
from gatllm.records import new_folder

# {"roots": [CID], "version": 1} as DAG-CBOR; a link is tag 42 over a zero byte and the identifier.
_HEADER = bytes.fromhex("a265726f6f747381d82a582500"), b"gversion\x01"
_MAX_BLOCK = 2 << 20
_MAX_DEPTH = 64


def _header(root: bytes) -> bytes:
    body = _HEADER[0] + root + _HEADER[1]
    return varint(len(body)) + body


def write_car(path: Path, target: Path, *, report: Report = silent, profile: Profile = PROFILE) -> Cid:
    """Write a file or folder as a CAR file and return its root.

    Raises:
        GatllmError: it can't be read or written.
    """
    temporary = target.with_name(f".partial-{target.name}-{uuid.uuid4().hex[:8]}")
    written = 0
    seen: set[bytes] = set()  # equal blocks are written once
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(_header(bytes(36)))  # the root is known last and has a fixed length

            def sink(block: Block) -> None:
                nonlocal written
                if block.cid.digest not in seen:
                    seen.add(block.cid.digest)
                    name = bytes(block.cid)
                    file.write(varint(len(name) + len(block.data)) + name + block.data)
                    written += len(block.data)
                    report(Progress("write CAR", written, unit="bytes"))

            root = add(path, sink, profile)
            file.seek(0)
            file.write(_header(bytes(root)))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise GatllmError(f"can't write {target}: {error.strerror}", "check space and permissions") from None
    finally:
        temporary.unlink(missing_ok=True)
    return root


def _read_varint(file: BinaryIO) -> int | None:
    value = shift = 0
    while True:
        byte = file.read(1)
        if not byte:
            if shift:
                raise VerificationError("the CAR file is cut off")
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
        shift += 7
        if shift > 35:
            raise VerificationError("the CAR file is damaged")


class CarFile:
    """A CAR file opened for reading; opening it checks every block against its identifier.

    Raises:
        VerificationError: it is damaged or cut off, or a block is not what its identifier says.
        GatllmError: it can't be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[bytes, tuple[int, int]] = {}
        try:
            with path.open("rb") as file:
                self.root = self._read_root(file)
                while (size := _read_varint(file)) is not None:
                    self._index(file, size)
        except OSError as error:
            raise GatllmError(f"can't read {path}: {error.strerror}", "check the path") from None

    def _read_root(self, file: BinaryIO) -> Cid:
        expected = len(_HEADER[0]) + 36 + len(_HEADER[1])
        body = file.read(expected) if _read_varint(file) == expected else b""
        if not (body.startswith(_HEADER[0]) and body.endswith(_HEADER[1]) and len(body) == expected):
            raise VerificationError(f"{self.path.name} is not a CAR file with one root")
        return Cid.from_bytes(body[len(_HEADER[0]) : -len(_HEADER[1])])

    def _index(self, file: BinaryIO, size: int) -> None:
        if not 36 <= size <= _MAX_BLOCK:
            raise VerificationError(f"{self.path.name} holds a block of {size} bytes")
        cid = Cid.from_bytes(file.read(36))
        place = file.tell()
        data = file.read(size - 36)
        if len(data) != size - 36:
            raise VerificationError(f"{self.path.name} is cut off")
        if hashlib.sha256(data).digest() != cid.digest:
            raise VerificationError(f"a block of {self.path.name} is not what its identifier {cid} says")
        self._places[cid.digest] = (place, size - 36)

    def block(self, cid: Cid) -> bytes:
        """Return one block.

        Raises:
            VerificationError: the file does not hold it.
        """
        try:
            place, size = self._places[cid.digest]
        except KeyError:
            raise VerificationError(f"{self.path.name} lacks the block {cid}", "fetch the content again") from None
        with self.path.open("rb") as file:
            file.seek(place)
            return file.read(size)

    def extract(self, target: Path, cid: Cid | None = None) -> None:
        """Write the content (default: that of the root) as a file or folder; ``target`` appears whole or not at all.

        Raises:
            VerificationError: a block is missing or makes no sense.
            GatllmError: ``target`` is there already or can't be written.
        """
        root = cid or self.root
        # Written inside a temporary folder in both cases, so that a failure leaves nothing.
        holder = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}")
        if target.exists():
            raise GatllmError(f"{target} is already there", "name another place or remove it")
        with new_folder(holder) as folder:
            self._write(root, folder / "content", 0)
        (holder / "content").rename(target)
        holder.rmdir()

    def _write(self, cid: Cid, target: Path, depth: int) -> None:
        if cid.codec == RAW or _kind(self._node(cid)[0]) == 2:
            with target.open("wb") as file:
                for piece in self._pieces(cid, depth):
                    file.write(piece)
            return
        data, links = self._node(cid)
        if _kind(data) != 1:
            raise VerificationError(f"block {cid} is neither a file nor a folder")
        target.mkdir()
        for name, child in links:
            # A name is one step down, never a way out of the folder.
            if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name or depth >= _MAX_DEPTH:
                raise VerificationError(f"folder {cid} holds an entry with the name {name!r}")
            if (target / name).exists():
                raise VerificationError(f"folder {cid} holds {name!r} twice")
            self._write(child, target / name, depth + 1)

    def _pieces(self, cid: Cid, depth: int) -> Iterator[bytes]:
        if cid.codec == RAW:
            yield self.block(cid)
            return
        data, links = self._node(cid)
        if _kind(data) != 2 or depth >= _MAX_DEPTH:
            raise VerificationError(f"block {cid} is not part of a file")
        for _, child in links:
            yield from self._pieces(child, depth + 1)

    def _node(self, cid: Cid) -> tuple[bytes, list[tuple[str, Cid]]]:
        """Return the UnixFS data and the links of a dag-pb block."""
        if cid.codec != DAG_PB:
            raise VerificationError(f"block {cid} is neither a file nor a folder")
        data, links = b"", []
        for number, value in _fields(self.block(cid)):
            if number == 1 and isinstance(value, bytes):
                data = value
            elif number == 2 and isinstance(value, bytes):
                parts = dict(_fields(value))
                hashed, name = parts.get(1), parts.get(2, b"")
                if not isinstance(hashed, bytes) or not isinstance(name, bytes):
                    raise VerificationError(f"block {cid} holds a damaged link")
                links.append((_text(name), Cid.from_bytes(hashed)))
        return data, links


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise VerificationError("a folder holds a name that is not UTF-8") from None


def _kind(unixfs: bytes) -> int:
    value = dict(_fields(unixfs)).get(1)
    return value if isinstance(value, int) else -1


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a protobuf message: numbers and length-delimited bytes, the two wire types in use here."""
    place = 0

    def number() -> int:
        nonlocal place
        value = shift = 0
        while True:
            if place >= len(message) or shift > 63:
                raise VerificationError("a block of the content is damaged")
            byte = message[place]
            place += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while place < len(message):
        key = number()
        if key & 7 == 0:
            yield key >> 3, number()
        elif key & 7 == 2:
            size = number()
            if place + size > len(message):
                raise VerificationError("a block of the content is damaged")
            yield key >> 3, message[place : place + size]
            place += size
        else:
            raise VerificationError("a block of the content is damaged")
