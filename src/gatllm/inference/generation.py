"""Text from a native model: many different prompts at once, several answers each, streamed or whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from gatllm.errors import GatllmError, UsageError
from gatllm.inference.batch import GrowingTexts, Prefix
from gatllm.inference.sampling import Sampling, choose
from gatllm.models import GPT, Model, Seq2Seq
from gatllm.models.chat import ContextOverflowError
from gatllm.models.detokenizer import Detokenizer
from gatllm.tokenizers import Tokenizer

Finish = Literal["stop", "length", "context", "cancelled"]
Prompt = str | Sequence[int]


@dataclass(frozen=True)
class Generated:
    """One answer.

    Attributes:
        prompt: number of the prompt that it answers.
        sample: number of the answer among those to the same prompt.
        text: the answer, without what ended it.
        tokens: its tokens, with the one that ended it.
        finish: ``stop`` (an end token or stop string), ``length``, ``context`` (it is full) or ``cancelled``.
        logprobs: natural log-probability of each token under the model, before penalty, temperature and filters.
        top_logprobs: for each token the likeliest alternatives, best first, as (token, log-probability).
        prompt_tokens: length of the prompt.
        reused_tokens: how many of them an earlier turn had already read.
    """

    prompt: int
    sample: int
    text: str
    tokens: tuple[int, ...]
    finish: Finish
    logprobs: tuple[float, ...] = field(repr=False)
    top_logprobs: tuple[tuple[tuple[int, float], ...], ...] = field(repr=False)
    prompt_tokens: int
    reused_tokens: int = 0

    @property
    def mean_logprob(self) -> float:
        """The mean log-probability of a token, or 0 where there is none."""
        return sum(self.logprobs) / len(self.logprobs) if self.logprobs else 0.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Text of answer ``sample`` to ``prompt`` that has become certain; with the last piece, the whole answer."""

    prompt: int
    sample: int
    text: str
    whole: Generated | None = None


def generate(
    model: Model,
    tokenizer: Tokenizer,
    prompts: Sequence[Prompt],
    sampling: Sampling | Sequence[Sampling] = Sampling(),  # noqa: B008 (frozen)
    *,
    prefix: Prefix | None = None,
    cancel: threading.Event | None = None,
) -> list[list[Generated]]:
    """Return ``sampling.n`` answers to each prompt; arguments and errors as `stream`."""
    answers: list[list[Generated]] = [[] for _ in prompts]
    for piece in stream(model, tokenizer, prompts, sampling, prefix=prefix, cancel=cancel):
        if piece.whole is not None:
            answers[piece.prompt].append(piece.whole)
    return [sorted(group, key=lambda answer: answer.sample) for group in answers]


def stream(
    model: Model,
    tokenizer: Tokenizer,
    prompts: Sequence[Prompt],
    sampling: Sampling | Sequence[Sampling] = Sampling(),  # noqa: B008 (frozen)
    *,
    prefix: Prefix | None = None,
    cancel: threading.Event | None = None,
) -> Iterator[Chunk]:
    """Yield the answers piece by piece as they grow; an answer that is over leaves the batch.

    Args:
        model: a GPT, which continues the prompts, or an encoder-decoder, which answers them.
        tokenizer: the model's.
        prompts: texts or token ids, of any lengths; an empty one starts from ``<end>``.
        sampling: one for all prompts or one for each.
        prefix: keeps what a conversation has read from turn to turn (a single prompt and answer, GPT).
        cancel: ends all answers where they are when it is set; so does closing the iterator.

    Raises:
        ContextOverflowError: a prompt doesn't fit the context.
        GatllmError: prompt and answer don't fit and ``overflow`` is ``error``, or the model writes no text.
    """
    if not isinstance(model, GPT | Seq2Seq):
        raise GatllmError("a discriminator writes no text", "name a run of a gpt or seq2seq model")
    requests = [sampling] * len(prompts) if isinstance(sampling, Sampling) else list(sampling)
    if len(requests) != len(prompts):
        raise UsageError(f"{len(requests)} samplings for {len(prompts)} prompts", "give one, or one for each")
    if prefix is not None and (len(prompts) != 1 or requests[0].n != 1 or isinstance(model, Seq2Seq)):
        raise UsageError("a prefix serves one prompt and one answer of a GPT", "leave it out")
    return _run(model, tokenizer, [_ids(tokenizer, prompt) for prompt in prompts], requests, prefix, cancel)


