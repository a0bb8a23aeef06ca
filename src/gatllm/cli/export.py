"""``gatllm export``: a trained model for the rest of the ecosystem."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Literal

from gatllm.cli.console import note, print_json
from gatllm.cli.options import RunFolder
from gatllm.errors import UsageError


def export(
    run: RunFolder,
    *,
    out: Path | None = None,
    form: Literal["merged", "adapter", "gguf"] = "merged",
    replace: bool = False,
    json: bool = False,
) -> None:
    """Write a trained model as a folder that 🤗 Transformers loads, with equal logits, or as a GGUF file.

    Parameters
    ----------
    out
        The new folder; RUN/export by default.
    form
        Of a pretrained model that was trained further: merged is the whole model, adapter what peft puts on its base,
        gguf a file for llama.cpp (models of Llama's or Qwen2's shape, in fp16).
    replace
        Write over a folder that is already there.
    json
        Print what it became as JSON.
    """
    from gatllm.models import load_run
    from gatllm.models.conversion import export as export_model
    from gatllm.models.tuned import is_tuned

    folder = out or run / "export"
    if is_tuned(run):
        name, how = _export_tuned(run, folder, form, replace=replace)
        if json:
            print_json({"folder": str(folder), "architecture": name, "load_with": how})
        else:
            note(f"{folder}: {name}, load it with {how}")
        return
    if form != "merged":
        raise UsageError(f"{run} was trained from nothing: it has no {form} form", "leave out --form")
    loaded = load_run(run)
    target = export_model(loaded.model, loaded.tokenizer, folder, replace=replace)
    if json:
        print_json({"folder": str(folder), "architecture": target.name, "load_with": target.auto})
    else:
        note(f"{folder}: {target.name}, load it with transformers.{target.auto}.from_pretrained")


def _export_tuned(run: Path, folder: Path, form: str, *, replace: bool) -> tuple[str, str]:
    """Write a pretrained model that was trained further; return what it became, and how it is loaded."""
    from gatllm.models.conversion.gguf_file import export_gguf
    from gatllm.models.pretrained import GGUF
    from gatllm.models.tuned import export_adapter, load_lm, plain_template

    if form == "adapter":
        base = export_adapter(run, folder, replace=replace)
        return f"an adapter for {base}", "peft.AutoPeftModelForCausalLM.from_pretrained"
    lm = load_lm(run, dtype="float32")
    if (template := plain_template(run)) is not None:
        lm.tokenizer = copy(lm.tokenizer)  # the base's own stays as it is
        lm.tokenizer.chat_template = template
    if form == "gguf":
        name = export_gguf(lm.model, lm.tokenizer, folder, replace=replace)
        return f"a GGUF file of architecture {name}", f"llama.cpp: {GGUF}"
    lm.save(folder, replace=replace)
    return type(lm.model).__name__, "transformers.AutoModelForCausalLM.from_pretrained"
