"""Questions, answers and conversations of any source, in one form: turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatllm.data.dataset import Dataset
from gatllm.data.manifest import FILE_NAME
from gatllm.data.sources import SourceFile, open_source
from gatllm.errors import GatllmError
from gatllm.records import digest, file_sha256
from gatllm.tokenizers import Message


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation; a question with its answer has two turns. ``key`` is stable: a split goes by it."""

    key: str
    messages: tuple[Message, ...]


def read_examples(source: str | Path) -> tuple[list[Example], str]:
    """Return the conversations of a dataset folder or of any table of `open_source`, and the hash that commits to them.

    Raises:
        UsageError: there is no such source.
        GatllmError: something in it has no answer to learn.
    """
    if (Path(source) / FILE_NAME).is_file():
        dataset = Dataset.open(source)
        found = [_of_record(record, str(source)) for record in dataset.records()]
        return found, dataset.manifest.merkle_root
    found = [example for item in open_source(str(source)) for example in _of_item(item, str(source))]
    if not found:
        raise GatllmError(f"{source} holds no questions and answers", "see `gatllm data check`")
    if Path(source).is_file():
        return found, file_sha256(Path(source))  # what `gatllm proof verify --dataset` computes of it
    return found, digest([[example.key, [dict(turn) for turn in example.messages]] for example in found])


def _of_record(record: dict[str, Any], where: str) -> Example:
    if "messages" in record:
        turns = tuple(Message(role=turn["role"], content=turn["content"]) for turn in record["messages"])
        return Example(record["origin"], turns)
    if not record.get("prompt"):
        raise _no_answer(where)
    return Example(record["origin"], _turns(record["prompt"], record["text"]))


def _of_item(item: SourceFile, where: str) -> Iterator[Example]:
    if item.problem is not None:
        return
    if item.content == "conversation":
        yield Example(item.origin, tuple(Message(role=role, content=content) for role, content in item.messages))
    elif item.content == "pair":
        answer = item.read().decode("utf-8", "replace")
        if item.prompt.strip() and answer.strip():
            yield Example(item.origin, _turns(item.prompt, answer))
    else:
        raise _no_answer(where)


def _turns(question: str, answer: str) -> tuple[Message, ...]:
    return Message(role="user", content=question), Message(role="assistant", content=answer)


def _no_answer(where: str) -> GatllmError:
    return GatllmError(f"{where} holds text without answers", 'set objective = "causal", which learns plain text')
