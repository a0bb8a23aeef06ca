"""The tagging objective: pure batches, labels that repair, learning."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
import torch

from gatllm.data import build_negative
from gatllm.errors import GatllmError
from gatllm.models import Discriminator, build, config_from_dict, load_run, load_weights
from gatllm.review.spelling import SPELLINGS
from gatllm.training import Recipe, train
from gatllm.training.assembly import assemble
from gatllm.training.objectives.tagging import Tagging, prepare
from gatllm.training.objectives.tagging_samples import GROUP, texts_of

MODULE = '''"""A module."""
import os


class Box:
    """Holds things."""

    def __init__(self, size):
        self.size = size
        self.things = []

    def put(self, thing):
        """Put a thing into the box."""
        if len(self.things) >= self.size:
            raise ValueError("full")
        self.things.append(thing)


def main(argv):
    box = Box(int(argv[0]))
    for name in argv[1:]:
        box.put(os.path.basename(name))
    return box
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source")
    for number in range(25):
        (root / f"module{number}.py").write_text(MODULE.replace("Box", f"Box{number}"))
    from gatllm.data import build

    build(str(root), root / "set")
    return root / "set"


def objective(source: Path, **overrides: object) -> Tagging:
    sizes = {"model.width": 32, "model.heads": 2, "model.layers": 1, "model.context": 96, "train.batch": 6}
    small = {"data.validation_rows": 6, "data.validation_repairs": 2, "tokenizer.size": 900, "data.workers": 0}
    return prepare(Recipe.load("discriminator", {"data.source": str(source), **sizes, **small, **overrides}))


def test_a_run_without_parts_is_trained_on_with_them(folder: Path, tmp_path: Path) -> None:
    sizes = {"model.width": 32, "model.heads": 2, "model.layers": 1, "model.context": 96, "train.batch": 6}
    small = {"data.validation_rows": 6, "data.validation_repairs": 0, "tokenizer.size": 900, "data.workers": 0}
    short = {"data.source": str(folder), "train.steps": 2, "train.precision": "fp32", "train.threads": 1}
    first = train(Recipe.load("discriminator", {**sizes, **small, **short, "model.parts": 0}), tmp_path / "first")
    wider = {"model.parts": SPELLINGS, "start": str(first.path)}
    recipe = Recipe.load("discriminator", {**sizes, **small, **short, **wider})
    begun = assemble(recipe).session.model
    assert isinstance(begun, Discriminator)
    assert begun.parts is not None
    assert not begun.parts.weight.any()  # it begins as the first run ended
    torch.testing.assert_close(begun.edit.weight, load_weights(first.path / "model.safetensors")["edit.weight"])
    after = load_run(train(recipe, tmp_path / "second").path).model
    assert isinstance(after, Discriminator)
    assert after.parts is not None
    assert after.parts.weight.any()
    assert not after.parts.weight[0].any()  # padding


def test_functions_and_runs_of_a_module() -> None:
    functions, runs = texts_of(MODULE)
    assert [text.split("(")[0] for text in functions] == ["def __init__", "def put", "def main"]
    assert runs == [MODULE]
    assert texts_of("def f(:\n") == ([], [])


def test_equal_recipes_give_equal_batches_in_any_order(folder: Path) -> None:
    one, two = objective(folder), objective(folder)
    two.batch(19, 0.5)
    for index in (0, 3, 9):
        first, second = one.batch(index, 0.0), two.batch(index, 0.9)
        assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)


def test_a_worker_prepares_the_same_batches(folder: Path) -> None:
    alone, helped = objective(folder), objective(folder, **{"data.workers": 1})
    try:
        assert torch.equal(alone.batch(4, 0.0).tensors["ids"], helped.batch(4, 0.0).tensors["ids"])
    finally:
        helped.close()


def test_ctrl_c_in_a_terminal_does_not_end_the_worker(folder: Path) -> None:
    alone, helped = objective(folder), objective(folder, **{"data.workers": 1})
    try:
        helped.batch(0, 0.0)
        for worker in multiprocessing.active_children():
            os.kill(cast("int", worker.pid), signal.SIGINT)
        later = 5 * GROUP
        assert torch.equal(alone.batch(later, 0.0).tensors["ids"], helped.batch(later, 0.0).tensors["ids"])
    finally:
        helped.close()


def test_a_worker_ends_with_a_parent_that_was_killed(folder: Path) -> None:
    script = f"""
import multiprocessing, os, signal
from gatllm.training import Recipe
from gatllm.training.objectives.tagging import prepare
if __name__ == "__main__":
    sizes = {{"model.width": 32, "model.heads": 2, "model.layers": 1, "model.context": 96, "train.batch": 6,
             "data.validation_rows": 6, "data.validation_repairs": 2, "tokenizer.size": 900, "data.workers": 1}}
    made = prepare(Recipe.load("discriminator", {{"data.source": {str(folder)!r}, **sizes}}))
    made.batch(0, 0.0)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    file = folder.parent / "killed.py"
    file.write_text(script)
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=False, timeout=120)
    worker = Path("/proc") / done.stdout.strip()
    assert done.stdout.strip(), done.stderr
    until = time.monotonic() + 30
    with suppress(OSError):  # it is gone
        while (worker / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < until
            time.sleep(0.1)


def test_rows_of_real_code_have_no_tags_and_broken_ones_have_some(folder: Path) -> None:
    made = objective(folder)
    for index in range(8):
        tensors = made.batch(index, 0.0).tensors
        broken = (tensors["tags"] > 0).any(dim=1)
        assert torch.equal(broken, tensors["fake"].bool())


def test_a_negative_dataset_gives_its_own_pairs(folder: Path, tmp_path: Path) -> None:
    build_negative(folder, tmp_path / "broken")
    made = objective(tmp_path / "broken", **{"data.stored": 1.0})
    assert made.batch(0, 0.0).tensors["fake"].all()


def test_the_loss_falls(folder: Path) -> None:
    torch.manual_seed(0)
    made = objective(folder)
    model = build(config_from_dict(made.model_config))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for index in range(30):
        loss = made.loss(model, made.batch(index, 0.0))["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    metrics = made.evaluate(model.eval())
    assert {"loss", "localised", "parses", "repaired"} <= set(metrics)
    assert "→" in made.sample(model, 1)


def test_too_little_data_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(MODULE)
    from gatllm.data import build

    build(str(tmp_path), tmp_path / "set")
    with pytest.raises(GatllmError, match="validate on"):
        objective(tmp_path / "set")
