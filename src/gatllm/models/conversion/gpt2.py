"""GPT-2 weights as a native GPT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.models.build import build
from gatllm.models.config import GPTConfig
from gatllm.models.gpt import GPT
from gatllm.models.weights import put_weights

_ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}
_PARTS = {
    "attn.c_attn": "attention.inner.qkv",
    "attn.c_proj": "attention.inner.output",
    "mlp.c_fc": "feed_forward.inner.up",
    "mlp.c_proj": "feed_forward.inner.down",
    "ln_1": "attention.before",
    "ln_2": "feed_forward.before",
}


def import_gpt2(where: str | Path | Any) -> GPT:
    """Return the native GPT with the weights of a GPT-2.

    Args:
        where: a 🤗 folder or hub id, or a `GPT2LMHeadModel`.

    Raises:
        GatllmError: it can't be read, or is not a GPT-2.
    """
    source = _read(where) if isinstance(where, str | Path) else where
    old = source.config
    if old.model_type != "gpt2" or old.activation_function not in _ACTIVATIONS or not old.scale_attn_weights:
        raise GatllmError(f"this {old.model_type} is not a plain GPT-2", "name a GPT-2")
    config = GPTConfig(
        vocabulary=old.vocab_size,
        context=old.n_positions,
        layers=old.n_layer,
        heads=old.n_head,
        width=old.n_embd,
        feed_forward=old.n_inner,
        dropout=old.resid_pdrop,
        positions="learned",
        norm="layer",
        norm_gain=True,
        norm_epsilon=old.layer_norm_epsilon,
        embedding_norm=False,
        activation=_ACTIVATIONS[old.activation_function],
        bias=True,
        qk_norm=False,
        initialisation="gpt2",
        tied=old.tie_word_embeddings,
    )
    weights = source.state_dict()
    state = {
        "embedding.weight": weights["transformer.wte.weight"],
        "decoder.positions.weight": weights["transformer.wpe.weight"],
        "decoder.final_norm.weight": weights["transformer.ln_f.weight"],
        "decoder.final_norm.bias": weights["transformer.ln_f.bias"],
    }
    if not config.tied:
        state["head.weight"] = weights["lm_head.weight"]
    for number in range(config.layers):
        for theirs, ours in _PARTS.items():
            weight = weights[f"transformer.h.{number}.{theirs}.weight"]
            # GPT-2 keeps its matrices the other way round.
            state[f"decoder.blocks.{number}.{ours}.weight"] = weight.t().contiguous() if weight.dim() == 2 else weight
            state[f"decoder.blocks.{number}.{ours}.bias"] = weights[f"transformer.h.{number}.{theirs}.bias"]
    model = build(config)
    put_weights(model, state, "the GPT-2")
    return model.eval()


def _read(where: str | Path) -> Any:
    from transformers import AutoModelForCausalLM

    try:
        return AutoModelForCausalLM.from_pretrained(where, use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip().splitlines() or ["?"])[0]
        raise GatllmError(f"can't read {where}: {reason[:200]}", "name a 🤗 folder or hub id") from None
