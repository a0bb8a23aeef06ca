"""Rounds: both sides learn in turn, each step leaves what it should, and play continues where it was stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gatllm.adversarial import LOG, Settings, Standing, play, rows
from gatllm.data import Dataset, build_negative
from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.records import read_log
from gatllm.training import Recipe, Run
from tests.adversarial.conftest import TELLING, WRITING, Tables

SETTINGS = Settings(
    cases=1, prompts=4, fakes=4, questions=6, answers=2, judged=8, tests=False,
    overrides=TELLING, generator_overrides=WRITING,
)  # fmt: skip


@pytest.fixture(scope="module")
def played(both: Tables, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Standing], list[Path]]:
    """One round and a last phase on (made-up) mined mistakes; with what was handed over to be proved."""
    out = tmp_path_factory.mktemp("rounds")
    real = build_negative(both.source, out / "mined", level=1, seed=5).path
    proved: list[Path] = []

    def prove(run: Run, datasets: Sequence[Path], _before: Path) -> None:
        assert run.complete
        assert all((folder / "manifest.json").is_file() for folder in datasets)
        proved.append(run.path)

    standings = play(
        both.discriminator,
        out / "game",
        rounds=1,
        generator=both.generator,
        real=real,
        settings=SETTINGS,
        finished=prove,
    )
    return out / "game", standings, proved


def test_every_step_leaves_a_run_a_dataset_and_an_entry(
    both: Tables, played: tuple[Path, list[Standing], list[Path]]
) -> None:
    out, standings, proved = played
    assert [(one.phase, one.round) for one in standings] == [("round", 0), ("round", 1), ("real", 1)]
    assert proved == [out / "round-1" / "discriminator", out / "round-1" / "generator", out / "real-1"]
    events = [entry["event"] for entry in read_log(out / LOG)]
    assert events == ["start", "standing", "course", "reward", "standing", "standing", "cross"]
    telling = Recipe.load(out / "round-1" / "discriminator" / "recipe.toml")
    assert telling.start == str(both.discriminator)
    table = telling.data.model_dump()
    assert table["families"]
    assert table["pairs"] == (str(out / "round-1" / "errors"),)
    assert table["fakes"] == str(out / "round-1" / "fakes")
    assert table["accused"] == str(out / "round-1" / "accused")
    writing = Recipe.load(out / "round-1" / "generator" / "recipe.toml")
    assert writing.start == str(both.generator)
    last = Recipe.load(out / "real-1" / "recipe.toml").data.model_dump()
    assert last["pairs"][0].endswith("mined")
    assert last["stored"] == 0.5


def test_both_sides_are_measured(played: tuple[Path, list[Standing], list[Path]]) -> None:
    out, standings, _ = played
    for one in standings:
        assert one.auroc_samples is not None
        assert one.loss is not None
        assert one.real_repaired is not None
    assert standings[0].auroc_samples == standings[0].auroc_first == standings[0].auroc_start
    names, table = rows(standings)
    assert len(table) == 3
    assert {len(row) for row in table} == {len(names)}
    page = (out / "report" / "report.md").read_text(encoding="utf-8")
    assert "Who tells whose samples" in page
    assert (out / "report" / "rounds.png").stat().st_size > 1000
    assert json.loads((out / "report" / "rounds.json").read_text())[0]["round"] == 0


def test_what_was_played_is_not_played_again(both: Tables, played: tuple[Path, list[Standing], list[Path]]) -> None:
    out, standings, _ = played
    before = (out / LOG).read_bytes()
    again = play(
        both.discriminator, out, rounds=1, generator=both.generator, real=out.parent / "mined", settings=SETTINGS
    )
    assert again == standings
    assert (out / LOG).read_bytes() == before


def test_another_game_is_refused(both: Tables, played: tuple[Path, list[Standing], list[Path]], tmp_path: Path) -> None:
    out, _, _ = played
    with pytest.raises(UsageError, match="another generator"):
        play(both.discriminator, out, rounds=1, real=out.parent / "mined", settings=SETTINGS)
    with pytest.raises(GatllmError, match="not a run folder"):
        play(tmp_path, tmp_path / "out")
    with pytest.raises(GatllmError, match="holds no discriminator"):
        play(both.generator, tmp_path / "out")
    with pytest.raises(GatllmError, match="holds no generator"):
        play(both.discriminator, tmp_path / "out", generator=both.discriminator, settings=SETTINGS)
    with pytest.raises(GatllmError, match="no pairs"):
        play(both.discriminator, tmp_path / "out", real=both.source, settings=SETTINGS)


def test_a_changed_held_out_set_is_noticed(both: Tables, tmp_path: Path) -> None:
    play(both.discriminator, tmp_path, rounds=0, settings=SETTINGS)
    file = tmp_path / "held-out.json"
    file.write_text(file.read_text().replace("return", "yield", 1))
    with pytest.raises(VerificationError, match="not what these rounds began with"):
        play(both.discriminator, tmp_path, rounds=0, settings=SETTINGS)


def test_the_breaker_can_play_alone(both: Tables, tmp_path: Path) -> None:
    (first,) = play(both.discriminator, tmp_path, rounds=0, settings=SETTINGS)
    assert first.auroc_samples is None
    assert first.loss is None


_PLAY = """
import sys
from pathlib import Path
from tests.adversarial.test_rounds import SETTINGS
from gatllm.adversarial import play
import torch
torch.set_num_threads(1)
play(Path(sys.argv[1]), Path(sys.argv[3]), rounds=2, generator=Path(sys.argv[2]), settings=SETTINGS)
"""


@pytest.mark.slow
def test_rounds_survive_being_killed_anywhere(both: Tables, tmp_path: Path) -> None:
    whole = play(both.discriminator, tmp_path / "whole", rounds=2, generator=both.generator, settings=SETTINGS)
    out, kills = tmp_path / "killed", 0
    command = [sys.executable, "-c", _PLAY, str(both.discriminator), str(both.generator), str(out)]
    marks = ["round-1/errors", "round-1/discriminator/log.jsonl", "round-1/rewarded", "round-1/generator/log.jsonl"]
    for mark in [*marks, "round-2/fakes", "round-2/generator/model.safetensors"]:
        # In a group of its own: workers must not outlive the kill either.
        with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}) as child:
            while child.poll() is None and not (out / mark).exists():
                time.sleep(0.01)
            kills += child.poll() is None
            child.send_signal(signal.SIGKILL)
    assert kills >= 4
    again = play(both.discriminator, out, rounds=2, generator=both.generator, settings=SETTINGS)
    assert [one.as_dict() for one in again] == [one.as_dict() for one in whole]
    for number in (1, 2):
        for name in ("errors", "fakes", "accused", "rewarded"):
            roots = [Dataset.open(p / f"round-{number}" / name).manifest.merkle_root for p in (tmp_path / "whole", out)]
            assert roots[0] == roots[1]
