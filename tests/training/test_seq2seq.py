"""The encoder-decoder objective: pairs, batches, teacher forcing, writing."""

from pathlib import Path
from typing import Any

import pytest
import torch

from gatllm.data import DatasetWriter
from gatllm.errors import GatllmError
from gatllm.models import build, config_from_dict
from gatllm.progress import silent
from gatllm.records import sha256
from gatllm.training import Recipe, replay, train
from gatllm.training.objectives.seq2seq import SourceToTarget, prepare
from gatllm.training.objectives.windows import IGNORED

MODULE = '''"""A module."""


def double(value):
    """Return twice the value."""
    return {n} * value


def undocumented(value):
    return value


class Box:
    def open(self):
        """Open the box."""
        self.is_open = {n}
'''


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    with DatasetWriter(folder, "positive", "data") as writer:
        for number in range(40):
            text = MODULE.format(n=number)
            origin = f"test:module{number}.py"
            writer.add(
                {"id": str(number), "text": text, "sha256": sha256(text.encode()), "licence": "MIT", "origin": origin}
            )
        writer.finish()
    return folder


def tiny(source: str, **overrides: Any) -> Recipe:
    return Recipe.of(
        {
            "name": "tiny",
            "objective": "seq2seq",
            "data": {"source": source, "source_tokens": 64, "target_tokens": 64},
            "tokenizer": {"kind": "bpe", "size": 300},
            "model": {"layers": 1, "heads": 2, "width": 16},
            "train": {"steps": 6, "batch": 4, "precision": "fp32", "threads": 1, "evaluations": 2, "samples": 1},
        },
        overrides,
    )


def test_a_documented_function_becomes_a_pair(dataset: Path) -> None:
    objective = prepare(tiny(str(dataset)), None, silent)
    source, target = objective.pairs.train[0]
    assert source.rstrip().endswith('"""Return twice the value."""')
    assert target.startswith("def double(value):\n    return ")
    assert '"""' not in target
    assert len(objective.pairs.train) + len(objective.pairs.validation) == 80
    compile(target, "target", "exec")


def test_an_epoch_sees_every_pair_once(dataset: Path) -> None:
    objective = prepare(tiny(str(dataset)), None, silent)
    batches = -(-len(objective.train) // 4)
    for epoch in range(2):
        seen = [row for batch in range(batches) for row in objective._plan(epoch)[batch]]
        assert sorted(seen) == list(range(len(objective.train)))
    assert objective._plan(0) != objective._plan(1)


def test_rows_are_shifted_by_one_and_padded_after_their_end(dataset: Path) -> None:
    objective = prepare(tiny(str(dataset)), None, silent)
    batch = objective.batch(0, 0.0)
    inputs, targets, padding = (batch.tensors[name] for name in ("inputs", "targets", "padding"))
    end = objective.tokenizer.end_id
    assert bool((inputs[:, 0] == end).all())
    for row in range(len(inputs)):
        length = int((targets[row] != IGNORED).sum())
        assert length > 0
        assert int(targets[row, length - 1]) == end
        assert torch.equal(targets[row, : length - 1], inputs[row, 1:length])
        assert bool((inputs[row, length:] == objective.tokenizer.pad_id).all())
    assert batch.weight == float((targets != IGNORED).sum())
    assert not bool(padding.all(dim=1).any())


def test_padding_does_not_change_the_loss(dataset: Path) -> None:
    objective = prepare(tiny(str(dataset)), None, silent)
    model = build(config_from_dict(objective.model_config), seed=0).eval()
    rows = objective.train[:4]
    alone = [objective._collate([row]) for row in rows]
    with torch.no_grad():
        together = float(objective.loss(model, objective._collate(rows))["loss"])
        total = sum(float(objective.loss(model, batch)["loss"]) * batch.weight for batch in alone)
    assert together == pytest.approx(total / sum(batch.weight for batch in alone), abs=1e-5)


def test_a_run_on_pairs_trains_and_replays(dataset: Path, tmp_path: Path) -> None:
    run = train(tiny(str(dataset)), tmp_path / "run")
    assert run.complete
    again = replay(run, 0, 6)
    assert [result.loss for result in again.steps] == [entry["loss"] for entry in run.events("step")]
    assert "→" in run.events("sample")[0]["text"]


def test_too_long_pairs_are_an_error_that_says_so(dataset: Path) -> None:
    with pytest.raises(GatllmError, match="no pair is short enough"):
        prepare(tiny(str(dataset), **{"data.target_tokens": 4}), None, silent)


def alphabet(**overrides: Any) -> SourceToTarget:
    recipe = tiny("alphabetize", **{"tokenizer": {"kind": "characters"}, "data.length": 3, **overrides})
    return prepare(recipe, None, silent)


def test_alphabetize_never_trains_on_validation_strings() -> None:
    objective = alphabet(**{"data.validation_limit": 300})
    held = {source for source, _ in objective.pairs.validation}
    assert objective.pairs.endless is not None
    for number in range(3000):
        source, target = objective.pairs.endless(number)
        assert source not in held
        assert target == "".join(sorted(source))
        assert 1 <= len(source) <= 3


def test_exact_counts_what_is_written_right(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = alphabet(**{"data.validation_limit": 10})
    model = build(config_from_dict(objective.model_config), seed=0).eval()
    right = [target for _, target in objective.validation]
    monkeypatch.setattr(objective, "write", lambda *_: [*right[:-1], [0]])
    with torch.no_grad():
        assert objective.evaluate(model)["exact"] == pytest.approx(0.9)


def test_writing_agrees_with_teacher_forcing() -> None:
    objective = alphabet(**{"data.validation_limit": 10})
    model = build(config_from_dict(objective.model_config), seed=3).eval()
    torch.nn.init.normal_(model.embedding.weight, generator=torch.Generator().manual_seed(1))
    sources = [source for source, _ in objective.validation[:4]]
    with torch.no_grad():
        for source, written in zip(sources, objective.write(model, sources, 4), strict=True):
            batch = objective._collate([(source, written)])
            logits = model(batch.tensors["source"], batch.tensors["inputs"], batch.tensors["padding"])
            assert logits[0, : len(written)].argmax(-1).tolist() == written
