"""Both sides, tiny: a discriminator's run and a generator's run on the same two dozen modules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gatllm.data import DatasetWriter
from gatllm.records import new_folder, sha256
from gatllm.training import Recipe, train
from tests.training.test_tagging import MODULE

SMALL: dict[str, Any] = {
    "train.minutes": None,
    "train.steps": 2,
    "train.batch": 4,
    "train.threads": 1,
    "train.precision": "fp32",
}
SHORT = {"train.evaluations": 1, "train.samples": 0, "train.checkpoints": 1}
TELLING = {**SMALL, "data.validation_repairs": 0, "data.validation_rows": 4, "data.workers": 0}
WRITING = {**SMALL, "train.batch": 8}


@dataclass(frozen=True)
class Tables:
    """Run folders of both sides, and their dataset."""

    discriminator: Path
    generator: Path
    source: Path


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    home = tmp_path_factory.mktemp("both")
    with new_folder(home / "set") as folder, DatasetWriter(folder, "positive", "set") as writer:
        for number in range(40):
            text = MODULE.replace("Box", f"Box{number}").replace("thing", f"thing{number}")
            record = {"id": f"{number:016x}", "text": text, "sha256": sha256(text.encode()), "licence": "MIT"}
            writer.add({**record, "origin": f"made:module{number}.py"})
        writer.finish()
    sizes = {"model.width": 32, "model.heads": 2, "model.layers": 1, "data.source": str(home / "set"), **SHORT}
    telling = Recipe.load("discriminator", {**sizes, "model.context": 96, "tokenizer.size": 900, **TELLING})
    functions = {"data.unit": "functions", "model.context": 224, "tokenizer.size": 400}
    writing = Recipe.load("python-small", {**sizes, **functions, **WRITING, "train.steps": 20})
    return Tables(train(telling, home / "discriminator").path, train(writing, home / "generator").path, home / "set")
