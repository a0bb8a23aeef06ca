"""A 🤗 model of Llama's or Qwen2's shape as one GGUF file, which llama.cpp and what is built on it open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from gatllm.errors import GatllmError
from gatllm.models.pretrained import GGUF
from gatllm.records import new_folder

_SHAPES = {"llama": "LLAMA", "qwen2": "QWEN2"}  # model_type → the name of the architecture in the gguf package
# How llama.cpp cuts text before it merges; a GGUF names the rule. Which tokenizer has which is told by its vocabulary.
_PRE_TOKENIZERS = {151_643: "qwen2", 49_152: "smollm"}
_NORMAL, _CONTROL = 1, 3


def export_gguf(model: Any, tokenizer: Any, folder: Path, *, replace: bool = False) -> str:
    """Write a model and its tokenizer as `model.gguf` in fp16 (vectors in fp32); return the architecture's name.

    Raises:
        GatllmError: the model has another shape, its tokenizer is not a byte-level BPE, the folder exists, or the
            gguf package is missing.
    """
    try:
        import gguf
    except ImportError:
        raise GatllmError("a GGUF file needs the gguf package", "pip install 'gatllm[chat]'") from None
    config = model.config
    if config.model_type not in _SHAPES:
        raise GatllmError(
            f"a {config.model_type} can't become a GGUF file here", f"models of {' or '.join(_SHAPES)} can"
        )
    arch = getattr(gguf.MODEL_ARCH, _SHAPES[config.model_type])
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    with new_folder(folder, replace=replace) as temporary:
        writer = gguf.GGUFWriter(temporary / GGUF, gguf.MODEL_ARCH_NAMES[arch])
        _write_sizes(writer, config)
        _write_tokenizer(writer, json.loads(tokenizer.backend_tokenizer.to_str()), tokenizer, config)
        for name, tensor in model.state_dict().items():
            if name == "lm_head.weight" and config.tie_word_embeddings:
                continue
            known = names.get_name(name, try_suffixes=(".weight", ".bias"))
            if known is None:
                raise GatllmError(f"GGUF has no place for {name}", "this model can't become a GGUF file")
            values = _in_order(name, tensor.detach().float().cpu(), config)
            writer.add_tensor(known, (values.half() if values.ndim > 1 else values).numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return str(gguf.MODEL_ARCH_NAMES[arch])


def _write_sizes(writer: Any, config: Any) -> None:
    rotary: dict[str, Any] = getattr(config, "rope_parameters", None) or {}
    base: Any = rotary.get("rope_theta") or getattr(config, "rope_theta", 10_000.0)
    writer.add_name(config.model_type)
    writer.add_file_type(1)  # mostly fp16
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(float(base))
    writer.add_vocab_size(config.vocab_size)
    if config.model_type == "llama":
        writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)


def _write_tokenizer(writer: Any, description: dict[str, Any], tokenizer: Any, config: Any) -> None:
    inner = description["model"]
    if inner["type"] != "BPE" or "ByteLevel" not in json.dumps(description["pre_tokenizer"]):
        raise GatllmError("only byte-level BPE tokenizers are written to GGUF", "export the folder instead")
    added = {one["id"]: one["content"] for one in description["added_tokens"] if one["special"]}
    names = {index: name for name, index in inner["vocab"].items()}
    names |= {one["id"]: one["content"] for one in description["added_tokens"]}
    tokens = [names.get(index, f"[PAD{index}]") for index in range(config.vocab_size)]
    merges = [one if isinstance(one, str) else " ".join(one) for one in inner["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_PRE_TOKENIZERS.get(len(inner["vocab"]), "gpt-2"))
    writer.add_token_list(tokens)
    unused = set(range(config.vocab_size)) - names.keys()
    writer.add_token_types([_CONTROL if index in added or index in unused else _NORMAL for index in range(len(tokens))])
    writer.add_token_merges(merges)
    for kind in ("bos", "eos", "pad"):
        index = getattr(tokenizer, f"{kind}_token_id")
        if index is not None:
            getattr(writer, f"add_{kind}_token_id")(index)
    writer.add_add_bos_token(False)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _in_order(name: str, tensor: Tensor, config: Any) -> Tensor:
    """Return a tensor as llama.cpp multiplies it: its Llama turns neighbours, 🤗's turns the halves of each head."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    part = next((count for key, count in heads.items() if key in name), 0)
    if config.model_type != "llama" or not part:
        return tensor
    width = tensor.shape[0] // part // 2
    return tensor.reshape(part, 2, width, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)
