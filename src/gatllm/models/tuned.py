"""A pretrained language model in training: whole, or frozen under a low-rank adapter (LoRA, Hu et al. 2022)."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.models.chat_format import PLAIN_TEMPLATE
from gatllm.models.device import choose_device
from gatllm.models.fingerprint import weights_root
from gatllm.models.pretrained import GGUF, PretrainedLM, best_dtype
from gatllm.models.run import read_recipe
from gatllm.models.weights import load_weights, put_weights, save_weights
from gatllm.progress import Report, silent
from gatllm.records import new_folder, write_file
from gatllm.tokenizers import Pretrained

KIND = "pretrained"
WEIGHTS = "model.safetensors"
_CONTEXT = 512  # tokens of a row where the recipe names none and the model has room for more
_PLAIN_HEADS = ("gpt2", "llama", "qwen2")  # their logits are the output projection of the states, and nothing else
_NAMES = {"smollm2": True, "qwen-coder": False}  # the shipped-by-hash models: whether it is the small one


class PretrainedConfig(BaseModel):
    """The ``[model]`` table of a recipe that trains a pretrained model further."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["pretrained"] = "pretrained"
    base: str = Field(description="hub id, 🤗 folder, GGUF file, smollm2 or qwen-coder")
    base_root: str = Field("", description="Merkle root of the base's weights, set when the run begins")
    vocabulary: Annotated[int, Field(ge=1)] = 1
    context: Annotated[int, Field(ge=2)] = _CONTEXT
    adapter: Literal["none", "lora"] = Field("none", description="train all weights, or a low-rank adapter alone")
    rank: Annotated[int, Field(ge=1)] = Field(16, description="of the adapter's matrices")
    alpha: float = Field(32.0, gt=0, description="the adapter counts alpha / rank times")
    dropout: float = Field(0.0, ge=0, lt=1, description="on the adapter's inputs")
    targets: tuple[str, ...] = Field((), description="linear maps that get an adapter; none: all inside the blocks")
    checkpointing: bool = Field(False, description="compute activations again in the backward pass: less memory")


