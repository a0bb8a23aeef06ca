"""Questions and answers in a JSON file, in; a model that answers, out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gatllm.data import build
from gatllm.errors import UsageError
from gatllm.progress import Report, silent
from gatllm.training.recipe import Recipe
from gatllm.training.training import train


class TextGeneration:
    """An encoder-decoder trained on question/answer pairs.

    Args:
        pairs: a file in one of the forms that `gatllm data build` reads: JSON ``{"training_data": [{"input",
            "output"}]}`` or ``{"question": "answer"}``, JSONL, a Parquet table. About a tenth validates.
        out: the run folder; the dataset goes beside it, as ``OUT-data``. The same call goes on with a run that was
            interrupted, and loads one that is finished.
        report: told how far it is.
        keys: override keys of the recipe; two underscores stand for the dot: ``train__steps=2000``.

    Raises:
        UsageError: the file is missing or has no pairs, or a key is unknown.
        GatllmError: there are too few pairs (20 are not always enough to hold one back), or training fails.
    """

    def __init__(
        self,
        pairs: str | Path,
        out: str | Path = "runs/text-generation",
        *,
        report: Report = silent,
        **keys: Any,
    ) -> None:
        from gatllm.models import Seq2Seq, load_run

        self.path = Path(out)
        dataset = self.path.with_name(f"{self.path.name}-data")
        build(pairs, dataset, replace=True, report=report)
        recipe = Recipe.of(_recipe(self.path.name, dataset), {k.replace("__", "."): v for k, v in keys.items()})
        train(recipe, self.path, report=report)
        loaded = load_run(self.path)
        if not isinstance(loaded.model, Seq2Seq):
            raise UsageError("questions and answers need an encoder-decoder", 'leave model.kind at "seq2seq"')
        self.model, self.tokenizer = loaded.model, loaded.tokenizer

    def answer(self, question: str, **sampling: Any) -> str:
        """Return the answer to ``question``; ``sampling`` as `gatllm.inference.Sampling`, greedy by default.

        Raises:
            ContextOverflowError: the question is longer than the model reads.
        """
        from gatllm.inference import Sampling, generate

        options = Sampling(**{"overflow": "stop", **sampling})
        return generate(self.model, self.tokenizer, [question], options)[0][0].text


def _recipe(name: str, dataset: Path) -> dict[str, Any]:
    return {
        "name": name,
        "objective": "seq2seq",
        "data": {"source": str(dataset), "source_tokens": 128, "target_tokens": 192},
        # Bytes at the least: any question can be read, whatever its letters.
        "tokenizer": {"kind": "bpe", "size": 1024},
        "model": {"kind": "seq2seq", "layers": 2, "heads": 4, "width": 128},
        "train": {"steps": 1000, "batch": 32, "optimizer": "muon", "lr": 3e-3, "matrix_lr": 0.02},
    }
