"""``gatllm finetune``: a pretrained model learns from your text, questions and answers, or conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from gatllm.cli.console import note, print_json, progress_report, table
from gatllm.cli.options import Quiet
from gatllm.cli.train import parse_overrides, show_event
from gatllm.errors import UsageError

_TEXTS = (".txt", ".md", ".rst", ".py")


def finetune(
    model: str,
    data: Path,
    *,
    out: Path | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    minutes: float | None = None,
    adapter: Literal["none", "lora"] = "none",
    batch: int = 4,
    block: int | None = None,
    lr: float | None = None,
    seed: int = 1337,
    set_: Annotated[list[str] | None, Parameter(name=["--set", "-s"], negative="")] = None,
    prompt: str = "",
    quiet: Quiet = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Train a pretrained model further; the same command resumes a run that was interrupted.

    It is the short form of a recipe with model.kind = "pretrained": the run folder has log, checkpoints, curves and
    report, and every command takes it.

    Parameters
    ----------
    model
        A hub id, a folder or a GGUF file of a causal language model; smollm2 and qwen-coder are fetched by their hash.
    data
        A text file, or a dataset folder, JSON, JSONL, CSV or Parquet table of questions and answers or conversations,
        of which the answers alone are learnt.
    out
        The run folder; runs/MODEL-DATA by default.
    steps
        Updates.
    epochs
        Times through the data; 3 where no budget is given.
    minutes
        Time budget.
    adapter
        none trains all weights, lora a low-rank adapter on the frozen model.
    batch
        Rows of an update.
    block
        Tokens of a row; 512, or what the model reads.
    lr
        The highest learning rate; 5e-5, with lora 2e-4.
    seed
        The seed that everything random derives from.
    set_
        KEY=VALUE over the recipe, for example --set model.rank=8; may be repeated.
    prompt
        Let the finished model go on with this text (or answer it), as a sample.
    json
        Print the numbers as JSON.
    """
    from gatllm.training import Recipe

    given = {"steps": steps, "epochs": epochs, "minutes": minutes}
    budgets = {key: value for key, value in given.items() if value is not None} or {"epochs": 3.0}
    if len(budgets) > 1:
        raise UsageError("--steps, --epochs and --minutes exclude each other", "give one of them")
    chat = data.suffix.lower() not in _TEXTS
    size: dict[str, Any] = {} if block is None else {"context": block}
    values: dict[str, Any] = {
        "name": f"{Path(model).name.rsplit('.gguf', 1)[0]}-{data.stem}",
        "objective": "chat" if chat else "causal",
        "seed": seed,
        "data": {"source": str(data)},
        "model": {"kind": "pretrained", "base": model, "adapter": adapter, **size},
        "train": {
            **budgets,
            "batch": batch,
            "optimizer": "adamw",
            "lr": lr if lr is not None else 2e-4 if adapter == "lora" else 5e-5,
            "betas": [0.9, 0.999],
            "weight_decay": 0.01,
            "warmup": 0.1,
            "select": "best",
            "evaluations": 10,
            "samples": 2,
            "checkpoints": 5,
            "keep": 1,
        },
    }
    wanted = Recipe.of(values, parse_overrides(set_ or []))
    from gatllm.training import train as train_run  # it loads torch

    folder = out or Path("runs") / wanted.name
    with progress_report(quiet=quiet) as report:
        run = train_run(wanted, folder, report=report, observe=lambda e, f: show_event(e, f, quiet=quiet or json))
    sample = _sample(folder, prompt, chat=chat) if prompt else ""
    if json:
        print_json({"run": str(run.path), "metrics": run.metrics, "sample": sample})
        return
    from gatllm.training.report import rows, summary, verdict

    table(str(run.path), ("what", "value"), rows(summary(run)))
    note(f"{verdict(summary(run)).replace('**', '')} See {run.path / 'report' / 'report.md'}")
    if prompt:
        print(sample if chat else prompt + sample)


def _sample(folder: Path, prompt: str, *, chat: bool) -> str:
    from gatllm.models import ChatOptions
    from gatllm.models.tuned import load_lm

    lm, options = load_lm(folder), ChatOptions(max_new_tokens=60)
    answers = lm.generate([[{"role": "user", "content": prompt}]], options) if chat else lm.complete([prompt], options)
    return answers[0].text