def _ids(tokenizer: Tokenizer, prompt: Prompt) -> list[int]:
    return tokenizer.encode(prompt) if isinstance(prompt, str) else list(prompt)


class _Row:
    """One answer in the making."""

    def __init__(self, prompt: int, sample: int, ids: list[int], sampling: Sampling, tokenizer: Tokenizer) -> None:
        self.prompt, self.sample, self.sampling, self.prompt_tokens = prompt, sample, sampling, len(ids)
        self.random = sampling.source(sample)
        self.text = Detokenizer(tokenizer.decode, sampling.stop)
        self.ends = set(sampling.stop_tokens) | (set() if sampling.ignore_end else {tokenizer.end_id})
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        self.top: list[tuple[tuple[int, float], ...]] = []
        self.finish: Finish | None = None

    def add(self, token: int, logprob: float) -> str:
        """Take a token and return the text that is certain now."""
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if token in self.ends:
            return self.end("stop")
        piece = self.text.add(token)
        if self.text.stopped:
            self.finish = "stop"
        elif self.sampling.max_new_tokens is not None and len(self.tokens) >= self.sampling.max_new_tokens:
            piece += self.end("length")
        return piece

    def end(self, finish: Finish) -> str:
        """Finish and return the text that was held back."""
        self.finish = finish
        return self.text.flush()

    def piece(self, text: str, reused: int) -> Chunk:
        whole = None
        if self.finish is not None:
            whole = Generated(
                self.prompt,
                self.sample,
                self.text.text,
                tuple(self.tokens),
                self.finish,
                tuple(self.logprobs),
                tuple(self.top),
                self.prompt_tokens,
                reused,
            )
        return Chunk(self.prompt, self.sample, text, whole)


def _run(
    model: GPT | Seq2Seq,
    tokenizer: Tokenizer,
    prompts: list[list[int]],
    requests: list[Sampling],
    prefix: Prefix | None,
    cancel: threading.Event | None,
) -> Iterator[Chunk]:
    if not prompts:
        return
    with torch.inference_mode():
        texts = _begin(model, tokenizer, prompts, requests, prefix)
        hidden = _hidden(texts.logits, tokenizer)
    copies = [index for index, request in enumerate(requests) for _ in range(request.n)]
    numbers = [sample for request in requests for sample in range(request.n)]
    rows = [
        _Row(index, sample, prompts[index], requests[index], tokenizer)
        for index, sample in zip(copies, numbers, strict=True)
    ]
    texts.select(copies)
    reused = 0 if prefix is None else prefix.reused
    while rows:
        # Each turn is one step inside inference mode, which must not stay on while the caller has control.
        with torch.inference_mode():
            chosen = _choose(texts.logits + hidden, texts, rows)
        said = [row.add(token, logprob) for row, (token, logprob) in zip(rows, chosen, strict=True)]
        if cancel is not None and cancel.is_set():
            said = [
                text + (row.end("cancelled") if row.finish is None else "")
                for row, text in zip(rows, said, strict=True)
            ]
        for place, row in enumerate(rows):
            if row.finish is None and texts.is_full(place) and row.sampling.overflow != "slide":
                said[place] += row.end("context")
        if prefix is not None and rows[0].finish is not None:
            prefix.keep(texts.texts[0], texts.cache)
        for row, text in zip(rows, said, strict=True):
            if text or row.finish is not None:
                yield row.piece(text, reused)
        alive = [place for place, row in enumerate(rows) if row.finish is None]
        rows = [rows[place] for place in alive]
        if rows:
            with torch.inference_mode():
                texts.select(alive)
                _grow(model, texts, torch.tensor([row.tokens[-1] for row in rows], device=texts.device))


