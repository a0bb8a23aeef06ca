"""``gatllm export``: a trained model for the rest of the ecosystem."""

from __future__ import annotations

from pathlib import Path

from gatllm.cli.console import note, print_json
from gatllm.cli.options import RunFolder


def export(run: RunFolder, *, out: Path | None = None, replace: bool = False, json: bool = False) -> None:
    """Write a trained model as a folder that 🤗 Transformers loads, with equal logits.

    Parameters
    ----------
    out
        The new folder; RUN/export by default.
    replace
        Write over a folder that is already there.
    json
        Print what it became as JSON.
    """
    from gatllm.models import load_run
    from gatllm.models.conversion import export as export_model
    from gatllm.models.tuned import is_tuned, load_lm

    folder = out or run / "export"
    if is_tuned(run):
        lm = load_lm(run, dtype="float32")
        lm.save(folder, replace=replace)
        name = type(lm.model).__name__
        if json:
            print_json({"folder": str(folder), "architecture": name, "load_with": "AutoModelForCausalLM"})
        else:
            note(f"{folder}: {name}, load it with transformers.AutoModelForCausalLM.from_pretrained")
        return
    loaded = load_run(run)
    target = export_model(loaded.model, loaded.tokenizer, folder, replace=replace)
    if json:
        print_json({"folder": str(folder), "architecture": target.name, "load_with": target.auto})
    else:
        note(f"{folder}: {target.name}, load it with transformers.{target.auto}.from_pretrained")
