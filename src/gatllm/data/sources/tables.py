"""Datasets that people already have: text, JSON, JSONL, Parquet and 🤗 data sets of questions and answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatllm.data.sources import licences
from gatllm.data.sources.item import SourceFile
from gatllm.errors import GatllmError, UsageError

END = "<end>"
_QUESTIONS = ("prompt", "question", "instruction", "input", "query", "source", "docstring", "problem", "sentence")
_ANSWERS = ("response", "answer", "output", "completion", "target", "solution", "reply", "code")
_TEXTS = ("text", "content", "code", "body")
_CONVERSATIONS = ("messages", "conversation", "conversations")
_ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant"}
_PIECE = 256 << 10
_MAX_JSON = 512 << 20


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns or keys hold question and answer; '' where they are to be found by name."""

    question: str = ""
    answer: str = ""


def text_file(path: Path, licence: str) -> Iterator[SourceFile]:
    """Yield a text file in pieces of up to half a megabyte, cut between lines; joined they are the file."""
    number = 0
    rest = b""
    with path.open("rb") as file:
        while block := file.read(_PIECE):
            block = rest + block
            cut = block.rfind(b"\n") + 1 or _whole_characters(block)
            if cut:
                yield SourceFile(f"{path.name}:{number}", licence, data=block[:cut], content="text", language="")
                number += 1
            rest = block[cut:]
    if rest or not number:
        yield SourceFile(f"{path.name}:{number}", licence, data=rest, content="text", language="")


def _whole_characters(block: bytes) -> int:
    """Return how many bytes of ``block`` are whole UTF-8 characters."""
    end = len(block)
    while end and len(block) - end < 4 and block[end - 1] & 0xC0 == 0x80:
        end -= 1
    return end - 1 if end and block[end - 1] >= 0xC0 else len(block)


def json_file(path: Path, licence: str, columns: Columns) -> Iterator[SourceFile]:
    """Yield the pairs of ``{"question": "answer"}``, of ``{"training_data": [{"input", "output"}]}`` or of a list.

    Raises:
        GatllmError: it is no JSON, or has another shape; the message says where.
    """
    if path.stat().st_size > _MAX_JSON:
        raise GatllmError(f"{path} is larger than {_MAX_JSON >> 20} MB", "write it as JSONL, one object a line")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise GatllmError(f"{path} is not JSON: {error}", "correct it there") from None
    if isinstance(value, dict) and isinstance(value.get("training_data"), list):
        value = value["training_data"]
    if isinstance(value, dict):
        for number, (question, answer) in enumerate(value.items()):
            if not isinstance(answer, str):
                raise _shape(path, f"the entry {question[:40]!r}", answer)
            yield _pair(f"{path.name}:{number}", licence, question, answer)
    elif isinstance(value, list):
        for number, row in enumerate(value):
            yield _row(row, f"{path.name}:{number}", licence, columns, f"{path} entry {number}")
    else:
        raise _shape(path, "the file", value)


def _shape(path: Path, where: str, value: object) -> GatllmError:
    return GatllmError(
        f"{path}: {where} is {type(value).__name__}, not text",
        'expected {"question": "answer"}, {"training_data": [{"input", "output"}]} or a list of objects',
    )


