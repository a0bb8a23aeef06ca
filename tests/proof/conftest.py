"""A key, a dataset and a proven run for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatllm.proof import Key, load_key, write_proof
from tests.proof.runs import make_dataset, make_run


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return load_key(tmp_path / "keys" / "trainer.key")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "data")


@pytest.fixture
def run(tmp_path: Path, dataset: Path, key: Key) -> Path:
    folder = make_run(tmp_path / "run", dataset)
    write_proof(folder, key, datasets=[dataset])
    return folder
