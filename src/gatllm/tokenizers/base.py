"""What every tokenizer can do, the special tokens, and how a conversation becomes ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypedDict, runtime_checkable

from gatllm.errors import GatllmError
from gatllm.records import sha256

PAD, END = "<|pad|>", "<end>"
IM_START, IM_SEP, IM_END = "<|im_start|>", "<|im_sep|>", "<|im_end|>"
SPECIAL_TOKENS = (PAD, END, IM_START, IM_SEP, IM_END)


class Message(TypedDict):
    """One turn of a conversation; ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


@runtime_checkable
class Tokenizer(Protocol):
    """Text to ids and back. A special string in the text is text: only `encode_chat` emits special ids."""

    @property
    def kind(self) -> str:
        """What it is: ``bpe``, ``characters``, ``lexicon`` …"""
        ...

    @property
    def size(self) -> int:
        """Number of ids, special tokens included."""
        ...

    @property
    def specials(self) -> Mapping[str, int]:
        """The special tokens it has, and their ids."""
        ...

    @property
    def pad_id(self) -> int:
        """The id of ``<|pad|>``."""
        ...

    @property
    def end_id(self) -> int:
        """The id of ``<end>``."""
        ...

    def encode(self, text: str) -> list[int]:
        """Return the ids of ``text``, without special tokens."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ``ids``; special tokens have none."""
        ...

    def encode_chat(self, messages: Sequence[Message], *, reply: bool = False) -> list[int]:
        """Return a conversation with real special tokens; ``reply`` opens the assistant's next turn."""
        ...

    def to_json(self) -> str:
        """Return the content of ``tokenizer.json``."""
        ...

    def fingerprint(self) -> str:
        """Return the SHA-256 of `to_json`."""
        ...


class TokenizerBase:
    """What follows from ``specials``, ``encode`` and ``to_json``; tokenizers inherit it."""

    specials: Mapping[str, int]

    @property
    def pad_id(self) -> int:
        """The id of ``<|pad|>``."""
        return self.special(PAD)

    @property
    def end_id(self) -> int:
        """The id of ``<end>``."""
        return self.special(END)

    def special(self, token: str) -> int:
        """Return the id of a special token.

        Raises:
            GatllmError: this tokenizer has none.
        """
        try:
            return self.specials[token]
        except KeyError:
            raise GatllmError(f"this tokenizer has no {token}", "choose one with the special tokens") from None

    def encode(self, text: str) -> list[int]:
        """Return the ids of ``text``."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Return the content of ``tokenizer.json``."""
        raise NotImplementedError

    def encode_chat(self, messages: Sequence[Message], *, reply: bool = False) -> list[int]:
        """Return a conversation as ids.

        Each turn is ``<|im_start|>role<|im_sep|>content<|im_end|>``; ``reply`` opens the assistant's next turn.

        Raises:
            GatllmError: the tokenizer lacks a chat token.
        """
        ids: list[int] = []
        for message in messages:
            ids += self.open_turn(message["role"])
            ids += self.encode(message["content"])
            ids.append(self.special(IM_END))
        return ids + self.open_turn("assistant") if reply else ids

    def open_turn(self, role: str) -> list[int]:
        """Return the ids that begin a turn of ``role``."""
        return [self.special(IM_START), *self.encode(role), self.special(IM_SEP)]

    def fingerprint(self) -> str:
        """Return the SHA-256 of `to_json`."""
        return sha256(self.to_json().encode())
