"""Tokenizers that others made: any 🤗 ``tokenizer.json``, WordPiece, Unigram or BPE, byte-level or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gatllm.errors import GatllmError
from gatllm.tokenizers.base import END, IM_END, IM_SEP, IM_START, PAD, TokenizerBase

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Engine

# Other names for our special tokens, best first.
_OTHER_NAMES = {
    PAD: ("<pad>", "[PAD]", "<|endoftext|>", "</s>", "<unk>", "[UNK]"),
    END: ("<|endoftext|>", "<|im_end|>", "</s>", "[SEP]", "<eos>", "<|end_of_text|>", "<|eot_id|>"),
    IM_START: ("<|im_start|>",),
    IM_SEP: ("<|im_sep|>",),
    IM_END: ("<|im_end|>",),
}


class Pretrained(TokenizerBase):
    """A tokenizer as it is; our special tokens stand for its own where it has some that mean the same.

    What it can't represent (a lone surrogate, for most of them) it replaces: only byte-level ones are lossless.
    """

    kind = "pretrained"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        engine.encode_special_tokens = True
        engine.no_padding()
        engine.no_truncation()
        vocabulary = engine.get_vocab(with_added_tokens=True)
        self.size = max(vocabulary.values()) + 1
        self.specials = {}
        for token, others in _OTHER_NAMES.items():
            if found := next((name for name in (token, *others) if name in vocabulary), None):
                self.specials[token] = vocabulary[found]

    @classmethod
    def from_json(cls, text: str) -> Pretrained:
        """Load from the content of a ``tokenizer.json``.

        Raises:
            GatllmError: ``text`` is not such a file.
        """
        from tokenizers import Tokenizer as Engine

        try:
            return cls(Engine.from_str(text))
        except Exception as error:  # the engine raises bare Exception
            raise GatllmError(f"not a tokenizer.json: {error}", "name a file that 🤗 tokenizers wrote") from None

    def encode(self, text: str) -> list[int]:
        """Return the ids of ``text``; a lone surrogate is read as U+FFFD."""
        whole = text.encode("utf-8", "replace").decode() if not text.isascii() else text
        return list(self._engine.encode(whole, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ``ids``, without special tokens."""
        return str(self._engine.decode(list(ids), skip_special_tokens=True))

    def to_json(self) -> str:
        """Return the content of ``tokenizer.json``."""
        return self._engine.to_str()
