"""From a config to a model."""

from __future__ import annotations

from typing import overload

import torch

from gatllm.models.config import DiscriminatorConfig, GPTConfig, ModelConfig, Seq2SeqConfig
from gatllm.models.discriminator import Discriminator
from gatllm.models.gpt import GPT
from gatllm.models.initialise import initialise
from gatllm.models.seq2seq import Seq2Seq

Model = GPT | Seq2Seq | Discriminator


@overload
def build(config: GPTConfig, *, seed: int | None = None) -> GPT: ...
@overload
def build(config: Seq2SeqConfig, *, seed: int | None = None) -> Seq2Seq: ...
@overload
def build(config: DiscriminatorConfig, *, seed: int | None = None) -> Discriminator: ...


def build(config: ModelConfig, *, seed: int | None = None) -> Model:
    """Return a freshly initialised model in float32.

    Args:
        config: what to build.
        seed: makes the weights a function of the seed alone and leaves torch's generator as it was; without one they
            are drawn from torch's generator.
    """
    if seed is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _build(config)
    return _build(config)


def _build(config: ModelConfig) -> Model:
    model: Model
    if isinstance(config, GPTConfig):
        model = GPT(config)
    elif isinstance(config, Seq2SeqConfig):
        model = Seq2Seq(config)
    else:
        model = Discriminator(config)
    initialise(model, config)
    return model
