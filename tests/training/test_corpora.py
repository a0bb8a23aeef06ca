"""What a recipe learns from: built-in sources, files and datasets of the same name."""

from pathlib import Path

import pytest

from gatllm.errors import GatllmError
from gatllm.progress import silent
from gatllm.training import Recipe
from gatllm.training.objectives import corpora
from gatllm.training.objectives.corpora import load_corpus
from gatllm.training.objectives.data_tables import PairTable
from gatllm.training.objectives.pairs import load_pairs

TEXT = "To be, or not to be, that is the question. " * 9


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(corpora, "_shakespeare", lambda _report: TEXT.encode())


def test_a_run_folder_of_the_same_name_hides_no_built_in_source() -> None:
    for name in ("shakespeare", "alphabetize"):
        Path(name, "checkpoints").mkdir(parents=True)
    assert load_corpus("shakespeare", 0.1, silent).train[0].startswith("To be")
    assert load_pairs(PairTable.model_validate(Recipe.load("alphabetize").data), 1, silent).train


def test_a_file_of_the_same_name_is_meant() -> None:
    Path("shakespeare").write_text("My own words. " * 20)
    assert load_corpus("shakespeare", 0.1, silent).train[0].startswith("My own")


def test_any_other_folder_must_be_a_dataset() -> None:
    Path("folder").mkdir()
    with pytest.raises(GatllmError, match="folder is not a dataset"):
        load_corpus("folder", 0.1, silent)