class TunedLM(nn.Module):
    """A 🤗 causal language model as the loop wants it: tokens in, logits out; its state is what is trained."""

    def __init__(self, lm: Any, config: PretrainedConfig) -> None:
        super().__init__()
        self.lm, self.config = lm, config

    def forward(
        self,
        tokens: Tensor,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
        wanted: Tensor | None = None,
    ) -> Tensor:
        """Return logits (batch, tokens, vocabulary) of the token after each of ``tokens`` (batch, tokens).

        Args:
            tokens: ids.
            mask: (batch, 1, tokens, tokens), true where a token (row) sees another (column); none: all before it.
            positions: (batch, tokens), counted from the beginning of each text in a row.
            wanted: (batch, tokens), true where logits are wanted: they alone are returned (wanted, vocabulary). With a
                vocabulary of 49,000 the others are a tenth of the work or more.
        """
        if wanted is not None:
            inner = self.lm if self.config.adapter == "none" else self.lm.get_base_model()
            if inner.config.model_type in _PLAIN_HEADS:
                states = inner.get_decoder()(
                    input_ids=tokens, attention_mask=mask, position_ids=positions, use_cache=False
                ).last_hidden_state
                chosen: Tensor = inner.get_output_embeddings()(states[wanted])
                return chosen
            return self(tokens, mask, positions)[wanted]  # type: ignore[no-any-return]
        logits: Tensor = self.lm(input_ids=tokens, attention_mask=mask, position_ids=positions, use_cache=False).logits
        return logits

    def state_dict(self, *_: Any, **__: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return what is trained, under the names that 🤗 Transformers (or peft) reads."""
        if self.config.adapter == "none":
            return dict(self.lm.state_dict())
        from peft import get_peft_model_state_dict

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of embeddings among the targets, which are to be saved
            return dict(get_peft_model_state_dict(self.lm))

    def load_state_dict(self, state_dict: Mapping[str, Any], *_: Any, **__: Any) -> Any:
        """Take what `state_dict` gave."""
        if self.config.adapter == "none":
            return self.lm.load_state_dict(state_dict)
        from peft import set_peft_model_state_dict

        return set_peft_model_state_dict(self.lm, dict(state_dict))

    def merged(self) -> Any:
        """Return the 🤗 model with the adapter in its weights."""
        return self.lm if self.config.adapter == "none" else self.lm.merge_and_unload()


@lru_cache(maxsize=1)
def open_base(base: str) -> PretrainedLM:
    """Return the model that a recipe begins with, in fp32 on the processor; the last one is kept.

    Raises:
        GatllmError: there is no such model.
    """
    if base in _NAMES and not Path(base).exists():
        return PretrainedLM.load(None, small=_NAMES[base], dtype="float32", device="cpu")
    return PretrainedLM.load(base, dtype="float32", device="cpu")


def base_tokenizer(base: str) -> Pretrained:
    """Return the base's own tokenizer, as a run keeps it."""
    return Pretrained.from_json(open_base(base).tokenizer.backend_tokenizer.to_str())


def positions_of(base: str) -> int:
    """Return how many tokens a row of the base may have."""
    return int(getattr(open_base(base).model.config, "max_position_embeddings", None) or _CONTEXT)


def resolve(values: Mapping[str, Any]) -> PretrainedConfig:
    """Return the configuration with what follows from the base.

    Raises:
        UsageError: a row has more tokens than the base has positions.
    """
    lm = open_base(str(values["base"]))
    positions = positions_of(str(values["base"]))
    given = {"context": min(_CONTEXT, positions), **values}
    if int(given["context"]) > positions:
        raise UsageError(
            f"{values['base']} reads {positions} tokens, not {given['context']}",
            f"set model.context to {positions}",
        )
    size = int(lm.model.get_input_embeddings().weight.shape[0])
    given |= {"vocabulary": size, "base_root": weights_root(lm.model.state_dict())}
    return PretrainedConfig.model_validate(given)


def build_tuned(config: PretrainedConfig, *, seed: int, dtype: str = "auto") -> TunedLM:
    """Return the base with its adapter; what the adapter begins with follows from ``seed``.

    ``dtype`` is that of a frozen base.

    Raises:
        VerificationError: the base is not the one that the run began with.
        GatllmError: peft is missing, or there is no such linear map.
    """
    import torch

    lm = copy.deepcopy(open_base(config.base).model)
    if config.base_root and weights_root(lm.state_dict()) != config.base_root:
        raise VerificationError(f"{config.base} is not the model that this run began with", "restore it")
    if config.checkpointing:
        lm.gradient_checkpointing_enable()
    if config.adapter == "none":
        return TunedLM(lm.float(), config)
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise GatllmError("an adapter needs peft", "pip install 'gatllm[lora]'") from None
    _check_targets(lm, config)
    lm = lm.to(best_dtype(dtype, "cpu"))  # it stays as it is: bf16 is exact enough where the processor multiplies it
    if config.checkpointing:
        lm.enable_input_require_grads()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by names that will change
        torch.manual_seed(seed)
        wanted = LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,  # type: ignore[arg-type]
            lora_dropout=config.dropout,
            target_modules=list(config.targets) or "all-linear",
            fan_in_fan_out=lm.config.model_type == "gpt2",  # its linear maps are stored the other way round
            task_type="CAUSAL_LM",
        )
        try:
            return TunedLM(get_peft_model(lm, wanted), config)
        except ValueError as error:
            raise GatllmError(
                f"no adapter for {config.base}: {str(error).splitlines()[0]}", "name model.targets"
            ) from None


def _check_targets(lm: Any, config: PretrainedConfig) -> None:
    """Refuse targets that the model lacks: of several peft passes over those without a word.

    Raises:
        GatllmError: one of them names no linear map.
    """
    from torch.nn import Linear, Module
    from transformers.pytorch_utils import Conv1D

    inside: dict[str, Module] = dict(lm.named_modules())
    linear = [name for name, module in inside.items() if isinstance(module, Linear | Conv1D)]
    for target in config.targets:
        if not any(name == target or name.endswith(f".{target}") for name in linear):
            known = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
            raise GatllmError(f"no adapter for {config.base}: it has no linear map named {target}", f"it has {known}")


def companions(model: nn.Module) -> dict[str, str]:
    """Return the files that make a run folder one that 🤗 Transformers (or peft) opens: file name → text.

    None for a model that is not one of theirs.
    """
    if not isinstance(model, TunedLM):
        return {}
    tokenizer = open_base(model.config.base).tokenizer
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        if model.config.adapter == "none":
            model.lm.config.save_pretrained(folder)
            if model.lm.generation_config is not None:
                model.lm.generation_config.save_pretrained(folder)
        else:
            model.lm.peft_config["default"].save_pretrained(folder)
        files = {path.name: path.read_text(encoding="utf-8") for path in sorted(Path(folder).iterdir())}
    files.pop("tokenizer.json", None)  # the run has its own
    return files


