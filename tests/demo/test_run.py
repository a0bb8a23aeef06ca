"""The demo's order: continues from what is finished, stops at a failure, never counts a skip as done."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gatllm.demo import Options, Outcome, Session, Stage, Step, run_steps
from gatllm.errors import GatllmError
from gatllm.progress import Report, silent


class RecordingStage:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.report: Report = silent

    def say(self, text: str) -> None:
        self.lines.append(text)

    def diff(self, before: str, after: str, name: str) -> None:
        self.lines.append(name)


def step(
    name: str, ran: list[str], outcome: Callable[[], Outcome] = lambda: Outcome("done"), *, may_skip: bool = False
) -> Step:
    def run(session: Session, stage: Stage) -> Outcome:
        ran.append(name)
        return outcome()

    return Step(name, name.title(), run, may_skip)


def raises() -> Outcome:
    raise GatllmError("no disk", "free some")


def test_a_second_run_continues_from_what_is_finished(tmp_path: Path) -> None:
    ran: list[str] = []
    options = Options(tmp_path / "demo")
    run_steps(options, [step("a", ran), step("b", ran, raises), step("c", ran)], RecordingStage())
    assert ran == ["a", "b"]
    summary = run_steps(options, [step("a", ran), step("b", ran), step("c", ran)], RecordingStage())
    assert ran == ["a", "b", "b", "c"]
    assert [outcome.status for _, outcome in summary] == ["done"] * 3


def test_a_demo_that_was_interrupted_in_its_first_step_continues(tmp_path: Path) -> None:
    ran: list[str] = []
    options = Options(tmp_path / "demo")

    def interrupted() -> Outcome:
        (options.out / "half").write_text("done")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_steps(options, [step("a", ran, interrupted)], RecordingStage())
    run_steps(options, [step("a", ran)], RecordingStage())
    assert ran == ["a", "a"]


def test_a_step_whose_results_are_gone_is_run_again(tmp_path: Path) -> None:
    ran: list[str] = []
    options = Options(tmp_path / "demo")
    made = tmp_path / "made"
    made.touch()
    for _ in range(2):
        run_steps(options, [step("a", ran, lambda: Outcome("done", made={"x": str(made)}))], RecordingStage())
    assert ran == ["a"]
    made.unlink()
    run_steps(options, [step("a", ran)], RecordingStage())
    assert ran == ["a", "a"]


def test_a_bug_is_kept_as_a_failure_and_shown(tmp_path: Path) -> None:
    def bug() -> Outcome:
        raise ValueError("seven is not eight")

    options = Options(tmp_path / "demo")
    stage = RecordingStage()
    with pytest.raises(ValueError, match="seven"):
        run_steps(options, [step("a", [], bug)], stage)
    kept = json.loads((options.out / "demo.json").read_text())["steps"]["a"]
    assert (kept["status"], kept["why"]) == ("failed", "unexpected ValueError: seven is not eight")
    assert any("seven is not eight" in line for line in stage.lines)


def test_a_failure_is_said_and_ends_the_demo(tmp_path: Path) -> None:
    ran: list[str] = []
    stage = RecordingStage()
    summary = run_steps(Options(tmp_path / "demo"), [step("a", ran, raises), step("b", ran)], stage)
    assert [(s.name, o.status, o.why) for s, o in summary] == [("a", "failed", "no disk; free some")]
    assert "  failed: no disk; free some" in stage.lines


@pytest.mark.parametrize(("may_skip", "status", "ran_after"), [(True, "skipped", ["a", "b"]), (False, "failed", ["a"])])
def test_only_a_step_that_may_be_skipped_is(tmp_path: Path, may_skip: bool, status: str, ran_after: list[str]) -> None:
    ran: list[str] = []
    first = step("a", ran, lambda: Outcome("skipped", why="no chain"), may_skip=may_skip)
    summary = run_steps(Options(tmp_path / "demo"), [first, step("b", ran)], RecordingStage())
    assert summary[0][1].status == status
    assert ran == ran_after


def test_a_skipped_step_is_tried_again(tmp_path: Path) -> None:
    ran: list[str] = []
    for _ in range(2):
        run_steps(
            Options(tmp_path / "demo"),
            [step("a", ran, lambda: Outcome("skipped", why="x"), may_skip=True)],
            RecordingStage(),
        )
    assert ran == ["a", "a"]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(GatllmError, match="something else"):
        run_steps(Options(tmp_path), [], RecordingStage())


def test_other_options_need_another_folder(tmp_path: Path) -> None:
    ran: list[str] = []
    run_steps(Options(tmp_path / "demo", minutes=1), [step("a", ran)], RecordingStage())
    with pytest.raises(GatllmError, match="other options"):
        run_steps(Options(tmp_path / "demo", minutes=2), [step("a", ran)], RecordingStage())


@pytest.mark.parametrize("content", ["", "[]", '{"steps": {"a": {"colour": 1}}, "options": {}}'])
def test_a_damaged_state_is_one_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "demo.json").write_text(content)
    with pytest.raises(GatllmError, match="damaged"):
        run_steps(Options(tmp_path), [], RecordingStage())


def test_the_state_holds_the_numbers(tmp_path: Path) -> None:
    ran: list[str] = []
    run_steps(
        Options(tmp_path / "demo"), [step("a", ran, lambda: Outcome("done", numbers={"files": 7}))], RecordingStage()
    )
    state = json.loads((tmp_path / "demo" / "demo.json").read_text())
    assert state["steps"]["a"]["numbers"] == {"files": 7}
