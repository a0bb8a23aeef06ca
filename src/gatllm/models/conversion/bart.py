"""Models with added positions: GPT-2, BERT, and the encoder-decoders BART and Blenderbot."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gatllm.models.config import TransformerConfig
from gatllm.models.conversion.target import PLAIN, State, Target, put_attention, put_linear, put_norm, split_linear
from gatllm.models.discriminator import Discriminator
from gatllm.models.gpt import GPT
from gatllm.models.layers import Block
from gatllm.models.seq2seq import Seq2Seq
from gatllm.models.stack import Stack


def _positions(stack: Stack) -> Tensor:
    """Return the position vectors (context, width), learned or sinusoidal."""
    if stack.positions is None:
        raise ValueError("no added positions")
    return stack.positions.weight.detach()


def _to_gpt2(model: GPT) -> tuple[Any, State]:
    from transformers import GPT2Config

    config, stack = model.config, model.decoder
    settings = GPT2Config(
        vocab_size=config.vocabulary,
        n_positions=config.context,
        n_embd=config.width,
        n_layer=config.layers,
        n_head=config.heads,
        n_inner=config.hidden_width,
        activation_function=PLAIN[config.activation],
        resid_pdrop=config.dropout,
        embd_pdrop=config.dropout,
        attn_pdrop=0.0,
        layer_norm_epsilon=config.norm_epsilon,
        tie_word_embeddings=config.tied,
    )
    state: State = {
        "transformer.wte.weight": model.embedding.weight.detach(),
        "transformer.wpe.weight": _positions(stack),
        "lm_head.weight": model.output_weight.detach(),
    }
    for number, block in enumerate(stack.layers):
        name = f"transformer.h.{number}"
        put_norm(state, f"{name}.ln_1", block.attention.before, config.width, with_bias=True)
        put_norm(state, f"{name}.ln_2", block.feed_forward.before, config.width, with_bias=True)
        attention, inner = block.attention.inner, block.feed_forward.inner
        for part, linear in (
            ("attn.c_attn", attention.qkv),
            ("attn.c_proj", attention.output),
            ("mlp.c_fc", inner.up),
            ("mlp.c_proj", inner.down),
        ):
            put_linear(state, f"{name}.{part}", linear.weight, linear.bias, with_bias=True)
            # GPT-2 keeps its matrices the other way round.
            state[f"{name}.{part}.weight"] = state[f"{name}.{part}.weight"].t().contiguous()
    put_norm(state, "transformer.ln_f", stack.final_norm, config.width, with_bias=True)
    return settings, state


def _to_bert(model: Discriminator) -> tuple[Any, State]:
    from transformers import BertConfig

    config, stack, width = model.config, model.encoder, model.config.width
    settings = BertConfig(
        vocab_size=config.vocabulary,
        hidden_size=width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=config.hidden_width,
        hidden_act=PLAIN[config.activation],
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=0.0,
        classifier_dropout=0.0,
        max_position_embeddings=config.context,
        type_vocab_size=1,
        layer_norm_eps=config.norm_epsilon,
        num_labels=1 + config.tags,
    )
    state: State = {
        "bert.embeddings.word_embeddings.weight": model.embedding.weight.detach(),
        "bert.embeddings.position_embeddings.weight": _positions(stack),
        "bert.embeddings.token_type_embeddings.weight": torch.zeros(1, width),
        "classifier.weight": torch.cat([model.error.weight, model.edit.weight]).detach(),
        "classifier.bias": torch.cat([model.error.bias, model.edit.bias]).detach(),
    }
    put_norm(state, "bert.embeddings.LayerNorm", stack.embedding_norm, width, with_bias=True)
    for number, block in enumerate(stack.layers):
        name = f"bert.encoder.layer.{number}"
        attention, inner = block.attention.inner, block.feed_forward.inner
        for part, (weight, bias) in zip(("query", "key", "value"), split_linear(attention.qkv, 3), strict=True):
            put_linear(state, f"{name}.attention.self.{part}", weight, bias, with_bias=True)
        put_linear(
            state, f"{name}.attention.output.dense", attention.output.weight, attention.output.bias, with_bias=True
        )
        put_norm(state, f"{name}.attention.output.LayerNorm", block.attention.after, width, with_bias=True)
        put_linear(state, f"{name}.intermediate.dense", inner.up.weight, inner.up.bias, with_bias=True)
        put_linear(state, f"{name}.output.dense", inner.down.weight, inner.down.bias, with_bias=True)
        put_norm(state, f"{name}.output.LayerNorm", block.feed_forward.after, width, with_bias=True)
    return settings, state


def _put_stack(state: State, name: str, stack: Stack, config: TransformerConfig, offset: int) -> None:
    table = _positions(stack)
    state[f"{name}.embed_positions.weight"] = torch.cat([torch.zeros(offset, table.shape[1]), table])
    for number, block in enumerate(stack.layers):
        _put_block(state, f"{name}.layers.{number}", block, config)


def _put_block(state: State, name: str, block: Block, config: TransformerConfig) -> None:
    post = config.norm_place == "post"

    def norm_of(branch: Any) -> Any:
        return branch.after if post else branch.before

    width = config.width
    put_attention(state, f"{name}.self_attn", block.attention.inner, with_bias=True, output="out_proj")
    put_norm(state, f"{name}.self_attn_layer_norm", norm_of(block.attention), width, with_bias=True)
    if block.cross is not None:
        put_attention(state, f"{name}.encoder_attn", block.cross.inner, with_bias=True, output="out_proj")
        put_norm(state, f"{name}.encoder_attn_layer_norm", norm_of(block.cross), width, with_bias=True)
    inner = block.feed_forward.inner
    put_linear(state, f"{name}.fc1", inner.up.weight, inner.up.bias, with_bias=True)
    put_linear(state, f"{name}.fc2", inner.down.weight, inner.down.bias, with_bias=True)
    put_norm(state, f"{name}.final_layer_norm", norm_of(block.feed_forward), width, with_bias=True)


def _generator_settings(model: Seq2Seq) -> dict[str, Any]:
    config = model.config
    return {
        "vocab_size": config.vocabulary,
        "max_position_embeddings": max(config.context, config.source_context or config.context),
        "encoder_layers": config.layers,
        "decoder_layers": config.decoder_layers or config.layers,
        "encoder_ffn_dim": config.hidden_width,
        "decoder_ffn_dim": config.hidden_width,
        "encoder_attention_heads": config.heads,
        "decoder_attention_heads": config.heads,
        "d_model": config.width,
        "activation_function": PLAIN[config.activation],
        "dropout": config.dropout,
        "scale_embedding": False,
        "tie_word_embeddings": True,
        "forced_eos_token_id": None,
    }


def _generator_state(model: Seq2Seq, offset: int) -> State:
    table = model.embedding.weight.detach()
    state: State = {
        "model.shared.weight": table,
        "model.encoder.embed_tokens.weight": table,
        "model.decoder.embed_tokens.weight": table,
        "lm_head.weight": table,
        "final_logits_bias": torch.zeros(1, table.shape[0]),
    }
    _put_stack(state, "model.encoder", model.encoder, model.config, offset)
    _put_stack(state, "model.decoder", model.decoder, model.config, offset)
    return state


def _to_bart(model: Seq2Seq) -> tuple[Any, State]:
    from transformers import BartConfig

    state, width = _generator_state(model, offset=2), model.config.width
    put_norm(state, "model.encoder.layernorm_embedding", model.encoder.embedding_norm, width, with_bias=True)
    put_norm(state, "model.decoder.layernorm_embedding", model.decoder.embedding_norm, width, with_bias=True)
    return BartConfig(**_generator_settings(model)), state


def _to_blenderbot(model: Seq2Seq) -> tuple[Any, State]:
    from transformers import BlenderbotConfig

    state, width = _generator_state(model, offset=0), model.config.width
    put_norm(state, "model.encoder.layer_norm", model.encoder.final_norm, width, with_bias=True)
    put_norm(state, "model.decoder.layer_norm", model.decoder.final_norm, width, with_bias=True)
    return BlenderbotConfig(**_generator_settings(model), encoder_no_repeat_ngram_size=0), state


_ADDED: dict[str, tuple[Any, ...]] = {
    "positions": ("learned", "sinusoidal"), "norm": ("layer",), "qk_norm": (False,), "activation": tuple(PLAIN),
    "window": (None,),
}  # fmt: skip
# Both are written with the epsilon that PyTorch gives a layer norm.
_GENERATOR: dict[str, tuple[Any, ...]] = {
    **_ADDED, "tied": (True,), "norm_epsilon": (1e-5,), "cross_window": (None,),
}  # fmt: skip
TARGETS = (
    Target(
        "GPT2LMHeadModel",
        "gpt",
        {**_ADDED, "norm_place": ("pre",), "embedding_norm": (False,)},
        _to_gpt2,
        "AutoModelForCausalLM",
    ),
    Target(
        "BertForTokenClassification",
        "discriminator",
        {**_ADDED, "norm_place": ("post",), "embedding_norm": (True,)},
        _to_bert,
        "AutoModelForTokenClassification",
    ),
    Target(
        "BlenderbotForConditionalGeneration",
        "seq2seq",
        {**_GENERATOR, "norm_place": ("pre",), "embedding_norm": (False,)},
        _to_blenderbot,
        "AutoModelForSeq2SeqLM",
    ),
    Target(
        "BartForConditionalGeneration",
        "seq2seq",
        {**_GENERATOR, "norm_place": ("post",), "embedding_norm": (True,)},
        _to_bart,
        "AutoModelForSeq2SeqLM",
    ),
)
