"""The rotary encoder-decoder: T5Gemma (Zhang et al. 2025)."""

from __future__ import annotations

import math
from typing import Any

import torch

from gatllm.models.config import Seq2SeqConfig
from gatllm.models.conversion.target import (
    GATED,
    State,
    Target,
    gain,
    gate_and_value,
    layer_types,
    normed_embedding,
    put_attention,
    rope,
)
from gatllm.models.layers import Block, Branch, Norm
from gatllm.models.seq2seq import Seq2Seq
from gatllm.models.stack import Stack

# T5Gemma norms what a branch returns. Under a branch this small its epsilon is all that the norm divides by, so that
# a gain of sqrt(epsilon) / _SMALL gives the branch back: exact in fp32 and bf16, whose exponents have room for it.
_SMALL = 2.0**-36


def _to_t5gemma(model: Seq2Seq) -> tuple[Any, State]:
    from transformers import T5GemmaConfig

    config = model.config
    encoder = _module(config, config.layers, config.source_context or config.context, causal=False)
    decoder = _module(config, config.decoder_layers or config.layers, config.context, causal=True)
    settings = T5GemmaConfig(
        encoder=encoder,
        decoder=decoder,
        vocab_size=config.vocabulary,
        dropout_rate=config.dropout,
        attention_dropout=0.0,
        tie_word_embeddings=False,
    )
    state: State = {"lm_head.out_proj.weight": model.output_weight.detach()}
    _put_stack(state, "model.encoder", model, model.encoder)
    _put_stack(state, "model.decoder", model, model.decoder)
    return settings, state


def _module(config: Seq2SeqConfig, layers: int, context: int, *, causal: bool) -> Any:
    from transformers import T5GemmaModuleConfig

    # An encoder's window counts the distance that is still seen, a decoder's the tokens.
    window = config.window or context + 1
    return T5GemmaModuleConfig(
        vocab_size=config.vocabulary,
        hidden_size=config.width,
        intermediate_size=config.hidden_width,
        num_hidden_layers=layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        head_dim=config.head_width,
        query_pre_attn_scalar=config.head_width,
        hidden_activation=GATED[config.activation],
        max_position_embeddings=context,
        rms_norm_eps=config.norm_epsilon,
        rope_parameters=rope(config),
        layer_types=layer_types(config, layers),
        sliding_window=window if causal else window - 1,
        attn_logit_softcapping=None,
        final_logit_softcapping=None,
        tie_word_embeddings=False,
    )


def _put_stack(state: State, name: str, model: Seq2Seq, stack: Stack) -> None:
    config = model.config
    # T5Gemma multiplies its embeddings by sqrt(width).
    state[f"{name}.embed_tokens.weight"] = normed_embedding(model.embedding, stack) / math.sqrt(config.width)
    for number, block in enumerate(stack.layers):
        _put_block(state, f"{name}.layers.{number}", block, config)
    _put_norm(state, f"{name}.norm", stack.final_norm, config.width)


def _put_block(state: State, name: str, block: Block, config: Seq2SeqConfig) -> None:
    for part, attention in (("self_attn", block.attention), ("cross_attn", block.cross)):
        if attention is not None:
            put_attention(state, f"{name}.{part}", attention.inner, with_bias=False)
            _put_norms(state, f"{name}.{{}}_{part}_layernorm", f"{name}.{part}.o_proj", attention, config)
    inner = block.feed_forward.inner
    for part, (weight, _) in zip(("gate_proj", "up_proj"), gate_and_value(inner), strict=True):
        state[f"{name}.mlp.{part}.weight"] = weight.detach()
    state[f"{name}.mlp.down_proj.weight"] = inner.down.weight.detach()
    _put_norms(state, f"{name}.{{}}_feedforward_layernorm", f"{name}.mlp.down_proj", block.feed_forward, config)


def _put_norms(state: State, name: str, output: str, branch: Branch[Any], config: Seq2SeqConfig) -> None:
    """Add the norms around a branch; where there is none behind it, one that changes nothing."""
    _put_norm(state, name.format("pre"), branch.before, config.width)
    if branch.after is not None:
        _put_norm(state, name.format("post"), branch.after, config.width)
        return
    state[f"{output}.weight"] = state[f"{output}.weight"] * _SMALL
    restored = torch.full((config.width,), math.sqrt(config.norm_epsilon) / _SMALL)
    state[f"{name.format('post')}.weight"] = restored - 1


def _put_norm(state: State, name: str, norm: Norm | None, width: int) -> None:
    state[f"{name}.weight"] = gain(norm, width) - 1  # T5Gemma adds the one


_NEEDS: dict[str, tuple[Any, ...]] = {
    "positions": ("rotary",),
    "norm": ("rms",),
    "norm_place": ("pre", "sandwich"),
    "qk_norm": (False,),
    "activation": tuple(GATED),
    "bias": (False,),
    "global_tokens": (0,),
    "cross_window": (None,),
}
TARGETS = (Target("T5GemmaForConditionalGeneration", "seq2seq", _NEEDS, _to_t5gemma, "AutoModelForSeq2SeqLM"),)
