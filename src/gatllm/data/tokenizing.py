"""A dataset and a tokenizer become token files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from gatllm.data.conversations import render
from gatllm.data.dataset import Dataset
from gatllm.data.shards import SHARD_TOKENS, Shards, ShardWriter
from gatllm.data.split import Split, split_of
from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report, silent
from gatllm.records import new_folder
from gatllm.tokenizers import Tokenizer, TokenizerBase


def tokenize(
    dataset: Dataset | Path | str,
    tokenizer: TokenizerBase,
    out: Path | str,
    *,
    split: Split | None = None,
    shard_tokens: int = SHARD_TOKENS,
    replace: bool = False,
    report: Report = silent,
) -> Shards:
    """Write the token files of a dataset, one document a record.

    A text ends with ``<end>``. Of a pair, ``prompt <|im_sep|> text <end>``, only the text and its end are learnt; of
    a conversation, what the assistant says. Token files of such datasets carry a mask.

    Args:
        dataset: a positive or conversation dataset.
        tokenizer: one with the special tokens.
        out: the folder; it appears whole or not at all.
        split: only the records that train, or those that validate.
        shard_tokens: tokens of one file, about.
        replace: put it in the place of one that is there.
        report: told after each record.

    Raises:
        GatllmError: the dataset is negative, has nothing of that split, or ``out`` can't be written.
    """
    opened = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    if opened.manifest.kind == "negative":
        raise GatllmError(f"{opened.path} is a negative dataset", "the discriminator's objective reads it as it is")
    masked = any("prompt" in record or "messages" in record for record in opened.records())
    out = Path(out)
    size = cast(Tokenizer, tokenizer).size
    with (
        new_folder(out, replace=replace) as folder,
        ShardWriter(folder, tokenizer.fingerprint(), size, masked=masked, shard_tokens=shard_tokens) as writer,
    ):
        count = 0
        for done, record in enumerate(opened.records(), 1):
            report(Progress("encode", done, len(opened), "records"))
            if split is None or split_of(record["origin"]) == split:
                writer.add(*_document(record, tokenizer))
                count += 1
        if not count:
            raise GatllmError(f"{opened.path} has nothing for {split}", "build a larger dataset")
        writer.finish(opened.manifest.merkle_root)
    return Shards.open(out, tokenizer.fingerprint())


def _document(record: dict[str, Any], tokenizer: TokenizerBase) -> tuple[list[int], list[bool]]:
    if "messages" in record:
        return render(record["messages"], tokenizer)
    answer = [*tokenizer.encode(record["text"]), tokenizer.end_id]
    if not record.get("prompt"):
        return answer, [True] * len(answer)
    question = [*tokenizer.encode(record["prompt"]), tokenizer.special("<|im_sep|>")]
    return question + answer, [False] * len(question) + [True] * len(answer)
