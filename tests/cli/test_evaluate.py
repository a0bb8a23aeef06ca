"""`gatllm eval --tasks` from the command line: a table, JSON, bad rows, and where it stopped."""

import json
from pathlib import Path

import pytest

from gatllm.answering import FakeGenerator, generators
from gatllm.cli.evaluate import evaluate
from gatllm.errors import GatllmError, UsageError

WRONG = "```python\ndef double(x):\n    return x + 4\n```\n"
RIGHT = "```python\ndef double(x):\n    return 2 * x\n```\n"
TASK = {
    "task_id": 1,
    "text": "Write double.",
    "test_list": ["assert double(5) == 10", "assert double(2) == 4"],
}


def test_written_code_is_measured_bare_and_reviewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generators, "load_generator", lambda *_, **__: FakeGenerator(WRONG, RIGHT))
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text(json.dumps(TASK) + "\nnot a task\n")
    out = tmp_path / "kept.jsonl"
    evaluate("default", code_tasks=tasks, review=True, out=out, quiet=True, json=True)
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert (found["asked"], found["bare"], found["reviewed"], found["gained"], found["lost"]) == (1, 0, 1, ["1"], [])
    assert found["difference"] == 1.0
    assert "left out: row 2" in shown.err
    evaluate("default", code_tasks=tasks, review=True, out=out, quiet=True)
    shown = capsys.readouterr()
    assert "reviewed" in shown.out
    assert "made wrong by the review: 0" in shown.err


def test_a_measure_in_the_wrong_place_is_told_its_right_one() -> None:
    with pytest.raises(UsageError) as raised:
        evaluate("default", code_tasks=Path("answers:five.json"))
    assert "--task answers:five.json" in str(raised.value.cure)
    with pytest.raises(UsageError) as raised:
        evaluate("default", ["answers"])
    assert "answers:FILE" in str(raised.value.cure)


def test_its_options_belong_to_tasks() -> None:
    with pytest.raises(UsageError, match="--review"):
        evaluate("default", review=True)


def test_how_well_the_confidence_held_is_told_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generators, "load_generator", lambda *_, **__: FakeGenerator(RIGHT, WRONG))
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text("".join(json.dumps({**TASK, "task_id": number}) + "\n" for number in (1, 2)))
    out = tmp_path / "kept.jsonl"
    evaluate("default", code_tasks=tasks, review=True, confidence=True, out=out, quiet=True, json=True)
    held = json.loads(capsys.readouterr().out)["confidence"]
    # The first answer passes the prompt's own example and is right; the second fails it and is wrong.
    assert (held["after"]["auroc"], held["after"]["examples"], held["coverage"]) == (1.0, 2, 0.5)
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    evaluate("default", code_tasks=tasks, review=True, confidence=True, out=out, quiet=True)
    shown = capsys.readouterr()
    assert "AUROC" in shown.out
    assert "are warned about" in shown.err
    with pytest.raises(UsageError, match="--review"):
        evaluate("default", code_tasks=tasks, confidence=True)
    with pytest.raises(GatllmError, match="all answers were right, or all wrong"):
        evaluate("default", code_tasks=tasks, review=True, confidence=True, limit=1, out=tmp_path / "one", quiet=True)
