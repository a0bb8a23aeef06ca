"""Replay of real runs: honest ones hold to the bit; forgeries in which every hash and signature agrees are caught."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gatllm.models import load_weights, save_weights, weights_root
from gatllm.proof import Key, load_key, verify, write_proof
from gatllm.proof.history import Segment
from gatllm.proof.replay import draw
from gatllm.training import Recipe, train
from gatllm.training.session import Session
from tests.proof.forge import rewrite_log

LR = 3e-3


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return load_key(tmp_path / "trainer.key")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    words = ["the cat sat on the mat. ", "a dog ran to me. ", "no bird sings at noon. "]
    path.write_text("".join(random.Random(1).choices(words, k=300)))
    return path


def recipe(text: Path, **overrides: Any) -> Recipe:
    return Recipe.of(
        {
            "name": "tiny",
            "objective": "causal",
            "data": {"source": str(text)},
            "tokenizer": {"kind": "characters"},
            "model": {"layers": 1, "heads": 2, "width": 16, "context": 16, "dropout": 0.1},
            "train": {
                "steps": 12,
                "batch": 4,
                "lr": LR,
                "precision": "fp32",
                "threads": 1,
                "evaluations": 2,
                "samples": 1,
                "checkpoints": 4,
                "keep": 4,
            },
        },
        overrides,
    )


@pytest.fixture
def honest(text: Path, tmp_path: Path, key: Key) -> Path:
    run = train(recipe(text), tmp_path / "run").path
    write_proof(run, key, datasets=[text])
    return run


def verdicts(run: Path, depth: str = "full", **options: Any) -> dict[str, str]:
    return {item.name: item.verdict for item in verify(run, depth=depth, **options).items}  # type: ignore[arg-type]


def forged(run: Path, key: Key) -> set[str]:
    """Prove the forgery, check that its hashes hold, and return what the full replay finds."""
    write_proof(run, key)
    assert not verify(run).failures
    return {item.name for item in verify(run, depth="full").failures}


def test_an_honest_run_holds_to_the_bit(honest: Path, text: Path) -> None:
    found = verdicts(honest, datasets=[text])
    replays = {name: verdict for name, verdict in found.items() if name.startswith("replay")}
    assert replays == dict.fromkeys(
        ["replay 0 to 3", "replay 3 to 6", "replay 6 to 9", "replay 9 to 12", "replay"], "ok"
    )
    assert (found["final weights"], found["metrics"], found["data"]) == ("ok", "ok", "ok")


def test_a_sample_is_as_large_as_asked(honest: Path) -> None:
    result = verify(honest, depth="replay", require_updates=9, seed="7")
    assert result.ok
    assert 9 <= result.redone == result.chosen <= 12
    assert {"replay 0 to 3", "replay 9 to 12"} <= {item.name for item in result.items}


def test_every_segment_may_be_drawn() -> None:
    segments = [Segment(start, start + 1) for start in range(6)]
    drawn = [segment.start for seed in range(200) for segment in draw(segments, str(seed), "00", 3)]
    assert drawn.count(0) == drawn.count(5) == 200
    assert all(drawn.count(start) > 45 for start in range(1, 5))  # more than 67 expected; the seeds are fixed


def test_a_long_segment_is_drawn_as_often_as_it_has_updates() -> None:
    """A forger who keeps few checkpoints of what was made up does not make it a small part of the lot."""
    segments = [Segment(0, 1), Segment(1, 91, held=False), *(Segment(start, start + 1) for start in range(91, 100))]
    drawn = [segments[1] in draw(segments, str(seed), "00", None) for seed in range(100)]
    assert sum(drawn) > 90  # 99 expected: two draws miss nine tenths of the updates once in a hundred


@given(st.integers(1, 40), st.integers(0, 50), st.text(max_size=5))
def test_a_draw_is_of_different_segments_in_order_and_repeats(total: int, count: int, seed: str) -> None:
    segments = [Segment(start, start + 1) for start in range(total)]
    drawn = draw(segments, seed, "00", count)
    assert drawn == draw(segments, seed, "00", count)
    assert drawn == sorted(set(drawn), key=lambda segment: segment.start)
    assert min(count, total) <= len(drawn) <= max(count, 4)
    assert {segments[0], segments[-1]} <= set(drawn)
    assert draw(segments, seed, "00", "all") == segments


def test_a_learning_rate_off_by_a_thousandth_is_caught(text: Path, tmp_path: Path, key: Key) -> None:
    run = train(recipe(text, **{"train.lr": LR * 1.001}), tmp_path / "run")
    claimed = recipe(text).replace({"model": run.recipe.model})
    (run.path / "recipe.toml").write_text(claimed.to_toml())

    def claim(event: str, fields: dict[str, Any]) -> dict[str, Any]:
        if event == "start":
            return {**fields, "commitments": {**fields["commitments"], "recipe": claimed.digest()}}
        return {**fields, "lr": fields["lr"] / 1.001} if event == "step" else fields

    rewrite_log(run.path, claim)
    assert {"replay 0 to 3", "replay 3 to 6", "replay 6 to 9", "replay 9 to 12", "replay"} <= forged(run.path, key)


def test_one_skipped_step_is_caught_where_it_was_skipped(
    text: Path, tmp_path: Path, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Session._update

    def skipping(self: Session, progress: float, *, skip: bool) -> float:
        if self.step != 7:
            return update(self, progress, skip=skip)
        self.optimizer.zero_grad()
        return self.optimizer.set_rates(progress)

    monkeypatch.setattr(Session, "_update", skipping)
    run = train(recipe(text), tmp_path / "run").path
    monkeypatch.undo()
    assert forged(run, key) == {"replay 6 to 9", "replay"}


def test_other_batches_than_the_seed_gives_are_caught(
    text: Path, tmp_path: Path, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = Session.batches

    def chosen(self: Session, progress: float) -> list[Any]:
        if self.step == 4:
            return [self.objective.batch(400, progress)]
        return batches(self, progress)

    monkeypatch.setattr(Session, "batches", chosen)
    run = train(recipe(text), tmp_path / "run").path
    monkeypatch.undo()
    assert forged(run, key) == {"replay 3 to 6", "replay"}


def test_a_model_trained_before_it_was_initialised_is_caught(
    text: Path, tmp_path: Path, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gatllm.training import assembly

    build = assembly.build
    monkeypatch.setattr(assembly, "build", lambda config, seed: build(config, seed=seed + 1))
    run = train(recipe(text), tmp_path / "run").path
    monkeypatch.undo()
    assert forged(run, key) == {"replay"}


def test_a_swapped_checkpoint_is_caught_even_when_the_log_names_it(honest: Path, key: Key) -> None:
    import json

    folder = honest / "checkpoints" / "step-00000006"
    weights = load_weights(folder / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] += 1e-6
    save_weights(folder / "model.safetensors", weights)
    root = weights_root(load_weights(folder / "model.safetensors"))
    about = json.loads((folder / "checkpoint.json").read_text())
    about["weights_root"] = root
    (folder / "checkpoint.json").write_text(json.dumps(about))

    def claim(event: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "weights_root": root} if event == "checkpoint" and fields["step"] == 6 else fields

    rewrite_log(honest, claim)
    assert {"replay 3 to 6", "replay"} <= forged(honest, key)


def test_metrics_edited_by_the_signer_are_caught(honest: Path, key: Key) -> None:
    def claim(event: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "metrics": {**fields["metrics"], "loss": 0.001}} if event == "end" else fields

    rewrite_log(honest, claim)
    assert forged(honest, key) == {"metrics"}


def test_final_weights_from_elsewhere_are_caught(honest: Path, key: Key) -> None:
    weights = load_weights(honest / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] += 1e-3
    save_weights(honest / "model.safetensors", weights)
    root = weights_root(load_weights(honest / "model.safetensors"))

    def claim(event: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "weights_root": root} if event == "end" else fields

    rewrite_log(honest, claim)
    assert "final weights" in forged(honest, key)


def test_averaged_weights_are_those_in_the_checkpoint(text: Path, tmp_path: Path, key: Key) -> None:
    run = train(recipe(text, **{"train.ema": 0.9}), tmp_path / "run").path
    write_proof(run, key)
    assert (verdicts(run)["final weights"], verdicts(run)["replay"]) == ("ok", "ok")
    weights = load_weights(run / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] += 1e-3
    save_weights(run / "model.safetensors", weights)
    root = weights_root(load_weights(run / "model.safetensors"))

    def claim(event: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "weights_root": root} if event == "end" else fields

    rewrite_log(run, claim)
    assert "final weights" in forged(run, key)


def test_data_changed_by_one_byte_is_caught(honest: Path, text: Path, tmp_path: Path) -> None:
    changed = tmp_path / "text.txt"
    changed.write_bytes(text.read_bytes().replace(b"dog", b"hog", 1))
    found = verdicts(honest, datasets=[changed])
    assert (found["data"], found["replay"]) == ("failed", "skipped")


def elsewhere(event: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Claim another processor."""
    if event != "start":
        return fields
    environment = {**fields["commitments"]["environment"], "processor": "another one"}
    return {**fields, "commitments": {**fields["commitments"], "environment": environment}}


def rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every update end in other last bits, as another processor's would."""
    update = Session._update

    def noisy(self: Session, progress: float, *, skip: bool) -> float:
        lr = update(self, progress, skip=skip)
        with torch.no_grad():
            parameter = next(iter(self.model.parameters()))
            flat = parameter.view(-1)
            flat[:8] = torch.nextafter(flat[:8], torch.full((8,), 9.0))
        return lr

    monkeypatch.setattr(Session, "_update", noisy)


def test_rounding_elsewhere_is_neither_a_pass_nor_an_accusation(
    text: Path, tmp_path: Path, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounding(monkeypatch)
    run = train(recipe(text), tmp_path / "run").path
    monkeypatch.undo()
    assert "replay" in forged(run, key)  # in the same environment only every bit counts
    rewrite_log(run, elsewhere)
    write_proof(run, key)
    result = verify(run, depth="full")
    assert {item.verdict for item in result.items if item.name.startswith("replay")} == {"skipped"}
    assert (result.outcome, result.reached) == ("inconclusive", "hashes hold; 0 of 12 updates recomputed")


@pytest.mark.parametrize(("precision", "outcome"), [("fp32", "failed"), ("bf16", "inconclusive")])
def test_half_precision_accuses_nobody_elsewhere(
    text: Path, tmp_path: Path, key: Key, precision: str, outcome: str
) -> None:
    """How far rounding elsewhere goes is not known there: what differs is not a forgery, and passes nowhere."""
    run = train(recipe(text, **{"train.precision": precision, "train.steps": 4}), tmp_path / "run").path

    def claim(event: str, fields: dict[str, Any]) -> dict[str, Any]:
        fields = elsewhere(event, fields)
        return {**fields, "loss": fields["loss"] * 1.2} if event == "step" else fields

    rewrite_log(run, claim)
    write_proof(run, key)
    assert verify(run, depth="full").outcome == outcome


def test_equal_bits_count_whatever_machine_is_claimed(honest: Path, key: Key) -> None:
    rewrite_log(honest, elsewhere)
    write_proof(honest, key)
    assert verify(honest, depth="full").ok


def test_a_run_with_few_kept_checkpoints_is_verified_whole_but_not_by_samples(
    text: Path, tmp_path: Path, key: Key
) -> None:
    run = train(recipe(text, **{"train.keep": 1}), tmp_path / "run").path
    write_proof(run, key)
    whole = verify(run, depth="full")
    assert whole.ok, whole.items
    assert whole.redone == 12
    sample = verify(run, depth="replay", seed="1", require_updates="all")
    assert (sample.outcome, sample.redone) == ("verified", 12)  # one after the other from the initial weights
    shown = {seed: verify(run, depth="replay", seed=seed) for seed in ("1", "2", "3", "4")}
    # The last segment's checkpoint is not here: drawn without the one before it, it can't be done again.
    assert {result.outcome for result in shown.values()} <= {"verified", "inconclusive"}
    assert all(result.ok == (result.redone == result.chosen) for result in shown.values())


@pytest.mark.parametrize("options", [{"train.until": {"loss": 99.0}}, {"train.patience": 1, "train.lr": 1e-12}])
def test_a_run_that_its_validations_end_holds(text: Path, tmp_path: Path, key: Key, options: dict[str, Any]) -> None:
    settings = {"train.evaluations": 6, "train.checkpoints": 12, "train.keep": 12, **options}
    run = train(recipe(text, **settings), tmp_path / "run")
    assert run.events("step")[-1]["step"] < 12
    write_proof(run.path, key)
    assert verify(run.path, depth="full").ok


@pytest.mark.parametrize("excuse", [{"train.patience": 3}, {"train.until": {"loss": 1e-9}}])
def test_a_run_that_stops_where_its_author_likes_is_caught(
    text: Path, tmp_path: Path, key: Key, excuse: dict[str, Any]
) -> None:
    """Any patience excused any end: the weights of a lucky moment passed."""
    from benchmarks.proof_attacks import Bench, short_run

    run = train(recipe(text, **excuse), tmp_path / "run").path
    short_run(Bench(tmp_path, text, run, run, key, key), run)
    result = verify(run, depth="full")
    assert [item.name for item in result.failures] == ["replay"]
    assert "6 updates, but the recipe has 12" in result.failures[0].detail


def test_a_run_that_continues_after_its_end_is_caught(text: Path, tmp_path: Path, key: Key) -> None:
    """What its recipe ends at the first validation was trained on until it looked better."""
    run = train(recipe(text), tmp_path / "run")
    claimed = recipe(text, **{"train.until": {"loss": 99.0}}).replace({"model": run.recipe.model})
    (run.path / "recipe.toml").write_text(claimed.to_toml())

    def claim(event: str, fields: dict[str, Any]) -> dict[str, Any]:
        if event == "start":
            return {**fields, "commitments": {**fields["commitments"], "recipe": claimed.digest()}}
        return fields

    rewrite_log(run.path, claim)
    assert forged(run.path, key) == {"replay"}


def test_a_forger_who_claims_another_machine_is_still_caught(text: Path, tmp_path: Path, key: Key) -> None:
    run = train(recipe(text, **{"train.lr": LR * 1.001}), tmp_path / "run")
    claimed = recipe(text).replace({"model": run.recipe.model})
    (run.path / "recipe.toml").write_text(claimed.to_toml())

    def claim(event: str, fields: dict[str, Any]) -> dict[str, Any]:
        fields = elsewhere(event, fields)
        if event == "start":
            return {**fields, "commitments": {**fields["commitments"], "recipe": claimed.digest()}}
        return fields

    rewrite_log(run.path, claim)
    assert "replay" in forged(run.path, key)
