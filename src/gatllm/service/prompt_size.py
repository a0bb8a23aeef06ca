"""Refuses what is too long for the generator before anything reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from gatllm.models import ChatGenerator, ContextOverflowError, Message
from gatllm.service.errors import ApiError

# No text has more characters a token on the average: longer ones need not be counted to be refused.
_CHARACTERS = 16


@runtime_checkable
class _CountsTokens(Protocol):
    def count_tokens(self, messages: Sequence[Message]) -> int: ...


async def check_size(generator: ChatGenerator, messages: Sequence[Message]) -> None:
    """Refuse a conversation that the generator can't read.

    Raises:
        ApiError: it is far too long.
        ContextOverflowError: its tokens were counted, and are too many.
    """
    characters = sum(len(message["content"]) for message in messages)
    if characters > generator.context * _CHARACTERS:
        raise ApiError(
            400,
            f"the conversation has {characters} characters, the model reads at most {generator.context} tokens; "
            "shorten it or start a new one",
            param="messages",
            code="context_length_exceeded",
        )
    if isinstance(generator, _CountsTokens):
        # In a thread: a hundred thousand characters take a tenth of a second, in which others wait.
        tokens = await asyncio.to_thread(generator.count_tokens, messages)
        if tokens >= generator.context:
            raise ContextOverflowError(tokens, generator.context)
