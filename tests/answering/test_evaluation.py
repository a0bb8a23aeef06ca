"""Tasks of the common forms are read, and answers are judged by tests that they do not see."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatllm.answering import FakeGenerator
from gatllm.answering.code_tasks import code_of, is_solved, read_code_tasks
from gatllm.answering.evaluation import Measure, evaluate_code, measure
from gatllm.errors import GatllmError
from gatllm.models import ChatOptions
from gatllm.review import Reviewer
from gatllm.sandbox import Runner

ASSERTED = {
    "task_id": 7,
    "text": "Write a function to double a number.",
    "test_list": ["assert double(5) == 10", "assert double(2) == 4", "assert double(0) == 0"],
    "more": [1],
}
CHECKED = {
    "task_id": "T/1",
    "prompt": "from typing import List\n\n\ndef total(xs: List[int]) -> int:\n    '''Sum.'''\n",
    "test": "def check(candidate):\n    assert candidate([1, 2]) == 3\n    assert candidate([]) == 0\n",
    "entry_point": "total",
}
RIGHT = "```python\ndef double(x):\n    return 2 * x\n```\n"
WRONG = "```python\ndef double(x):\n    return x + 4\n```\n"


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(workers=1) as found:
        yield found


def rows(folder: Path, *entries: object) -> Path:
    path = folder / "tasks.jsonl"
    path.write_text("".join((entry if isinstance(entry, str) else json.dumps(entry)) + "\n" for entry in entries))
    return path


def test_a_test_that_the_prompt_shows_judges_nothing(tmp_path: Path) -> None:
    alone = {**ASSERTED, "task_id": 1, "test_list": ["assert double(5) == 10"]}
    tasks, bad = read_code_tasks(
        rows(tmp_path, alone, {**alone, "task_id": 2, "challenge_test_list": ["assert double(1) == 2"]})
    )
    assert [task.id for task in tasks] == ["2"]
    assert bad == ["row 1: its only test is shown in the prompt: nothing is left that would judge"]


def test_both_forms_are_read_and_bad_rows_are_listed(tmp_path: Path, runner: Runner) -> None:
    path = rows(
        tmp_path, ASSERTED, CHECKED, "{", {"task_id": 8, "prompt": "x"}, [], {**CHECKED, "test": "def ("}, CHECKED
    )
    tasks, bad = read_code_tasks(path)
    assert [task.id for task in tasks] == ["7", "T/1"]
    assert [line.split(":")[0] for line in bad] == ["row 3", "row 4", "row 5", "row 6", "row 7"]
    assert "assert double(5) == 10" in tasks[0].prompt
    assert "double(2)" not in tasks[0].prompt
    assert is_solved(tasks[0], code_of(RIGHT), runner)
    assert not is_solved(tasks[0], code_of(WRONG), runner)
    assert is_solved(tasks[1], "def total(xs: List[int]) -> int:\n    return sum(xs)\n", runner)
    assert not is_solved(tasks[1], "def total(xs):\n    return 3\n", runner)
    assert not is_solved(tasks[1], "import sys\ndef total(xs):\n    sys.exit(0)\n", runner)
    assert not is_solved(tasks[1], "check = lambda f: None\n", runner)


def test_a_file_without_tasks_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(GatllmError, match="holds no task"):
        read_code_tasks(rows(tmp_path, "{}"))
    with pytest.raises(GatllmError, match="can't read"):
        read_code_tasks(tmp_path / "none.jsonl")


def test_bare_and_reviewed_come_from_one_run_and_go_on_where_they_stopped(tmp_path: Path, runner: Runner) -> None:
    tasks, _ = read_code_tasks(rows(tmp_path, ASSERTED, {**ASSERTED, "task_id": 9}))
    log = tmp_path / "log.jsonl"
    generator = FakeGenerator(WRONG, RIGHT)
    options = ChatOptions(max_new_tokens=200)
    first = measure(evaluate_code(generator, tasks, runner, log, options=options, reviewer=Reviewer()))
    assert (first.asked, first.bare, first.reviewed, first.gained, first.lost) == (2, 1, 2, ("7",), ())
    asked = len(generator.asked)
    log.write_bytes(log.read_bytes()[:-5])  # stopped while it wrote the last line
    again = evaluate_code(generator, tasks, runner, log, options=options, reviewer=Reviewer())
    assert measure(again).reviewed == 2
    assert {outcome.shown for outcome in again} == {code_of(RIGHT)}
    # The kept outcome carries what P(correct) came from: the log-probabilities are those of the first proposal.
    assert all(outcome.signals and outcome.signals["example"] == "passed" for outcome in again)
    assert all(outcome.after is not None and outcome.before is not None for outcome in again)
    assert len(generator.asked) == asked + 1  # only the second task was asked again
    with pytest.raises(GatllmError, match="another evaluation"):
        evaluate_code(generator, tasks[:1], runner, log, options=options, reviewer=Reviewer())


def test_the_paired_interval_holds_the_difference() -> None:
    found = Measure(100, 50, 1.0, 58, 2.0, gained=tuple(map(str, range(9))), lost=("x",))
    middle, low, high = found.difference
    assert low < middle == 0.08 < high
    assert low == pytest.approx(0.0178, abs=0.003)
    assert Measure(100, 50, 1.0, 50, 1.0).difference[1] < 0 < Measure(100, 50, 1.0, 50, 1.0).difference[2]
