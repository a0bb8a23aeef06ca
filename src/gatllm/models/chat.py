"""What a chat generator is, whatever stands behind it: messages and options in, pieces of text or completions out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, Protocol, TypedDict, runtime_checkable

from gatllm.errors import GatllmError

FinishReason = Literal["stop", "length"]


class Message(TypedDict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str
    name: NotRequired[str]


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """How to choose the next token. ``temperature`` 0 is greedy; ``top_k`` 0 and ``top_p`` 1 leave all tokens in."""

    max_new_tokens: int = 512
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise GatllmError(f"max_new_tokens is {self.max_new_tokens}", "it must be 1 or more")
        if self.temperature < 0 or self.top_k < 0 or not 0 < self.top_p <= 1:
            raise GatllmError("the sampling options are out of range", "temperature ≥ 0, top_k ≥ 0, 0 < top_p ≤ 1")


@dataclass(frozen=True, slots=True)
class Completion:
    """One whole answer. Log-probabilities are natural, of the chosen tokens, before temperature and filters.

    ``decision``: where a council gave the answer, how it came to it (plain JSON values).
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    token_logprobs: tuple[float, ...] = field(default=(), repr=False)
    decision: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def mean_logprob(self) -> float:
        """Return the mean log-probability per token (0 when there is none)."""
        return sum(self.token_logprobs) / len(self.token_logprobs) if self.token_logprobs else 0.0

    @property
    def min_logprob(self) -> float:
        """Return the log-probability of the least likely token (0 when there is none)."""
        return min(self.token_logprobs, default=0.0)


class ContextOverflowError(GatllmError):
    """The prompt is longer than the model can read; nothing is cut off silently."""

    def __init__(self, prompt_tokens: int, context: int, what: str = "the conversation") -> None:
        super().__init__(
            f"{what} has {prompt_tokens} tokens, the model reads at most {context}",
            "shorten it or start a new one" if what == "the conversation" else "shorten it",
        )
        self.prompt_tokens = prompt_tokens
        self.context = context


class TooLongError(ContextOverflowError):
    """The prompt has more characters than any tokenizer could fit; nothing has read it."""

    def __init__(self, characters: int, most: int, context: int) -> None:
        GatllmError.__init__(
            self, f"the question has {characters:,} characters, at most {most:,} are read", "shorten it"
        )
        self.prompt_tokens, self.context = -(-characters * context // most), context  # at least so many tokens


class ChatGenerator(Protocol):
    """Anything that continues a conversation."""

    @property
    def name(self) -> str:
        """What the generator calls itself."""

    @property
    def context(self) -> int:
        """How many tokens prompt and answer may have together."""

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Iterator[str | Completion]:
        """Yield pieces of text as they come and last the `Completion`; closing the iterator stops the work.

        Raises:
            ContextOverflowError: the conversation is too long.
        """

    def generate(self, conversations: Sequence[Sequence[Message]], options: ChatOptions) -> list[Completion]:
        """Answer several conversations at once; row ``i`` samples with seed ``options.seed + i``."""


@runtime_checkable
class StateReader(Protocol):
    """A generator that lets its hidden states be read; see `PretrainedLM.states`."""

    def states(
        self, messages: Sequence[Message], answer: str, layers: Sequence[int]
    ) -> dict[int, tuple[list[float], list[float]]]:
        """Return of each layer the state of a conversation's last token, and the mean over those of an answer."""
