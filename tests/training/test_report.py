"""The report: derived from the log alone, says whether a run over-fits."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.records import HashLog
from gatllm.training import Recipe, Run
from gatllm.training.plots import _limits, smoothed
from gatllm.training.report import rows, summary, write_report


def written(folder: Path, tiny: dict[str, Any], validations: list[float]) -> Run:
    folder.mkdir()
    (folder / "recipe.toml").write_text(Recipe.of(tiny).to_toml())
    env = {"device": "cpu", "dtype": "fp32", "threads": 1, "torch": "2"}
    code = {"version": "0", "source": "0" * 64}
    roots = {"data_root": "1" * 64, "tokenizer": "2" * 64, "recipe": "3" * 64, "init_root": "4" * 64}
    with HashLog(folder / "log.jsonl") as log:
        log.append("start", commitments={**roots, "code": code, "environment": env})
        for step, loss in enumerate(validations, 1):
            fields = {"lr": 0.1, "tokens": 10, "tokens_per_second": 5.0, "grad_norm": 1.0, "progress": 0.1}
            log.append("step", step=step, loss=loss - 0.1, **fields)
            log.append("validation", step=step, seconds=1.0, loss=loss)
        log.append("sample", step=1, text="```\nnot the end of the block")
    return Run.open(folder)


def test_over_fitting_is_said(tiny: dict[str, Any], tmp_path: Path) -> None:
    run = written(tmp_path / "run", tiny, [3.0, 2.0, 2.5])
    page = write_report(run).read_text()
    assert "It over-fits" in page
    assert "2.0000 was at step 2" in page
    assert "Not finished" in page
    assert summary(run)["overfits"] is True


def test_a_good_run_is_not_accused(tiny: dict[str, Any], tmp_path: Path) -> None:
    run = written(tmp_path / "run", tiny, [3.0, 2.0, 1.9])
    page = write_report(run).read_text()
    assert "no over-fitting" in page
    assert "| step | time | loss |" in page
    assert "| 3 | 0:01 | 1.9000 |" in page
    assert ("validation loss", "1.9000") in rows(summary(run))
    assert "1" * 64 in page
    assert (run.path / "report" / "curves.png").stat().st_size > 10_000


def test_over_fitting_lies_inside_the_picture() -> None:
    low, high = _limits([4.0, 1.0, 0.4, 0.1], [4.1, 3.9, 12.8])
    assert low == 0.1
    assert high == 12.8


def test_a_run_that_learnt_nothing_is_not_called_good(tiny: dict[str, Any], tmp_path: Path) -> None:
    values = {**tiny, "model": {**tiny["model"], "vocabulary": 65}}
    run = written(tmp_path / "run", values, [4.3, 4.25])
    assert "No better than guessing" in write_report(run).read_text()
    assert "guessing" not in write_report(written(tmp_path / "good", values, [4.3, 3.0])).read_text()


def test_what_a_resume_did_again_counts_once(tiny: dict[str, Any], tmp_path: Path) -> None:
    run = written(tmp_path / "run", tiny, [3.0, 2.0, 2.5])
    with HashLog(run.path / "log.jsonl") as log:
        log.append("resume", step=1)
        log.append("step", step=2, loss=1.0, lr=0.1, tokens=10, tokens_per_second=5.0, grad_norm=1.0, progress=0.2)
    again = Run.open(run.path)
    assert [entry["step"] for entry in again.events("step")] == [1, 2]
    assert summary(again)["tokens"] == 20


def test_a_folder_that_is_no_run_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(GatllmError, match="not a run folder"):
        Run.open(tmp_path)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=200))
def test_smoothing_stays_between_the_extremes(values: list[float]) -> None:
    result = smoothed(values)
    assert len(result) == len(values)
    assert all(min(values) - 1e-6 <= value <= max(values) + 1e-6 for value in result)
    assert result[0] == pytest.approx(values[0])
