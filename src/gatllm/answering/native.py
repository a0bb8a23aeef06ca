"""Runs of our own as chat generators: the encoder-decoder writes the function that is asked for, a GPT continues."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from gatllm.answering.library.words import plain_words
from gatllm.errors import GatllmError
from gatllm.models import GPT, ChatOptions, Completion, ContextOverflowError, LoadedRun, Message, Seq2Seq, load_run
from gatllm.models.chat import FinishReason
from gatllm.models.decoding import draw
from gatllm.models.detokenizer import Detokenizer

_HEADER = re.compile(r"^(?:async\s+)?def\s.*:\s*$", re.MULTILINE)


class NativeGenerator:
    """Answers with a model from a run folder.

    These models were trained on functions, not on conversations: only the last message counts. The encoder-decoder
    gets it as the header and docstring of a function to write (as in its training), and its code is put into a fence.
    """

    def __init__(self, run: LoadedRun) -> None:
        if not isinstance(run.model, Seq2Seq | GPT):
            raise GatllmError(f"{run.path} holds a discriminator", "name a run of a generator")
        self._model: Seq2Seq | GPT = run.model
        self._tokenizer = run.tokenizer
        self.name = run.path.name
        self.context = int(run.model.config.context)
        source = run.model.config.source_context if isinstance(run.model, Seq2Seq) else None
        self._most = source or self.context - 1

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Load a run folder.

        Raises:
            GatllmError: the folder is not a run, is damaged, or holds no generator.
        """
        return cls(load_run(folder))

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Iterator[str | Completion]:
        """Yield pieces of text as they come and last the `Completion`."""
        fenced = isinstance(self._model, Seq2Seq)
        prompt = self._tokenizer.encode(as_function(messages[-1]["content"]) if fenced else messages[-1]["content"])
        if len(prompt) > self._most:
            raise ContextOverflowError(len(prompt), self._most)
        text = "```python\n" if fenced else ""
        if text:
            yield text
        reader = Detokenizer(self._tokenizer.decode, options.stop)
        logprobs: list[float] = []
        reason: FinishReason = "length"
        for token, logprob in self._tokens(prompt or [self._tokenizer.end_id], options):
            logprobs.append(logprob)
            if token == self._tokenizer.end_id:
                reason = "stop"
                break
            if piece := reader.add(token):
                yield piece
            if reader.stopped:
                reason = "stop"
                break
        rest = reader.flush() + ("\n```\n" if fenced else "")
        if rest:
            yield rest
        written = text + reader.text + ("\n```\n" if fenced else "")
        yield Completion(written, reason, len(prompt), len(logprobs), tuple(logprobs))

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        """Return one vector of length 1 for each text, and how many tokens were read.

        Raises:
            ContextOverflowError: a text is longer than the context.
        """
        from gatllm.inference import pooled_embeddings

        vectors = pooled_embeddings(self._model, self._tokenizer, texts)
        return vectors.tolist(), sum(len(self._tokenizer.encode(text)) for text in texts)

    def generate(self, conversations: Sequence[Sequence[Message]], options: ChatOptions) -> list[Completion]:
        """Answer one after the other."""
        last = [list(self.stream(messages, options))[-1] for messages in conversations]
        return [completion for completion in last if isinstance(completion, Completion)]

    def _tokens(self, prompt: list[int], options: ChatOptions) -> Iterator[tuple[int, float]]:
        import torch

        model = self._model
        generator = torch.Generator().manual_seed(options.seed)
        with torch.inference_mode():
            if isinstance(model, Seq2Seq):
                cache = model.new_cache(torch.tensor([prompt]), None, self.context)
                following = torch.tensor([[self._tokenizer.end_id]])
            else:
                cache = model.new_cache(1, self.context)
                following = torch.tensor([prompt])
        room = self.context - following.shape[1]
        for _ in range(min(options.max_new_tokens, room)):
            with torch.inference_mode():
                logits = model.logits(model.extend(following, cache)[:, -1])  # (1, vocabulary)
                logprobs = logits[:, : self._tokenizer.size].float().log_softmax(-1)
                token = int(draw(logprobs, options, [generator]))
                following = torch.tensor([[token]])
            yield token, float(logprobs[0, token])


def as_function(prompt: str) -> str:
    """Return a prompt as the beginning of a function: its header and docstring.

    A prompt that holds a header is taken from there; else the name is made of its words.
    """
    if found := _HEADER.search(prompt):
        return prompt[found.start() :].rstrip() + "\n"
    name = "_".join(plain_words(prompt)[:4]) or "answer"
    sentence = " ".join(prompt.split()).replace('"""', "'''")
    return f'def {name}(value):\n    """{sentence}"""\n'
