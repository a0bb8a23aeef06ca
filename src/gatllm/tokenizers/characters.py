"""One id per character, with a stated policy for characters that were not in the training text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from gatllm.errors import GatllmError
from gatllm.tokenizers.base import SPECIAL_TOKENS, TokenizerBase

Unknown = Literal["error", "replace"]
_UNKNOWN = "<|unknown|>"
_EVERY_CHARACTER = r"[\s\S]"


class Characters(TokenizerBase):
    """A character tokenizer; on disk a 🤗 ``tokenizer.json`` of a word-level model whose words are characters.

    Raises:
        GatllmError: the vocabulary lacks a special token or gives one id twice.
    """

    kind = "characters"

    def __init__(self, vocabulary: dict[str, int]) -> None:
        if sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise GatllmError("the tokenizer's ids are not 0, 1, 2 …", "use the file as it was written")
        if missing := [token for token in SPECIAL_TOKENS if token not in vocabulary]:
            raise GatllmError(f"the tokenizer lacks {', '.join(missing)}", "use the file as it was written")
        self.specials = {token: vocabulary[token] for token in SPECIAL_TOKENS}
        self.size = len(vocabulary)
        self._vocabulary = vocabulary
        self._ids = {token: index for token, index in vocabulary.items() if len(token) == 1}
        self._unknown = vocabulary.get(_UNKNOWN)
        self._text = [""] * self.size
        for token, index in vocabulary.items():
            self._text[index] = token if len(token) == 1 else "\ufffd" if token == _UNKNOWN else ""

    @property
    def unknown(self) -> Unknown:
        """What happens to a character it has not seen."""
        return "error" if self._unknown is None else "replace"

    @classmethod
    def from_json(cls, text: str) -> Characters:
        """Load from the content of a ``tokenizer.json``."""
        return cls(json.loads(text)["model"]["vocab"])

    def encode(self, text: str) -> list[int]:
        """Return one id per character.

        Raises:
            GatllmError: a character is not in the vocabulary and the policy is ``error``.
        """
        if self._unknown is not None:
            return [self._ids.get(character, self._unknown) for character in text]
        try:
            return [self._ids[character] for character in text]
        except KeyError as error:
            raise GatllmError(
                f"the character {error.args[0]!r} is not in the tokenizer",
                "leave it out, or train on text that has it",
            ) from None

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of many strings."""
        return [self.encode(text) for text in texts]

    def token_bytes(self, index: int) -> bytes:
        """Return the UTF-8 bytes that one id stands for (none for a special token)."""
        return self._text[index].encode("utf-8", "surrogatepass") if 0 <= index < self.size else b""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ``ids``."""
        return "".join(self._text[index] for index in ids if 0 <= index < self.size)

    def open_turn(self, role: str) -> list[int]:
        """Begin a turn; letters of the role that the vocabulary lacks are left out."""
        known = "".join(character for character in role if character in self._ids)
        return super().open_turn(known)

    def to_json(self) -> str:
        """Return the content of ``tokenizer.json``."""
        specials = [*SPECIAL_TOKENS, *([_UNKNOWN] if self._unknown is not None else [])]
        plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        value = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [{"id": self._vocabulary[token], "content": token, **plain} for token in specials],
            "normalizer": None,
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"Regex": _EVERY_CHARACTER},
                "behavior": "Isolated",
                "invert": False,
            },
            "post_processor": None,
            "decoder": {"type": "Fuse"},
            "model": {"type": "WordLevel", "vocab": self._vocabulary, "unk_token": _UNKNOWN},
        }
        return json.dumps(value, indent=1)


def train_characters(texts: Iterable[str], unknown: Unknown = "error") -> Characters:
    """Give an id to every character of ``texts``, in code point order, after the special tokens.

    Args:
        texts: what to learn from; read once.
        unknown: ``error`` refuses characters not seen here, ``replace`` gives them one id that decodes to U+FFFD.

    Raises:
        GatllmError: ``unknown`` is neither.
    """
    if unknown not in {"error", "replace"}:
        raise GatllmError(f"unknown={unknown!r} is not a policy", 'take "error" or "replace"')
    seen: set[str] = set()
    for text in texts:
        seen.update(text)
    tokens = [*SPECIAL_TOKENS, *([_UNKNOWN] if unknown == "replace" else []), *sorted(seen)]
    return Characters({token: index for index, token in enumerate(tokens)})


def is_characters(value: dict[str, Any]) -> bool:
    """Tell whether a parsed ``tokenizer.json`` is a character tokenizer."""
    before = value.get("pre_tokenizer")
    return isinstance(before, dict) and before.get("pattern") == {"Regex": _EVERY_CHARACTER}
