"""Text to numbers and back: characters, byte-level BPE, the lexical tokeniser of the discriminator."""

from gatllm.tokenizers.base import (
    END,
    IM_END,
    IM_SEP,
    IM_START,
    PAD,
    SPECIAL_TOKENS,
    Message,
    Tokenizer,
    TokenizerBase,
)
from gatllm.tokenizers.bpe import BytePair, train_bpe
from gatllm.tokenizers.characters import Characters, train_characters
from gatllm.tokenizers.loading import load, loads

__all__ = [
    "END",
    "IM_END",
    "IM_SEP",
    "IM_START",
    "PAD",
    "SPECIAL_TOKENS",
    "BytePair",
    "Characters",
    "Message",
    "Tokenizer",
    "TokenizerBase",
    "load",
    "loads",
    "train_bpe",
    "train_characters",
]
