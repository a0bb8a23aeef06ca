"""The tokenizer that a recipe asks for."""

from __future__ import annotations

from collections.abc import Iterable

from gatllm.errors import UsageError
from gatllm.tokenizers import Tokenizer, load, train_bpe, train_characters
from gatllm.training.tables import TokenizerTable


def make_tokenizer(table: TokenizerTable, texts: Iterable[str]) -> Tokenizer:
    """Train the tokenizer of ``table`` on ``texts``, or load the one it names.

    Raises:
        UsageError: this kind can't be trained on text.
        GatllmError: the named file is missing or damaged.
    """
    match table.kind:
        case "characters":
            return train_characters(texts)
        case "bpe":
            return train_bpe(texts, table.size)
        case "file":
            return load(table.path)
        case "lexicon":
            raise UsageError("the lexicon serves the discriminator only", "set tokenizer.kind to bpe or characters")
