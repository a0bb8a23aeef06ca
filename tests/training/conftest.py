"""Tiny runs that train in about a second."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WORDS = ["the cat sat on the mat. ", "a dog ran to me. ", "no bird sings at noon. "]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of three sentences in random order."""
    file = tmp_path_factory.mktemp("text") / "text.txt"
    file.write_text("".join(random.Random(1).choices(WORDS, k=400)))
    return file


@pytest.fixture
def tiny(text: Path) -> dict[str, Any]:
    """A recipe of 20 updates of a GPT with dropout."""
    return {
        "name": "tiny",
        "objective": "causal",
        "data": {"source": str(text)},
        "tokenizer": {"kind": "characters"},
        "model": {"layers": 2, "heads": 2, "width": 16, "context": 16, "dropout": 0.1},
        "train": {
            "steps": 20,
            "batch": 4,
            "precision": "fp32",
            "threads": 1,
            "evaluations": 4,
            "samples": 1,
            "checkpoints": 5,
        },
    }
