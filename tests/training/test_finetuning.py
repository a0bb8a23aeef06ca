"""Fine-tuning learns the text, is repeatable, survives saving, and refuses what can't work."""

from pathlib import Path

import pytest
import torch

from gatllm.errors import GatllmError, UsageError
from gatllm.models import ChatOptions, PretrainedLM
from gatllm.training.finetuning import fine_tune
from tests.models.tiny_lm import write_tiny_lm

TEXT = "def add(a, b):\n    return a + b\n\n\n" * 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dataset.txt").write_text(TEXT)
    return write_tiny_lm(tmp_path / "lm")


def tuned(folder: Path, steps: int = 40) -> tuple[PretrainedLM, float, float]:
    lm = PretrainedLM.load(folder, dtype="float32", device="cpu")
    result = fine_tune(lm, folder.parent / "dataset.txt", steps=steps, block=24, lr=1e-2)
    assert (result.steps, result.tokens) == (steps, steps * 4 * 24)
    return lm, result.loss_before, result.loss_after


def test_it_learns_the_text_and_keeps_it_when_saved(folder: Path, tmp_path: Path) -> None:
    lm, before, after = tuned(folder, 200)
    assert after < before / 2
    lm.save(tmp_path / "tuned")
    again = PretrainedLM.load(tmp_path / "tuned", dtype="float32", device="cpu")
    options = ChatOptions(max_new_tokens=20)
    assert "return a + b" in again.complete(["def add(a, b):\n"], options)[0].text
    assert again.complete(["def add"], options) == lm.complete(["def add"], options)


def test_the_same_seed_gives_the_same_weights(folder: Path) -> None:
    first, second = tuned(folder, 5)[0], tuned(folder, 5)[0]
    for (name, one), (_, other) in zip(first.model.named_parameters(), second.model.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_what_cannot_work_is_one_clear_line(folder: Path, tmp_path: Path) -> None:
    lm = PretrainedLM.load(folder, dtype="float32", device="cpu")
    (tmp_path / "short.txt").write_text("a b")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(GatllmError, match="has 2 tokens"):
        fine_tune(lm, tmp_path / "short.txt")
    with pytest.raises(GatllmError, match="not UTF-8"):
        fine_tune(lm, tmp_path / "binary.txt")
    with pytest.raises(GatllmError, match="can't read"):
        fine_tune(lm, tmp_path / "none.txt")
    with pytest.raises(UsageError, match="above zero"):
        fine_tune(lm, tmp_path / "dataset.txt", steps=0)
    with pytest.raises(GatllmError, match="lower the learning rate"):
        fine_tune(lm, tmp_path / "dataset.txt", steps=30, block=24, lr=1e30)
    half = PretrainedLM.load(folder, dtype="bfloat16", device="cpu")
    with pytest.raises(UsageError, match="float32"):
        fine_tune(half, tmp_path / "dataset.txt")


def test_the_command_writes_a_folder_that_can_be_asked(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import json

    from gatllm.cli import main

    arguments = ["finetune", str(folder), str(tmp_path / "dataset.txt"), "--out", str(tmp_path / "out"),
                 "--steps", "3", "--block", "16", "--prompt", "def", "--json"]  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    numbers = json.loads(capfd.readouterr().out)
    assert numbers["steps"] == 3
    assert (tmp_path / "out" / "model.safetensors").is_file()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 1
    assert "already there" in capfd.readouterr().err
