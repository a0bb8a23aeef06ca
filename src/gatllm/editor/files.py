"""Files as Python reads them, written back as they were: encoding, line breaks, mode, links."""

from __future__ import annotations

import io
import os
import sys
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gatllm.errors import GatllmError, UsageError


@dataclass(frozen=True)
class PythonFile:
    """A file's name ("<stdin>" for standard input), its text, and how that is encoded (PEP 263)."""

    name: str
    text: str
    encoding: str = "utf-8"

    @property
    def on_disk(self) -> bool:
        """Whether a file of this name holds this text in UTF-8."""
        return self.name != "<stdin>" and self.encoding in ("utf-8", "utf-8-sig")

    def write(self, text: str) -> None:
        """Write another text in its place: same encoding, byte-order mark, line breaks and mode; through a link.

        A file that has other names, or another owner, keeps them: it is written in place, and put back as it was where
        that fails.

        Raises:
            GatllmError: it is read-only, its encoding has no such characters, or the disk refuses.
        """
        from gatllm.records import write_file

        target = Path(self.name).resolve()
        status = target.stat()
        if not status.st_mode & 0o222 or not os.access(target, os.W_OK):
            raise GatllmError(f"{self.name} is read-only", "chmod u+w, or leave out --write")
        if status.st_nlink > 1 or (hasattr(os, "geteuid") and status.st_uid != os.geteuid()):
            _write_in_place(target, self.encoded(text))
        else:
            write_file(target, self.encoded(text))

    def encoded(self, text: str) -> bytes:
        """Return another text as the bytes that this file would hold.

        Raises:
            GatllmError: its encoding has no such characters.
        """
        try:
            return text.encode(self.encoding)
        except UnicodeEncodeError as error:
            raise GatllmError(f"{self.name}: {error.object[error.start]!r} is not in {self.encoding}", "") from None


def _write_in_place(target: Path, data: bytes) -> None:
    """Overwrite a file without making a new one; as a full disk shows only on the way, it is tried beside it first.

    Raises:
        GatllmError: the disk refuses; the file is as it was.
    """
    before = target.read_bytes()
    copy = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        try:
            with copy.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        finally:
            copy.unlink(missing_ok=True)
        with target.open("r+b") as file:
            try:
                _overwrite(file, data)
            except OSError:
                _overwrite(file, before)
                raise
    except OSError as error:
        raise GatllmError(f"can't write {target}: {error.strerror or error}", "the file is as it was") from None


def _overwrite(file: BinaryIO, data: bytes) -> None:
    file.seek(0)
    file.write(data)
    file.truncate()
    file.flush()
    os.fsync(file.fileno())


def read_file(name: str) -> PythonFile:
    """Read a file, or standard input for ``-``, in the encoding it declares.

    Raises:
        GatllmError: it can't be read, is binary, or is not in its encoding.
    """
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except IsADirectoryError:
        raise UsageError(f"{name} is a folder", "name files in it, or use --all") from None
    except OSError as error:
        raise GatllmError(f"can't read {name}: {error.strerror or error}", "name a Python file") from None
    if b"\0" in data:
        raise GatllmError(f"{name} is binary", "name a Python file")
    try:
        encoding = _encoding(data)
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise GatllmError(
            f"{name} is not {error.encoding.upper()} (byte {error.start})",
            "convert it, or declare its encoding (PEP 263)",
        ) from None
    except (SyntaxError, LookupError) as error:  # an unknown encoding, or one that contradicts the byte-order mark
        raise GatllmError(f"{name}: {error}", "convert it, or declare its encoding (PEP 263)") from None
    return PythonFile("<stdin>" if name == "-" else name, text, encoding)


def _encoding(data: bytes) -> str:
    """The encoding that a file declares (PEP 263), UTF-8 where it declares none."""
    try:
        return tokenize.detect_encoding(io.BytesIO(data).readline)[0]
    except SyntaxError as error:
        if "missing" not in str(error):
            raise
        return "utf-8"  # it declares none and is something else: decoding says where
