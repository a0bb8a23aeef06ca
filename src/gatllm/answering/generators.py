"""Who proposes: pretrained models, runs of our own, and a fake one for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gatllm.models import ChatGenerator, ChatOptions, Completion, ContextOverflowError, Message, PretrainedLM
from gatllm.models.chat import FinishReason
from gatllm.models.remote import RemoteGenerator, is_address
from gatllm.models.tuned import is_tuned, load_lm
from gatllm.progress import Report, silent


class FakeGenerator:
    """Says what it was told to say, word by word, and remembers what it was asked.

    Args:
        replies: answered in turn; the last one is repeated.
        logprob: the log-probability that it claims for each word.
    """

    def __init__(self, *replies: str, logprob: float = -0.1, context: int = 4096) -> None:
        self.name = "fake"
        self.context = context
        self.asked: list[list[Message]] = []
        self._replies = replies or ("I say nothing.",)
        self._logprob = logprob

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Iterator[str | Completion]:
        """Yield the next reply word by word, then the completion."""
        prompt = sum(len(message["content"].split()) for message in messages)
        if prompt >= self.context:
            raise ContextOverflowError(prompt, self.context)
        reply = self._replies[min(len(self.asked), len(self._replies) - 1)]
        self.asked.append([*messages])
        words = reply.split(" ")
        pieces = [word + " " for word in words[:-1]] + words[-1:]
        said = pieces[: options.max_new_tokens]
        yield from said
        reason: FinishReason = "stop" if len(said) == len(pieces) else "length"
        yield Completion("".join(said), reason, prompt, len(said), (self._logprob,) * len(said))

    def generate(self, conversations: Sequence[Sequence[Message]], options: ChatOptions) -> list[Completion]:
        """Answer one after the other."""
        last = [list(self.stream(messages, options))[-1] for messages in conversations]
        return [completion for completion in last if isinstance(completion, Completion)]


def load_generator(model: str | Path | None = None, *, small: bool = False, report: Report = silent) -> ChatGenerator:
    """Return a generator.

    Args:
        model: a run folder of our own, a 🤗 folder, a GGUF file, a hub id, or the
            address of an engine that speaks OpenAI's API; None: the default chat generator.
        small: with no model named, the small chat generator instead.
        report: told how far a download is.

    Raises:
        GatllmError: it can't be had.
    """
    if is_address(model):
        return RemoteGenerator(str(model))
    if model is not None and is_tuned(model):
        return load_lm(model, report=report)
    if model is not None and (Path(model) / "recipe.toml").is_file():
        from gatllm.answering.native import NativeGenerator

        return NativeGenerator.load(model)
    return PretrainedLM.load(model, small=small, dtype="int8", report=report)
