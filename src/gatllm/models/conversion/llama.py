"""Rotary decoders and encoders: Llama, Mistral, Qwen3, NanoChat, GPT-NeoX, ModernBERT."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gatllm.models.config import TransformerConfig
from gatllm.models.conversion.target import (
    GATED,
    PLAIN,
    State,
    Target,
    gate_and_value,
    layer_types,
    normed_embedding,
    put_attention,
    put_linear,
    put_norm,
    rope,
)
from gatllm.models.discriminator import Discriminator
from gatllm.models.gpt import GPT
from gatllm.models.stack import Stack

_ROTARY: dict[str, tuple[Any, ...]] = {"positions": ("rotary",), "global_tokens": (0,)}
_RMS_PRE: dict[str, tuple[Any, ...]] = {**_ROTARY, "norm": ("rms",), "norm_place": ("pre",)}
_ANY_WINDOW = {"window": tuple(range(1, 1 << 20))}


def _stack(model: GPT | Discriminator) -> Stack:
    return model.decoder if isinstance(model, GPT) else model.encoder


def shared_settings(config: TransformerConfig) -> dict[str, Any]:
    """Return the settings that rotary Transformers configs call by the same names."""
    return {
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "intermediate_size": config.hidden_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "max_position_embeddings": config.context,
        "tie_word_embeddings": False,
        "attention_dropout": 0.0,
    }


def _finish(model: GPT | Discriminator, state: State, body: str = "model") -> None:
    """Add the head: the output projection of a GPT, the token heads of a discriminator."""
    if isinstance(model, GPT):
        state["lm_head.weight"] = model.output_weight.detach()
    else:
        state["score.weight"] = torch.cat([model.error.weight, model.edit.weight]).detach()
        state["score.bias"] = torch.cat([model.error.bias, model.edit.bias]).detach()
    if body != "model":
        for key in [key for key in state if key.startswith("model.")]:
            state[body + key.removeprefix("model")] = state.pop(key)


def _llama_like(model: GPT | Discriminator) -> State:
    config, stack = model.config, _stack(model)
    state: State = {"model.embed_tokens.weight": normed_embedding(model.embedding, stack)}
    for number, block in enumerate(stack.layers):
        name = f"model.layers.{number}"
        put_norm(state, f"{name}.input_layernorm", block.attention.before, config.width, with_bias=False)
        put_norm(state, f"{name}.post_attention_layernorm", block.feed_forward.before, config.width, with_bias=False)
        put_attention(state, f"{name}.self_attn", block.attention.inner, with_bias=config.bias)
        inner = block.feed_forward.inner
        gate, value = gate_and_value(inner)
        put_linear(state, f"{name}.mlp.gate_proj", *gate, with_bias=config.bias)
        put_linear(state, f"{name}.mlp.up_proj", *value, with_bias=config.bias)
        put_linear(state, f"{name}.mlp.down_proj", inner.down.weight, inner.down.bias, with_bias=config.bias)
        if config.qk_norm:
            for part in "qk":
                state[f"{name}.self_attn.{part}_norm.weight"] = torch.ones(config.head_width)
    put_norm(state, "model.norm", stack.final_norm, config.width, with_bias=False)
    _finish(model, state)
    return state


def _encoder_settings(model: GPT | Discriminator) -> dict[str, Any]:
    """An encoder is a decoder without the causal mask; its labels are the error and the edit tags."""
    if isinstance(model, GPT):
        return {}
    return {"is_causal": False, "num_labels": 1 + model.config.tags, "classifier_dropout": 0.0}


def _common(model: GPT | Discriminator) -> dict[str, Any]:
    config = model.config
    return {
        **shared_settings(config),
        "num_key_value_heads": config.heads,
        "head_dim": config.head_width,
        "hidden_act": GATED[config.activation],
        "rms_norm_eps": config.norm_epsilon,
        "rope_parameters": rope(config),
        **_encoder_settings(model),
    }


def _to_llama(model: GPT | Discriminator) -> tuple[Any, State]:
    from transformers import LlamaConfig

    bias = model.config.bias
    return LlamaConfig(**_common(model), attention_bias=bias, mlp_bias=bias), _llama_like(model)


def _to_mistral(model: GPT) -> tuple[Any, State]:
    from transformers import MistralConfig

    return MistralConfig(**_common(model), sliding_window=model.config.window), _llama_like(model)


def _to_qwen3(model: GPT | Discriminator) -> tuple[Any, State]:
    from transformers import Qwen3Config

    config = model.config
    window = config.window
    if window is not None and not isinstance(model, GPT):
        window -= 1  # an encoder's window counts the distance that is still seen
    settings = {"use_sliding_window": True, "sliding_window": window} if window is not None else {}
    return Qwen3Config(**_common(model), **settings, layer_types=layer_types(config, config.layers)), _llama_like(model)


def _to_nanochat(model: GPT) -> tuple[Any, State]:
    from transformers import NanoChatConfig

    config = model.config
    settings = {
        **shared_settings(config),
        "num_key_value_heads": config.heads,
        "hidden_act": PLAIN[config.activation],
        "rms_norm_eps": config.norm_epsilon,
        "rope_parameters": rope(config),
        "final_logit_softcapping": None,
        "attention_bias": False,
    }
    state: State = {"model.embed_tokens.weight": model.embedding.weight.detach()}
    for number, block in enumerate(model.decoder.layers):
        name = f"model.layers.{number}"
        put_attention(state, f"{name}.self_attn", block.attention.inner, with_bias=False)
        # NanoChat turns the pairs the other way: the sign of one half of each query and key makes up for it.
        for part in "qk":
            weight = state[f"{name}.self_attn.{part}_proj.weight"].view(config.heads, 2, config.head_width // 2, -1)
            turned = torch.stack([weight[:, 0], -weight[:, 1]], dim=1)
            state[f"{name}.self_attn.{part}_proj.weight"] = turned.reshape(config.width, config.width)
        state[f"{name}.mlp.fc1.weight"] = block.feed_forward.inner.up.weight.detach()
        state[f"{name}.mlp.fc2.weight"] = block.feed_forward.inner.down.weight.detach()
    _finish(model, state)
    return NanoChatConfig(**settings), state


def _to_neox(model: GPT | Discriminator) -> tuple[Any, State]:
    from transformers import GPTNeoXConfig

    config, stack = model.config, _stack(model)
    settings = {
        **shared_settings(config),
        "hidden_act": PLAIN[config.activation],
        "hidden_dropout": 0.0,
        "layer_norm_eps": config.norm_epsilon,
        "use_parallel_residual": False,
        "rope_parameters": {**rope(config), "partial_rotary_factor": 1.0},
        "attention_bias": True,
        **_encoder_settings(model),
    }
    state: State = {"model.embed_in.weight": normed_embedding(model.embedding, stack)}
    for number, block in enumerate(stack.layers):
        name = f"model.layers.{number}"
        put_norm(state, f"{name}.input_layernorm", block.attention.before, config.width, with_bias=True)
        put_norm(state, f"{name}.post_attention_layernorm", block.feed_forward.before, config.width, with_bias=True)
        attention = block.attention.inner
        weight = _by_head(attention.qkv.weight, config)
        bias = None if attention.qkv.bias is None else _by_head(attention.qkv.bias, config)
        put_linear(state, f"{name}.attention.query_key_value", weight, bias, with_bias=True)
        put_linear(state, f"{name}.attention.dense", attention.output.weight, attention.output.bias, with_bias=True)
        inner = block.feed_forward.inner
        put_linear(state, f"{name}.mlp.dense_h_to_4h", inner.up.weight, inner.up.bias, with_bias=True)
        put_linear(state, f"{name}.mlp.dense_4h_to_h", inner.down.weight, inner.down.bias, with_bias=True)
    put_norm(state, "model.final_layer_norm", stack.final_norm, config.width, with_bias=True)
    _finish(model, state, body="gpt_neox")
    for part in ("weight", "bias"):
        if f"score.{part}" in state:
            state[f"classifier.{part}"] = state.pop(f"score.{part}")
    return GPTNeoXConfig(**settings), state


def _by_head(qkv: Tensor, config: TransformerConfig) -> Tensor:
    """From (3 x heads x head, …) to the order of GPT-NeoX, (heads x 3 x head, …)."""
    return qkv.view(3, config.heads, config.head_width, *qkv.shape[1:]).transpose(0, 1).reshape(qkv.shape)


def _to_modernbert(model: Discriminator) -> tuple[Any, State]:
    from transformers import ModernBertConfig

    config = model.config
    window = config.window or config.context
    settings = {
        **shared_settings(config),
        "hidden_activation": GATED[config.activation],
        "norm_eps": config.norm_epsilon,
        "norm_bias": config.bias,
        "attention_bias": config.bias,
        "mlp_bias": config.bias,
        "layer_types": layer_types(config, config.layers),
        "rope_parameters": {"full_attention": rope(config), "sliding_attention": rope(config)},
        "local_attention": 2 * (window - 1),
        "num_labels": 1 + config.tags,
        "classifier_activation": "linear",
        "classifier_bias": False,
    }
    state: State = {"model.embeddings.tok_embeddings.weight": model.embedding.weight.detach()}
    width, stack = config.width, model.encoder
    put_norm(state, "model.embeddings.norm", stack.embedding_norm, width, with_bias=config.bias)
    for number, block in enumerate(stack.layers):
        name = f"model.layers.{number}"
        if number:
            put_norm(state, f"{name}.attn_norm", block.attention.before, width, with_bias=config.bias)
        put_norm(state, f"{name}.mlp_norm", block.feed_forward.before, width, with_bias=config.bias)
        attention, inner = block.attention.inner, block.feed_forward.inner
        put_linear(state, f"{name}.attn.Wqkv", attention.qkv.weight, attention.qkv.bias, with_bias=config.bias)
        put_linear(state, f"{name}.attn.Wo", attention.output.weight, attention.output.bias, with_bias=config.bias)
        (gate, gate_bias), (value, value_bias) = gate_and_value(inner)
        bias = None if gate_bias is None or value_bias is None else torch.cat([gate_bias, value_bias])
        put_linear(state, f"{name}.mlp.Wi", torch.cat([gate, value]), bias, with_bias=config.bias)
        put_linear(state, f"{name}.mlp.Wo", inner.down.weight, inner.down.bias, with_bias=config.bias)
    # The head norms once more after an idle map, which changes nothing: the final norm moves there, its place is plain.
    put_norm(state, "model.final_norm", None, width, with_bias=config.bias)
    state["head.dense.weight"] = torch.eye(width)
    put_norm(state, "head.norm", stack.final_norm, width, with_bias=config.bias)
    state["classifier.weight"] = torch.cat([model.error.weight, model.edit.weight]).detach()
    state["classifier.bias"] = torch.cat([model.error.bias, model.edit.bias]).detach()
    return ModernBertConfig(**settings), state


_CAUSAL, _TOKENS = "AutoModelForCausalLM", "AutoModelForTokenClassification"
_NO_WINDOW: dict[str, tuple[Any, ...]] = {"window": (None,)}
_LLAMA = {**_RMS_PRE, **_NO_WINDOW, "qk_norm": (False,), "activation": tuple(GATED)}
_QWEN3 = {**_RMS_PRE, "qk_norm": (True,), "activation": tuple(GATED), "bias": (False,)}
_NEOX = {
    **_ROTARY, **_NO_WINDOW, "norm": ("layer",), "norm_place": ("pre",), "qk_norm": (False,),
    "activation": tuple(PLAIN),
}  # fmt: skip
TARGETS = (
    Target(
        "NanoChatForCausalLM",
        "gpt",
        {
            **_RMS_PRE, **_NO_WINDOW, "qk_norm": (True,), "activation": tuple(PLAIN), "bias": (False,),
            "norm_gain": (False,), "embedding_norm": (True,),
        },
        _to_nanochat,
        _CAUSAL,
    ),
    Target("LlamaForCausalLM", "gpt", _LLAMA, _to_llama, _CAUSAL),
    Target(
        "MistralForCausalLM",
        "gpt",
        {**_LLAMA, **_ANY_WINDOW, "bias": (False,), "full_every": (None,)},
        _to_mistral,
        _CAUSAL,
    ),
    Target("Qwen3ForCausalLM", "gpt", _QWEN3, _to_qwen3, _CAUSAL),
    Target("GPTNeoXForCausalLM", "gpt", _NEOX, _to_neox, _CAUSAL),
    Target(
        "ModernBertForTokenClassification",
        "discriminator",
        {
            **_ROTARY, "norm": ("layer",), "norm_place": ("pre",), "qk_norm": (False,), "activation": tuple(GATED),
            "embedding_norm": (True,),
        },
        _to_modernbert,
        _TOKENS,
    ),
    Target("LlamaForTokenClassification", "discriminator", _LLAMA, _to_llama, _TOKENS),
    Target("Qwen3ForTokenClassification", "discriminator", _QWEN3, _to_qwen3, _TOKENS),
    Target("GPTNeoXForTokenClassification", "discriminator", _NEOX, _to_neox, _TOKENS),
)  # fmt: skip