def jsonl_file(path: Path, licence: str, columns: Columns) -> Iterator[SourceFile]:
    """Yield each line of a JSONL file; a line that is no object of a known shape becomes a rejected item."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            origin = f"{path.name}:{number}"
            try:
                row = json.loads(line)
                yield _row(row, origin, licence, columns, f"{path} line {number}")
            except (ValueError, RecursionError) as error:
                yield SourceFile(origin, licence, content="text", problem=("json", str(error)))
            except UsageError as error:
                yield SourceFile(origin, licence, content="text", problem=("shape", error.cause))


def parquet_file(path: Path, licence: str, columns: Columns) -> Iterator[SourceFile]:
    """Yield the rows of a Parquet table, a group at a time.

    Raises:
        GatllmError: it is damaged, or pyarrow is missing.
        UsageError: no columns of questions and answers were found or named.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise GatllmError("Parquet needs pyarrow", "pip install gatllm[parquet]") from None
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            wanted = _wanted(names, columns, str(path))
            number = 0
            for batch in file.iter_batches(batch_size=1024, columns=wanted):
                for row in batch.to_pylist():
                    yield _row(row, f"{path.name}:{number}", licence, columns, f"{path} row {number}")
                    number += 1
    except (arrow.ArrowException, OSError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise GatllmError(f"can't read {path}: {first}", "fetch it again, or check that it is Parquet") from None


def hugging_face(name: str, columns: Columns) -> Iterator[SourceFile]:
    """Yield the rows of a 🤗 data set, ``NAME`` or ``NAME@SPLIT`` (a hub id or a local folder), streamed.

    Raises:
        GatllmError: the ``datasets`` package is missing or the data set can't be had.
        UsageError: no columns of questions and answers were found or named.
    """
    try:
        import datasets
    except ImportError:
        raise GatllmError("data sets of the hub need the datasets package", "pip install gatllm[hf]") from None
    place, _, split = name.partition("@")
    try:
        rows = datasets.load_dataset(place, split=split or "train", streaming=True)
        licence = str(getattr(rows.info, "license", "") or licences.UNKNOWN)
        first = True
        for number, row in enumerate(rows):
            if first:
                _wanted(list(row), columns, f"hf:{name}")
                first = False
            yield _row(row, f"hf:{place}:{number}", licence, columns, f"row {number}")
    except GatllmError:
        raise
    except Exception as error:  # the library raises many kinds, of network, file and format
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise GatllmError(f"can't load hf:{name}: {first_line}", "check the name, the split and the network") from None


def _wanted(names: list[str], columns: Columns, where: str) -> list[str]:
    """Return the columns to read."""
    for named in (columns.question, columns.answer):
        if named and named not in names:
            raise UsageError(f"{where} has no column {named}", f"it has {', '.join(names)}")
    found = [name for name in names if name.lower() in _CONVERSATIONS][:1]
    if not found or columns.answer:
        question = columns.question or _first(names, _QUESTIONS)
        answer = columns.answer or _first([name for name in names if name != question], _ANSWERS)
        found = [question, answer] if question and answer else [_first(names, _TEXTS)]
    if not any(found):
        raise UsageError(
            f"{where}: no question and answer among {', '.join(names)}",
            "name them with --question-column and --answer-column",
        )
    return [name for name in found if name]


def _first(names: list[str], known: tuple[str, ...]) -> str:
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in known if name in lower), "")


def _row(row: object, origin: str, licence: str, columns: Columns, where: str) -> SourceFile:
    """Return one object of any known shape.

    Raises:
        UsageError: it has none of them.
    """
    if not isinstance(row, Mapping):
        raise UsageError(f"{where} is {type(row).__name__}, not an object", "write one JSON object for each example")
    names = _wanted([str(name) for name in row], columns, where)
    values = [row[name] for name in names]
    licence = str(row.get("licence") or row.get("license") or licence)
    if isinstance(values[0], list):
        return _conversation(values[0], origin, licence, where)
    texts = [value if isinstance(value, str) else "" if value is None else json.dumps(value) for value in values]
    if len(texts) == 2:
        return _pair(origin, licence, texts[0], texts[1])
    return SourceFile(origin, licence, data=_bytes(texts[0]), content="text", language="")


def _pair(origin: str, licence: str, question: str, answer: str) -> SourceFile:
    # `<end>` is a token, not text: the tokeniser sets it.
    answer = answer.rstrip().removesuffix(END).rstrip()
    return SourceFile(origin, licence, data=_bytes(answer), content="pair", language="", prompt=question)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _conversation(turns: list[Any], origin: str, licence: str, where: str) -> SourceFile:
    messages: list[tuple[str, str]] = []
    for turn in turns:
        if not isinstance(turn, Mapping):
            raise UsageError(f"{where}: a turn is {type(turn).__name__}, not an object", "write role and content")
        role = turn.get("role") or turn.get("from")
        content = turn.get("content") if "content" in turn else turn.get("value")
        if not isinstance(role, str) or not isinstance(content, str):
            raise UsageError(f"{where}: a turn lacks role or content", "write role and content")
        messages.append((_ROLES.get(role, role), content))
    joined = "\n".join(content for _, content in messages)
    return SourceFile(
        origin, licence, data=_bytes(joined), content="conversation", language="", messages=tuple(messages)
    )
