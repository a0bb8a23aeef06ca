"""Datasets that people already have: text; questions and answers in JSON, CSV, Parquet, 🤗 data sets, Python values."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatllm.data.sources import licences
from gatllm.data.sources.item import SourceFile
from gatllm.errors import GatllmError, UsageError

END = "<end>"
_QUESTIONS = ("prompt", "question", "instruction", "input", "query", "source", "docstring", "problem", "sentence")
_ANSWERS = (
    *("response", "answer", "output", "completion", "target", "solution", "reply", "code"),
    *("answers", "selection", "selections", "label"),
)
_CONTEXTS = ("context", "passage")  # what a question is about: read before it
_OPTIONS = ("options", "choices")  # what an answer is chosen from: read after the question
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


@dataclass(frozen=True, slots=True)
class Rows:
    """Questions and answers that lie in memory; ``name`` stands for the place they come from.

    ``value`` is ``{"question": "answer"}``, ``{"training_data": [{"input", "output"}]}``, a list of pairs or of
    objects, or a table with columns, such as a pandas DataFrame.
    """

    value: object
    name: str = "rows"

    def items(self, columns: Columns) -> Iterator[SourceFile]:
        """Yield them.

        Raises:
            GatllmError: they have another shape; the message names the entry.
        """
        value = self.value
        if hasattr(value, "columns") and hasattr(value, "to_dict"):
            value = value.to_dict("records")
        return _value_items(value, self.name, licences.UNKNOWN, columns, self.name)


def json_file(path: Path, licence: str, columns: Columns) -> Iterator[SourceFile]:
    """Yield the pairs of ``{"question": "answer"}``, of ``{"training_data": [{"input", "output"}]}`` or of a list.

    Raises:
        GatllmError: it is not JSON, or has another shape; the message says where.
    """
    if path.stat().st_size > _MAX_JSON:
        raise GatllmError(f"{path} is larger than {_MAX_JSON >> 20} MB", "write it as JSONL, one object a line")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":  # one object a line, by another name
            yield from jsonl_file(path, licence, columns)
            return
        raise GatllmError(f"{path} is not JSON: {error}", "correct it there") from None
    yield from _value_items(value, path.name, licence, columns, str(path))


def _value_items(value: object, name: str, licence: str, columns: Columns, where: str) -> Iterator[SourceFile]:
    if isinstance(value, Mapping) and isinstance(value.get("training_data"), list):
        value = value["training_data"]
    if isinstance(value, Mapping):
        for number, (question, answer) in enumerate(value.items()):
            if isinstance(answer, Mapping | list):
                raise _shape(where, f"the entry {str(question)[:40]!r}", answer)
            yield _pair(f"{name}:{number}", licence, str(question), _text(answer))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for number, row in enumerate(value):
            yield _row(row, f"{name}:{number}", licence, columns, f"{where} entry {number}")
    else:
        raise _shape(where, "it", value)


def _shape(where: str, what: str, value: object) -> UsageError:
    return UsageError(
        f"{where}: {what} is {type(value).__name__}, not text",
        'expected {"question": "answer"}, {"training_data": [{"input", "output"}]}, a list of pairs or of objects',
    )


def jsonl_file(path: Path, licence: str, columns: Columns) -> Iterator[SourceFile]:
    """Yield each line of a JSONL file; a line that is not an object of a known shape becomes a rejected item."""
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


def csv_file(path: Path, licence: str, columns: Columns) -> Iterator[SourceFile]:
    """Yield the rows of a CSV file (or TSV, by its name) whose first line names the columns.

    Raises:
        GatllmError: it is not UTF-8 or has a damaged row.
        UsageError: no columns of questions and answers were found or named.
    """
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for number, row in enumerate(csv.DictReader(lines, delimiter=delimiter)):
                row.pop(None, None)  # cells beyond the named columns
                yield _row(row, f"{path.name}:{number}", licence, columns, f"{path} row {number}")
    except (UnicodeDecodeError, csv.Error) as error:
        raise GatllmError(f"can't read {path}: {error}", "save it as CSV in UTF-8") from None


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
        around = [_first(names, _CONTEXTS), _first(names, _OPTIONS)]
        found = [question, answer, *around] if question and answer else [_first(names, _TEXTS)]
    if not any(found):
        raise UsageError(
            f"{where}: no question and answer among {', '.join(names)}",
            "call the columns question and answer, or name them: gatllm data build … --question-column --answer-column",
        )
    return list(dict.fromkeys(name for name in found if name))


def _first(names: list[str], known: tuple[str, ...]) -> str:
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in known if name in lower), "")


def _row(row: object, origin: str, licence: str, columns: Columns, where: str) -> SourceFile:
    """Return one object of any known shape.

    Raises:
        UsageError: it has none of them.
    """
    if isinstance(row, Sequence) and not isinstance(row, str | bytes) and len(row) == 2:
        return _pair(origin, licence, _text(row[0]), _text(row[1]))
    if not isinstance(row, Mapping):
        raise UsageError(f"{where} is {type(row).__name__}, not an object", "write one JSON object for each example")
    names = _wanted([str(name) for name in row], columns, where)
    values = [row[name] for name in names]
    licence = str(row.get("licence") or row.get("license") or licence)
    if isinstance(values[0], list):
        return _conversation(values[0], origin, licence, where)
    if len(values) == 1:
        return SourceFile(origin, licence, data=_bytes(_text(values[0])), content="text", language="")
    beside = dict(zip((name.lower() for name in names[2:]), values[2:], strict=True))
    options = next((_listed(beside[name]) for name in _OPTIONS if name in beside), [])
    parts = [_text(beside[name]) for name in _CONTEXTS if name in beside]
    question = "\n".join(part for part in [*parts, _text(values[0]), *map(_text, options)] if part)
    return _pair(origin, licence, question, _answer(values[1], options))


def _answer(value: object, options: Sequence[object]) -> str:
    """Return an answer as text: as it is, the first of several, or the option that a number or letter chooses."""
    if isinstance(value, Mapping) and isinstance(value.get("text"), Sequence):  # SQuAD: {"text": [...], "answer_start"}
        value = value["text"]
    if isinstance(value, list | tuple):
        return _answer(value[0], options) if value else ""
    if options and isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(options):
        return _text(options[value])
    if options and isinstance(value, str) and len(value) == 1 and value not in map(_text, options):
        place = ord(value.upper()) - ord("A")
        return _text(options[place]) if 0 <= place < len(options) else value
    return _text(value)


def _listed(value: object) -> list[object]:
    """Return options as a list; some tables keep them as ``{"text": [...], "label": [...]}``."""
    if isinstance(value, Mapping):
        value = value.get("text") or list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def _text(value: object) -> str:
    """Return a cell as text; '' where there is none (None, or the NaN of tables)."""
    if value is None or value != value:  # noqa: PLR0124  # NaN alone differs from itself
        return ""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _pair(origin: str, licence: str, question: str, answer: str) -> SourceFile:
    # `<end>` is a token, not text: the tokenizer sets it.
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
