"""Writes a conversation as the tokens a model was trained on; what users type never becomes a control token."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

from gatllm.errors import GatllmError
from gatllm.models.chat import Message

# Private-use characters: no template writes them, and users who type them lose nothing but a placeholder.
_OPEN, _CLOSE = "\ue0f0", "\ue0f1"

# The lines that stand in where a model has no template, as a template: with it an export is asked as its run was.
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


class ChatFormat:
    """The chat template of a 🤗 tokenizer; models without one get plain ``User:`` / ``Assistant:`` lines."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._lock = Lock()  # whether special tokens are split is a switch inside the shared tokenizer
        self.has_template = getattr(tokenizer, "chat_template", None) not in (None, "", PLAIN_TEMPLATE)

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that end an answer beside the model's own end token."""
        return () if self.has_template else ("\nUser:", "\nAssistant:")

    @property
    def lead(self) -> str:
        """What stands between the opened turn and the answer."""
        return "" if self.has_template else " "

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of a conversation, ending where the assistant is to begin.

        The template's own control tokens are recognised; the same strings inside a message stay text.
        """
        turns = [{"role": turn["role"], "content": f"{_OPEN}{at}{_CLOSE}"} for at, turn in enumerate(messages)]
        frame = self._render(turns)
        tokens: list[int] = []
        for piece in frame.split(_OPEN):
            number, closed, rest = piece.partition(_CLOSE)
            if closed:
                tokens += self.encode_text(messages[int(number)]["content"])
            tokens += self._tokens(rest if closed else piece, split_special=False)
        return tokens

    def encode_text(self, text: str) -> list[int]:
        """Return the tokens of plain text, in which no control token can occur."""
        return self._tokens(text, split_special=True)

    def _tokens(self, text: str, *, split_special: bool) -> list[int]:
        if not text:
            return []
        with self._lock:
            try:
                encoded = self._tokenizer(text, add_special_tokens=False, split_special_tokens=split_special)
            except Exception as error:  # the library has no class for: a character that a vocabulary lacks
                raise GatllmError(
                    f"the model's tokenizer can't write {text[:40]!r}: {error}", "use characters that it was trained on"
                ) from None
        return list(encoded["input_ids"])

    def _render(self, turns: list[dict[str, str]]) -> str:
        if self.has_template:
            frame: str = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            return frame
        names = {"user": "User", "assistant": "Assistant", "system": "System"}
        return "".join(f"{names[turn['role']]}: {turn['content']}\n" for turn in turns) + "Assistant:"
