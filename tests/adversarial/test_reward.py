"""What the generator is rewarded for, and how that enters its loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch

from gatllm.adversarial.judge import Judge
from gatllm.adversarial.pieces import Piece, read_sides
from gatllm.adversarial.reward import Scored, distinct, record, score, select
from gatllm.adversarial.writer import Writer, Written
from gatllm.data import Dataset, DatasetWriter
from gatllm.errors import GatllmError
from gatllm.progress import silent
from gatllm.records import new_folder
from gatllm.tokenizers import load
from gatllm.training import Recipe
from gatllm.training.objectives.preparing import prepare
from gatllm.training.objectives.rewarded import Rewarded, draw_rewarded, read_rewarded, row_weights, weighted_loss
from gatllm.training.objectives.windows import IGNORED
from tests.adversarial.conftest import Tables
from tests.adversarial.test_referee import piece

HEAD = "def f(a):\n"


def written(body: str, *, ended: bool = True, names: frozenset[str] = frozenset()) -> Written:
    one = piece(HEAD + body)
    return Written(Piece(one.text, HEAD, HEAD, "here:m.py#f", "MIT", "0", names), HEAD, HEAD + body, ended, body)


def scored(body: str, realness: float, *, good: bool = True) -> Scored:
    return Scored(written(body), realness, good, good, good)


def test_a_function_may_use_what_its_module_defines(both: Tables) -> None:
    judge = Judge(both.discriminator)
    body = "    return helper(a)\n"
    (foreign, own, open_end, broken) = score(
        judge,
        [
            written(body),
            written(body, names=frozenset({"helper"})),
            written(body, ended=False),
            written("    return (a\n"),
        ],
    )
    assert (foreign.parses, foreign.compiles, foreign.clean) == (True, True, False)
    assert own.clean
    assert not open_end.parses
    assert not broken.compiles
    assert own.reward == pytest.approx((own.realness + 3) / 4)


def test_the_best_of_each_group_is_kept_where_it_beats_the_others() -> None:
    good, better = scored("    return a\n", 0.2), scored("    return a + 1\n", 0.9)
    same = [scored("    return a * 2\n", 0.5), scored("    return a * 3\n", 0.5)]
    bad = [scored("    return (a\n", 0.9, good=False), scored("    x\n", 0.1, good=False)]
    chosen = select([[good, better], same, bad, [better, good]])
    assert [one for one, _ in chosen] == [better]
    assert chosen[0][1] == pytest.approx(1.0)
    assert record(*chosen[0])["prompt"] == HEAD
    assert select([]) == []


def test_short_code_is_no_way_out() -> None:
    whole, short = scored("    total = a + 1\n    return total\n", 0.9), written("    return a\n")
    asked = Scored(replace(short, real=whole.written.answer), 0.9, True, True, True)
    assert whole.brevity == 1.0
    assert asked.brevity < 0.5
    assert select([[whole, asked]])[0][0] == whole


def test_repetition_is_seen() -> None:
    varied = [written(f"    x{n} = a + {n}\n    return y{n}\n") for n in range(5)]
    assert distinct(varied) > 0.9 > 0.5 > distinct([written("    return a + a + a\n")] * 5)


def test_rewarded_rows_make_up_their_share_of_the_loss() -> None:
    targets = torch.full((3, 6), IGNORED)
    targets[0, :2] = 1  # a short rewarded answer
    targets[1], targets[2] = 2, 3
    drawn = [Rewarded([1], [1], 2.0)]
    weights = row_weights(drawn, 3, targets, 0.25)
    counts = (targets != IGNORED).sum(1)
    assert (weights * counts)[0].item() == pytest.approx(0.25)
    assert (weights * counts).sum().item() == pytest.approx(1.0)
    even = torch.zeros(3, 6, 8)
    assert weighted_loss(even, targets, weights).item() == pytest.approx(torch.log(torch.tensor(8.0)).item())


def test_draws_leave_room_for_real_rows() -> None:
    pool = [Rewarded([1], [2], 1.0)]
    assert draw_rewarded([], 0.5, 8, 1, 0) == []
    assert len(draw_rewarded(pool, 0.5, 8, 1, 0)) == 4
    assert len(draw_rewarded(pool, 0.99, 4, 1, 0)) == 3
    assert draw_rewarded(pool, 0.0, 8, 1, 0) == []


@pytest.fixture
def answers(both: Tables, tmp_path: Path) -> Dataset:
    with new_folder(tmp_path / "rewarded") as folder, DatasetWriter(folder, "positive", "rewarded") as writer:
        for number in range(6):
            writer.add(record(scored(f"    return a + {number}\n", 0.5), 1.0 + number))
        writer.finish(parent=Dataset.open(both.source).manifest.merkle_root)
    return Dataset.open(tmp_path / "rewarded")


def test_a_gpt_learns_from_answers_without_their_prompts(both: Tables, answers: Dataset) -> None:
    recipe = Recipe.load(both.generator / "recipe.toml", {"data.rewarded": str(answers.path)})
    plain = prepare(Recipe.load(both.generator / "recipe.toml"), load(both.generator / "tokenizer.json"), silent)
    objective = prepare(recipe, load(both.generator / "tokenizer.json"), silent)
    assert objective.data_root != plain.data_root
    batch = objective.batch(0, 0.0)
    prompt = objective.tokenizer.encode(HEAD)
    assert batch.tensors["inputs"][0, : len(prompt) + 1].tolist() == [objective.tokenizer.end_id, *prompt]
    assert (batch.tensors["targets"][0, : len(prompt)] == IGNORED).all()
    said = [token for token in batch.tensors["targets"][0].tolist() if token != IGNORED]
    assert said[-1] == objective.tokenizer.end_id
    assert objective.tokenizer.decode(said[:-1]).startswith("    return a + ")
    assert torch.equal(batch.tensors["inputs"], objective.batch(0, 0.0).tensors["inputs"])
    assert torch.equal(batch.tensors["inputs"][2:], plain.batch(0, 0.0).tensors["inputs"][2:])


def test_an_encoder_decoder_learns_from_answers(both: Tables, answers: Dataset, tmp_path: Path) -> None:
    recipe = Recipe.load(
        "generator-small",
        {
            "data.source": str(both.source),
            "data.rewarded": str(answers.path),
            "data.rewarded_share": 0.5,
            "data.validation_limit": 2,
            "tokenizer.size": 400,
            "model.width": 32,
            "model.heads": 2,
            "model.layers": 1,
            "model.decoder_layers": 1,
            "train.minutes": None,
            "train.steps": 1,
            "train.batch": 4,
            "train.precision": "fp32",
            "train.threads": 1,
        },
    )
    from gatllm.training import train

    run = train(recipe, tmp_path / "run")
    assert run.complete
    writer = Writer(run.path)
    assert not writer.continues
    pieces = writer.fitting(read_sides(str(both.source), silent).held_out, 2, Random(1))
    assert [len(group) for group in writer.write(pieces, 2, 1)] == [2] * len(pieces)
    assert writer.loss(pieces) > 0


def test_answers_that_do_not_fit_are_an_error(both: Tables, answers: Dataset) -> None:
    tokenizer = load(both.generator / "tokenizer.json")
    assert len(read_rewarded(str(answers.path), tokenizer, prompt=50, answer=50)[0]) == 6
    with pytest.raises(GatllmError, match="no rewarded answers that fit"):
        read_rewarded(str(answers.path), tokenizer, prompt=1, answer=1)


def test_loss_is_that_of_the_objective(both: Tables) -> None:
    writer = Writer(both.generator)
    some = writer.fitting(read_sides(str(both.source), silent).held_out, 3, Random(1))
    apart = [writer.loss([one]) for one in some]
    counts = [len(writer.tokenizer.encode(writer.real(one))) + 1 for one in some]
    together = sum(loss * count for loss, count in zip(apart, counts, strict=True)) / sum(counts)
    assert writer.loss(some) == pytest.approx(together, rel=1e-4)
