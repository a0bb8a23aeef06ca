"""How `gatllm sample` draws an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from gatllm.inference import Sampling
    from gatllm.models import ChatOptions

Overflow = Literal["error", "stop", "slide"]
_SAME = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "n", "seed")  # called so there, too


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How an answer is drawn, and where it ends."""

    tokens: int = 256
    "The most tokens of an answer."
    temperature: float = 0.8
    "0 always takes the likeliest token; 1 draws as the model learnt."
    top_k: int = 0
    "Draw among the k likeliest tokens only; 0: all."
    top_p: float = 1.0
    "Draw among the likeliest tokens that together have this probability."
    min_p: float = 0.0
    "Draw among tokens with at least this fraction of the likeliest one's probability."
    repetition_penalty: float = 1.0
    "Above 1: tokens that were there before become less likely."
    n: Annotated[int, Parameter(name=["--n", "-n"])] = 1
    "Answers to each prompt."
    seed: int = 0
    "The same seed gives the same answers."
    stop: Annotated[list[str] | None, Parameter(negative="")] = None
    "A string that ends the answer; may be repeated."
    overflow: Overflow | None = None
    "When prompt and answer don't fit the context: error, stop, or slide (forget the oldest; default of a GPT)."
    logprobs: int = 0
    "With --json: how many alternatives to show for each token."

    def sampling(self, overflow: Overflow) -> Sampling:
        """Return what a model of our own is asked with; ``overflow`` where none is named."""
        from gatllm.inference import Sampling

        return Sampling(
            max_new_tokens=self.tokens,
            stop=tuple(self.stop or ()),
            top_logprobs=self.logprobs,
            overflow=self.overflow or overflow,
            **{name: getattr(self, name) for name in _SAME},
        )

    def chat_options(self) -> ChatOptions:
        """Return what a pretrained model is asked with."""
        from gatllm.models import ChatOptions

        return ChatOptions(self.tokens, self.temperature, self.top_k, self.top_p, self.seed, tuple(self.stop or ()))
