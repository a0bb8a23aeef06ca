"""`benchmarks/finetuning.py`: both sides learn the same pairs, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def finetuning(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import finetuning

    return finetuning


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_the_trainer_gets_each_pair_once_and_no_empty_row(finetuning: Any, shape: str, tmp_path: Path) -> None:
    some = finetuning.pairs(12, 1)
    model = finetuning.make_model(tmp_path / "model", [text for pair in some for text in pair], shape, 0.0)
    file = tmp_path / "pairs.json"
    file.write_text(json.dumps([{"question": question, "answer": answer} for question, answer in some]))
    ours = finetuning.Ours(model, file, 1, 1, 1e-3, 1)
    found = [pair for update in range(ours.per_epoch) for pair in ours.pairs(update)]
    assert sorted(found) == sorted(finetuning.encode(model, some))
