"""Text to numbers and back: characters, byte-level BPE, the lexical tokenizer of the discriminator."""

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
from gatllm.tokenizers.pretrained import Pretrained
from gatllm.tokenizers.sentencepiece import SentencePiece, train_sentencepiece
from gatllm.tokenizers.streaming import StreamDecoder, stream_decode
from gatllm.tokenizers.tiktoken import load_gpt2, load_tiktoken

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
    "Pretrained",
    "SentencePiece",
    "StreamDecoder",
    "Tokenizer",
    "TokenizerBase",
    "load",
    "load_gpt2",
    "load_tiktoken",
    "loads",
    "stream_decode",
    "train_bpe",
    "train_characters",
    "train_sentencepiece",
]