def _begin(
    model: GPT | Seq2Seq,
    tokenizer: Tokenizer,
    prompts: list[list[int]],
    requests: list[Sampling],
    prefix: Prefix | None,
) -> GrowingTexts:
    context = model.config.context
    # Whoever names no length gets what room there is; a text that slides would never end, and has the context's length.
    longest = max(request.max_new_tokens or context for request in requests)
    if isinstance(model, Seq2Seq):
        source_context = model.config.source_context or context
        for prompt, request in zip(prompts, requests, strict=True):
            if request.overflow == "slide":
                raise UsageError("an encoder-decoder has nothing to forget", "use overflow = 'stop'")
            if len(prompt) > source_context:
                raise ContextOverflowError(len(prompt), source_context, "the prompt")
            _check_room(1, request, context)
        sources = [prompt or [tokenizer.end_id] for prompt in prompts]
        start = [[tokenizer.end_id]] * len(prompts)  # as in training: the target follows <end>
        return GrowingTexts(model, start, min(context, longest + 1), sources=sources, pad=tokenizer.pad_id)
    starts = []
    for prompt, request in zip(prompts, requests, strict=True):
        text = prompt or [tokenizer.end_id]
        if request.overflow == "slide" and len(text) > context:
            text = text[-_kept(context) :]
        _check_room(len(text), request, context)
        starts.append(text)
    room = context if prefix is not None else min(context, max(map(len, starts)) + longest)
    return GrowingTexts(model, starts, room, pad=tokenizer.pad_id, prefix=prefix)


def _check_room(tokens: int, request: Sampling, context: int) -> None:
    if tokens > context:
        raise ContextOverflowError(tokens, context, "the prompt")
    # The last token is written but never read: it needs no place.
    needed = tokens + (request.max_new_tokens or 1) - 1
    if request.overflow == "error" and needed > context:
        raise GatllmError(
            f"a prompt of {tokens} tokens and an answer of {request.max_new_tokens} don't fit the context of {context}",
            "lower max_new_tokens, or choose overflow 'stop' or 'slide'",
        )


def _kept(context: int) -> int:
    return max(1, context // 2)


def _grow(model: GPT | Seq2Seq, texts: GrowingTexts, tokens: Tensor) -> None:
    if any(texts.is_full(row) for row in range(len(texts.texts))):
        texts.forget(tokens, _kept(model.config.context))
    else:
        texts.add(tokens)


def _hidden(logits: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Return what makes padding, and ids that the tokenizer doesn't know, impossible: (vocabulary,) to add."""
    hidden = torch.zeros_like(logits[0])
    hidden[tokenizer.pad_id] = -torch.inf
    hidden[tokenizer.size :] = -torch.inf
    return hidden


def _choose(logits: Tensor, texts: GrowingTexts, rows: Sequence[_Row]) -> list[tuple[int, float]]:
    """Return the next token of each row and its log-probability."""
    logprobs = logits.log_softmax(-1)
    groups: dict[Sampling, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(row.sampling, []).append(place)
    several = len(groups) > 1
    tokens = torch.empty(len(rows), dtype=torch.long, device=logits.device)
    for sampling, places in groups.items():
        part = logits[places] if several else logits
        seen = _seen(part, [texts.texts[place] for place in places]) if sampling.repetition_penalty != 1 else None
        drawn = choose(part, sampling, [rows[place].random for place in places], seen)
        if several:
            tokens[places] = drawn
        else:
            tokens = drawn
        if sampling.top_logprobs:
            best = logprobs[places].topk(min(sampling.top_logprobs, logits.shape[-1]))
            pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            for place, (ids, values) in zip(places, pairs, strict=True):
                rows[place].top.append(tuple(zip(ids, values, strict=True)))
    taken = logprobs.gather(1, tokens[:, None])[:, 0]
    return list(zip(tokens.tolist(), taken.tolist(), strict=True))


def _seen(logits: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
    seen = torch.zeros_like(logits, dtype=torch.bool)
    for place, text in enumerate(texts):
        seen[place, torch.tensor(text, device=logits.device)] = True
    return seen
