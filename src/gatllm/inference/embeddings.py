"""Vectors for texts: one for each token in its context, or one for the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

import torch
from torch import Tensor

from gatllm.models import GPT, Model
from gatllm.models.chat import ContextOverflowError
from gatllm.tokenizers import Tokenizer


@overload
def get_embeddings(
    model: Model, tokenizer: Tokenizer, sentences: str | Sequence[str], *, mask: Literal[False] = False
) -> Tensor: ...
@overload
def get_embeddings(
    model: Model, tokenizer: Tokenizer, sentences: str | Sequence[str], *, mask: bool
) -> Tensor | tuple[Tensor, Tensor]: ...


def get_embeddings(
    model: Model, tokenizer: Tokenizer, sentences: str | Sequence[str], *, mask: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the position-encoded contextual embeddings of ``sentences``: the model's last states.

    A text alone is one sentence.

    Returns:
        (batch, max tokens, width), float32; zeros after the end of a shorter sentence. With ``mask`` also which tokens
        are there: (batch, max tokens), bool.

    Raises:
        ContextOverflowError: a sentence is longer than the context.
    """
    embedded, real = _embed(model, tokenizer, [sentences] if isinstance(sentences, str) else sentences)
    return (embedded, real) if mask else embedded


def pooled_embeddings(model: Model, tokenizer: Tokenizer, sentences: str | Sequence[str]) -> Tensor:
    """Return one vector for each of ``sentences``: the mean of its token embeddings, scaled to length 1.

    Returns:
        (batch, width), float32; their products are cosine similarities. An empty sentence has zeros.

    Raises:
        ContextOverflowError: a sentence is longer than the context.
    """
    embedded, real = _embed(model, tokenizer, [sentences] if isinstance(sentences, str) else sentences)
    mean = embedded.sum(1) / real.sum(1, keepdim=True).clamp_min(1)
    return torch.nn.functional.normalize(mean, dim=-1)


def _embed(model: Model, tokenizer: Tokenizer, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return the embeddings (batch, tokens, width) and which tokens are real (batch, tokens)."""
    rows = [tokenizer.encode(sentence) for sentence in sentences]
    context = getattr(model.config, "source_context", None) or model.config.context
    longest = max((len(row) for row in rows), default=0)
    if longest > context:
        raise ContextOverflowError(longest, context, "a text")
    device = next(model.parameters()).device
    width = max(longest, 1)
    tokens = torch.tensor([row + [tokenizer.pad_id] * (width - len(row)) for row in rows], device=device)
    tokens = tokens.view(len(rows), width).long()
    real = torch.arange(width, device=device) < torch.tensor([len(row) for row in rows], device=device)[:, None]
    training = model.training
    with torch.inference_mode():
        model.eval()
        # A causal model never looks right, where the padding is.
        states = model.hidden(tokens) if isinstance(model, GPT) else model.encode(tokens, ~real)
        model.train(training)
        embedded = states.float().masked_fill(~real[..., None], 0.0)
    return embedded[:, :longest], real[:, :longest]