def open_lm(model: str, *, report: Report = silent) -> PretrainedLM:
    """Open a model as a command names it: smollm2, qwen-coder, default, or whatever `load_lm` takes.

    Raises:
        GatllmError: there is no such model.
    """
    if model in _NAMES and not Path(model).exists():
        return PretrainedLM.load(None, small=_NAMES[model], report=report)
    return load_lm(None if model == "default" else model, report=report)


def load_lm(
    where: str | Path | None = None,
    *,
    dtype: str = "auto",
    device: str = "auto",
    max_context: int = 8192,
    report: Report = silent,
) -> PretrainedLM:
    """Open a pretrained model as `PretrainedLM.load` does, or the run folder of one that was trained further.

    Raises:
        GatllmError: weights or base are missing or damaged.
    """
    options: dict[str, Any] = {"dtype": dtype, "device": device, "max_context": max_context, "report": report}
    table = _table(where)
    if table is None or table.adapter == "none":  # such a run is itself a folder of Transformers
        return PretrainedLM.load(where, **options)
    run = Path(str(where))
    merged = read_tuned(run).merged().to(choose_device(device), best_dtype(dtype, str(choose_device(device))))
    return PretrainedLM(merged, open_base(table.base).tokenizer, run.name, max_context=max_context)


def read_tuned(run: str | Path) -> TunedLM:
    """Return the model of a run as it was trained, the adapter beside its base; a frozen base is in fp32.

    Raises:
        GatllmError: it is no such run, or its weights or its base are missing or damaged.
    """
    table = _table(run)
    if table is None:
        raise GatllmError(f"{run} is not a run of a pretrained model", "name one that gatllm finetune made")
    model = build_tuned(table, seed=0, dtype="float32")  # merged in fp32: the same sums wherever it is opened
    file = Path(run) / WEIGHTS
    put_weights(model, load_weights(file), str(file))
    return model


def export_adapter(run: Path, folder: Path, *, replace: bool = False) -> str:
    """Write the adapter of a run as a folder that peft opens on its base, and return what the base is called.

    Raises:
        UsageError: the run has no adapter.
    """
    table = _table(run)
    if table is None or table.adapter == "none":
        raise UsageError(f"{run} has no adapter: all its weights were trained", "export it merged")
    with new_folder(folder, replace=replace) as temporary:
        save_weights(temporary / "adapter_model.safetensors", load_weights(run / WEIGHTS))
        for file in sorted(run.iterdir()):
            if file.suffix in (".json", ".jinja") and not file.name.startswith(("proof", "plan")):
                shutil.copyfile(file, temporary / file.name)
        if (template := plain_template(run)) is not None:
            write_file(temporary / "chat_template.jinja", template)
        about = temporary / "adapter_config.json"
        named = json.loads(about.read_text(encoding="utf-8"))
        named["base_model_name_or_path"] = named.get("base_model_name_or_path") or table.base
        about.write_text(json.dumps(named, indent=2) + "\n", encoding="utf-8")
    return str(named["base_model_name_or_path"])


def plain_template(run: str | Path) -> str | None:
    """Return the chat template that an export needs where the base has none and conversations were learnt.

    Without it nobody could tell from the export how it was asked in training.
    """
    table = _table(run)
    if table is None or read_recipe(Path(run))["objective"] == "causal":
        return None
    return None if open_base(table.base).tokenizer.chat_template else PLAIN_TEMPLATE


def is_tuned(run: str | Path) -> bool:
    """Tell whether a folder is a run of a pretrained model."""
    return _table(run) is not None


def is_pretrained(where: str | Path) -> bool:
    """Tell whether a file or folder is what `load_lm` opens: such a run, or a 🤗, peft or GGUF model."""
    place = Path(where)
    if (place / "recipe.toml").is_file():
        return is_tuned(place)
    files = ("config.json", "adapter_config.json", GGUF)
    return (place.suffix == ".gguf" and place.is_file()) or any((place / name).is_file() for name in files)


def _table(where: str | Path | None) -> PretrainedConfig | None:
    if where is None or not (Path(where) / "recipe.toml").is_file():
        return None
    table = read_recipe(Path(where))["model"]
    return PretrainedConfig.model_validate(table) if table.get("kind") == KIND else None
