"""A model learns from its own answers: judged, kept with their verdicts, guarded, gone on with."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gatllm.data import Dataset
from gatllm.errors import GatllmError, UsageError
from gatllm.models import load_run
from gatllm.progress import silent
from gatllm.training import Recipe, Run, reinforcing, replay, train
from gatllm.training.objectives import answers
from gatllm.training.objectives.answers import Written
from gatllm.training.objectives.data_tables import PolicyTable
from gatllm.training.objectives.policy import prepare
from gatllm.training.objectives.questions import load_questions
from gatllm.training.reinforcing import Round, reinforce, result
from gatllm.training.rewards import Asked, Judged, load_reward
from tests.models.tiny_lm import write_tiny_lm

SHORT = {"batch": 16, "optimizer": "adamw", "lr": 3e-3, "precision": "fp32", "threads": 1, "evaluations": 1}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that copies or sorts strings of two letters, some of the time."""
    values = {
        "name": "begun",
        "objective": "seq2seq",
        "data": {"source": "alphabetize", "length": 2, "source_tokens": 4, "target_tokens": 4, "validation_limit": 64},
        "tokenizer": {"kind": "characters"},
        "model": {"kind": "seq2seq", "layers": 1, "heads": 2, "width": 32},
        "train": {**SHORT, "steps": 160, "batch": 32, "lr": 5e-3},
    }
    return train(Recipe.of(values), tmp_path_factory.mktemp("begun") / "run").path


def recipe(start: Path, **data: Any) -> Recipe:
    table = {"source": "alphabetize", "length": 2, "prompts": 96, "answers": 6, "tokens": 4, "rounds": 2,
             "validation_limit": 64, "unlearnt": 2.0, **data}  # fmt: skip
    return Recipe.of(
        {
            "name": "reinforced",
            "objective": "policy",
            "start": str(start),
            "data": table,
            "model": {},
            "train": {**SHORT, "epochs": 2, "samples": 1, "checkpoints": 2},
        }
    )


@pytest.mark.parametrize("method", ["raft", "grpo"])
def test_every_answer_that_is_learnt_stands_with_its_verdict_in_what_the_run_commits_to(
    begun: Path, tmp_path: Path, method: str
) -> None:
    rounds = reinforce(recipe(begun, method=method, rounds=1), tmp_path / "out")
    assert [one.number for one in rounds] == [0, 1]
    answers = list(Dataset.open(tmp_path / "out" / "round-01" / "answers").records())
    assert len(answers) == rounds[1].learnt > 0
    for one in answers:
        right = one["text"] == "".join(sorted(one["prompt"]))
        assert one["verdict"] == ("as the reference" if right else "not the reference")
        assert right or method == "grpo"
        assert (one["advantage"] > 0) == right
    run = Run.open(rounds[1].run)
    # Another verdict is another dataset: the run can't be replayed on it.
    again = replay(run, 0, 1)
    assert again.weights_root
    shard = tmp_path / "out" / "round-01" / "answers" / "shards" / "00000.jsonl"
    shard.write_text(shard.read_text().replace('"reward":1', '"reward":2', 1))
    with pytest.raises(GatllmError):
        Dataset.open(shard.parent.parent).verify()


def test_groups_that_are_all_right_or_all_wrong_are_passed_over() -> None:
    asked = [Asked("a", "1"), Asked("b", "1"), Asked("c", "1")]
    groups = [[Written([number], [0.0], text) for number, text in enumerate("xyz")]] * 3
    verdicts = [Judged(value) for value in (1, 1, 1, 0, 0, 0, 1, 0, 0)]
    for method, learnt in (("raft", 1), ("grpo", 3)):
        table = PolicyTable(source="x", answers=3, method=method)  # type: ignore[arg-type]
        records, notes = reinforcing._judged(table, asked, groups, verdicts)
        assert {record["prompt"] for record in records} == {"c"}
        assert len(records) == learnt
        assert (notes["right"], notes["wrong"], notes["mixed"]) == (1, 1, 1)
        assert sum(record["advantage"] for record in records) == pytest.approx(1 if method == "raft" else 0, abs=1e-5)


class _Sure:
    """Stands for a model that is wrong, some of the time, on every ``odd``th question alone."""

    def __init__(self, odd: int) -> None:
        self.odd, self.asked = odd, 0
        self.table = PolicyTable(source="alphabetize", length=2, prompts=40, answers=2)
        self.recipe, self.answering = recipe(Path("start")), self
        self.seen: list[str] = []

    def prompt(self, text: str) -> str:
        self.seen.append(text)
        return text

    def fits(self, _: object) -> bool:
        return True

    def write(self, _: object, prompts: list[str], **__: object) -> list[list[Written]]:
        self.asked += len(prompts)
        return [[Written([1], [0.0], f"{text} {turn}") for turn in range(2)] for text in prompts]

    def reward(self, asked: list[Asked], answers: list[str]) -> list[Judged]:
        wrong = [at % 2 == 0 and (at // 2) % self.odd == 0 for at in range(len(answers))]
        return [Judged(1.0 - float(one)) for one in wrong]


def test_a_round_in_which_nearly_all_is_right_asks_more() -> None:
    for odd, parts in ((4, 1), (10, 3), (40, 4)):  # 10, 4 and 1 of 40 groups teach; 10 are enough
        model: Any = _Sure(odd)
        records, notes = reinforcing._drawn(model, model, 1, lambda _: None)
        assert model.asked == notes["groups"] == 40 * parts
        assert len(records) == notes["mixed"] == -(-40 // odd) * parts
        assert model.seen[:40] != model.seen[40:80]


def test_the_questions_of_a_round_are_asked_once(tmp_path: Path) -> None:
    file = tmp_path / "pairs.json"
    file.write_text(json.dumps({f"question {number}?": "a" for number in range(30)}))
    draw = load_questions(PolicyTable(source=str(file), prompts=12), 1).draw
    parts = [[one.prompt for one in draw(3, part)] for part in range(4)]
    assert [len(part) for part in parts] == [12, 12, 6, 0]
    assert len({prompt for part in parts for prompt in part}) == 30


def test_rates_fall_from_round_to_round() -> None:
    wanted = recipe(Path("start"), rounds=4)
    rates = [reinforcing._round_recipe(wanted, number, "run", Path("answers")).train.lr for number in (1, 2, 3, 4)]
    assert rates == pytest.approx([wanted.train.lr * left for left in (1, 0.75, 0.5, 0.25)])


def test_answers_that_agree_because_they_are_right_are_no_collapse() -> None:
    def distinct(say: Callable[[int, int], str]) -> float:
        asked = [Asked(str(number), str(number)) for number in range(20)]
        groups = [[Written([1], [0.0], say(number, turn)) for turn in range(4)] for number in range(20)]
        verdicts = [
            Judged(float(one.text == who.reference)) for who, group in zip(asked, groups, strict=True) for one in group
        ]
        return float(reinforcing._judged(PolicyTable(source="x", answers=4), asked, groups, verdicts)[1]["distinct"])

    guessing = distinct(lambda number, turn: str(number + turn * 20))
    knowing = distinct(lambda number, _: str(number))
    repeating = distinct(lambda _, turn: f"always {turn}")
    assert (guessing, knowing, repeating) == (1, 1, 1 / 20)
    table = PolicyTable(source="x")
    first = Round(1, "run", 0.5, 0.5, 1.0, distinct=guessing)
    assert not reinforcing._collapsed(replace(first, distinct=knowing), [first, first], table)
    assert "only 5% of the questions" in reinforcing._collapsed(
        replace(first, distinct=repeating), [first, first], table
    )


def test_a_reward_that_tells_nothing_apart_is_one_clear_line(begun: Path, tmp_path: Path) -> None:
    (tmp_path / "same.py").write_text("def same(asked, answers): return [0.5] * len(answers)\n")
    with pytest.raises(GatllmError, match=r"tells none of 384 groups of answers apart \(all get 0\.50\)"):
        reinforce(recipe(begun, reward=f"{tmp_path / 'same.py'}:same"), tmp_path / "out")


def test_answers_that_are_all_right_at_first_are_said_to_be(
    begun: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from gatllm.cli import main

    (tmp_path / "same.py").write_text("def same(asked, answers): return [1.0] * len(answers)\n")
    (tmp_path / "r.toml").write_text(recipe(begun, reward=f"{tmp_path / 'same.py'}:same").to_toml())
    with pytest.raises(SystemExit) as ended:
        main(["reinforce", str(tmp_path / "r.toml"), "--out", str(tmp_path / "out"), "--quiet"])
    assert ended.value.code == 0
    said = " ".join(capfd.readouterr().err.split())
    assert "the reward gives every held-out answer 1 before the first round: there is nothing to learn" in said
    assert str(begun) in said


def test_a_question_longer_than_the_model_reads_spoils_no_others(begun: Path, tmp_path: Path) -> None:
    rows = [{"question": "zyx" * 20, "answer": "a"}]
    file = tmp_path / "long.json"
    file.write_text(json.dumps(rows))
    with pytest.raises(GatllmError, match=r"no question of .*long\.json can be asked: all 1 .* too long"):
        reinforce(recipe(begun, source=str(file), reward="exact"), tmp_path / "out")
    letters = [{"question": one + other, "answer": "".join(sorted(one + other))} for one in "abc" for other in "xyz"]
    file.write_text(json.dumps(rows + letters))
    wanted = reinforcing._whole(recipe(begun, source=str(file), reward="exact"))
    policy = prepare(wanted, load_run(begun).tokenizer, silent)
    assert len(policy.held_out) == len(letters)  # so few that all are asked
    with torch.no_grad():
        measured = policy.evaluate(load_run(begun).model)
    assert set(measured) == {"loss", "reward", "right"}


def test_a_round_that_forgets_is_not_gone_on_with(begun: Path, tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("def odd(asked, answers): return [float('zz' in a) for a in answers]\n")
    wanted = recipe(begun, reward=f"{tmp_path / 'odd.py'}:odd", unlearnt=0.01, prompts=400, temperature=3.0)
    rounds = reinforce(wanted.replace({"train.epochs": 30}), tmp_path / "out")
    assert not rounds[-1].kept
    assert "held-out references rose" in rounds[-1].why
    assert result(rounds).number < rounds[-1].number


def test_stopped_between_and_inside_rounds_it_ends_as_if_never_stopped(begun: Path, tmp_path: Path) -> None:
    wanted = recipe(begun)
    (tmp_path / "r.toml").write_text(wanted.to_toml())
    script = (
        "import os, signal, sys\nfrom gatllm.training import Recipe, reinforcing\n"
        "def kill(progress):\n"
        "    if progress.task == 'training' and progress.done == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "reinforcing.reinforce(Recipe.load(sys.argv[1]), sys.argv[2], report=kill)\n"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "r.toml"), str(tmp_path / "killed")]
    done = subprocess.run(arguments, check=False, capture_output=True, env={**os.environ})
    assert done.returncode == -signal.SIGKILL, done.stderr
    ours, whole = reinforce(wanted, tmp_path / "killed"), reinforce(wanted, tmp_path / "whole")
    ends = [json.loads((Path(result(one).run) / "log.jsonl").read_text().splitlines()[-1]) for one in (ours, whole)]
    assert ends[0]["weights_root"] == ends[1]["weights_root"]
    assert [one.learnt for one in ours] == [one.learnt for one in whole]
    with pytest.raises(UsageError, match="rounds of another recipe"):
        reinforce(wanted.replace({"data.answers": 3}), tmp_path / "killed")


@pytest.mark.parametrize("method", ["raft", "grpo"])
def test_a_pretrained_model_is_reinforced_by_its_adapter(tmp_path: Path, method: str) -> None:
    base = write_tiny_lm(tmp_path / "lm")
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps({f"question {number}?": "a" for number in range(24)}))
    (tmp_path / "long.py").write_text("def long(asked, answers): return [min(1, len(a) / 40) for a in answers]\n")
    values = {
        "name": "tuned",
        "objective": "policy",
        "data": {"source": str(pairs), "reward": f"{tmp_path / 'long.py'}:long", "method": method, "rounds": 2,
                 "prompts": 12, "answers": 3, "tokens": 8, "unlearnt": 5.0},
        "model": {"kind": "pretrained", "base": str(base), "context": 64, "adapter": "lora", "rank": 2},
        "train": {**SHORT, "epochs": 1, "batch": 6},
    }  # fmt: skip
    rounds = reinforce(Recipe.of(values), tmp_path / "out")
    assert rounds[-1].learnt
    assert (Path(rounds[-1].run) / "adapter_config.json").is_file()


def test_long_questions_are_answered_in_smaller_batches_with_the_same_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = write_tiny_lm(tmp_path / "lm")
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps({f"question {number}?": "a" for number in range(24)}))
    wanted = Recipe.of({
        "name": "tuned", "objective": "policy", "data": {"source": str(pairs)},
        "model": {"kind": "pretrained", "base": str(base), "context": 64, "adapter": "lora", "rank": 2},
        "train": {**SHORT, "epochs": 1},
    })  # fmt: skip
    policy, model = reinforcing._opened(wanted, "", silent)
    prompts = [policy.prompt(one) for one in policy.held_out]

    def written() -> list[list[str]]:
        groups = policy.answering.write(model, prompts, tokens=6, n=3, temperature=1.0, seed=5)
        return [[one.text for one in group] for group in groups]

    whole, sizes = written(), []

    class Counting(answers.Decoder):
        def __init__(self, model: Any, rows: Any, options: Any, pad: int, seeds: Any) -> None:
            sizes.append(len(rows))
            super().__init__(model, rows, options, pad, seeds)

    monkeypatch.setattr(answers, "Decoder", Counting)
    monkeypatch.setattr(answers, "TOKENS_AT_ONCE", 3 * 64)
    assert written() == whole
    assert len(prompts) > 1
    assert sizes == [3] * len(prompts)


def test_programming_tasks_that_prove_nothing_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"task_id": 1, "prompt": "Add.", "test_list": ["assert add(1, 2) == 3"], "code": "def add(a, b): return a + b"},
        {"task_id": 2, "prompt": "Draw.", "test_list": ["assert draw(1, 2) > 3"]},
        {"task_id": 3, "prompt": "No tests."},
    ]
    file = tmp_path / "tasks.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    questions = load_questions(PolicyTable(source=str(file), reward="tests"), 1)
    assert [one.key for one in questions.draw(1, 0)] == ["tasks.jsonl:1"]
    assert len(questions.left_out) == 2
    assert "assert add(1, 2) == 3" in questions.held_out[0].prompt


def test_tasks_in_the_form_of_humaneval_are_asked_and_judged(tmp_path: Path) -> None:
    prompt = 'from math import floor\n\n\ndef down(number):\n    """Round down.\n\n    >>> down(1.5)\n    1\n    """\n'
    test = (
        "METADATA = {'author': 'x'}\n\n\ndef check(candidate):\n    'Several.'\n    assert candidate(1.5) == 1\n"
        "    assert 3 == candidate(3.9), 'exactly'\n    assert True\n"
    )
    row = {"task_id": "H/0", "prompt": prompt, "entry_point": "down", "test": test,
           "canonical_solution": "    return floor(number)\n"}  # fmt: skip
    near = {**row, "task_id": "H/1", "test": "def check(candidate):\n    assert abs(candidate(1.5) - 1) < 1e-6\n"}
    none = {**row, "task_id": "H/2", "test": "def other(candidate):\n    assert candidate(1.5) == 1\n"}
    odd = {**row, "task_id": "H/3", "entry_point": "down(1)"}
    file = tmp_path / "tasks.jsonl"
    file.write_text("\n".join(map(json.dumps, [row, near, none, odd])))
    questions = load_questions(PolicyTable(source=str(file), reward="tests"), 1)
    (asked,) = questions.draw(1, 0)
    assert asked.tests == ("assert down(1.5) == 1", "assert 3 == down(3.9), 'exactly'")
    assert len(questions.left_out) == 3
    compile(asked.reference, "reference", "exec")
    judge = load_reward("tests")
    answers = ["```python\ndef down(number):\n    return floor(number)\n```", "def down(number): return 1"]
    try:
        verdicts = judge([asked, asked], answers)
    except GatllmError as error:
        pytest.skip(str(error))
    assert [one.reward for one in verdicts] == [1, 0]


def test_what_cannot_work_is_said_first(begun: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no model to reinforce"):
        reinforce(recipe(begun).replace({"start": ""}), tmp_path / "a")
    with pytest.raises(UsageError, match="has the objective seq2seq"):
        reinforce(Run.open(begun).recipe, tmp_path / "b")
    with pytest.raises(GatllmError, match="no answers to learn from yet"):
        train(recipe(begun).replace({"train.steps": 1, "model": Run.open(begun).recipe.model}), tmp_path / "c")


TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Say {n}."},
    {"role": "assistant", "content": "{n}"},
    {"role": "user", "content": "Again?"},
    {"role": "assistant", "content": "{n}"},
]


def conversations(file: Path, count: int = 8) -> Path:
    rows = [
        {"messages": [{**turn, "content": turn["content"].replace("{n}", str(n))} for turn in TALK]}
        for n in range(count)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


@pytest.mark.parametrize("template", [True, False])
def test_a_question_within_a_conversation_is_asked_after_what_was_said_before(tmp_path: Path, template: bool) -> None:
    reward = tmp_path / "reward.py"
    reward.write_text("def odd(asked, answers):\n    return [0.5 * (len(answer) % 2) for answer in answers]\n")
    base = write_tiny_lm(tmp_path / "lm", template=template, context=256)
    wanted = Recipe.of(
        {"name": "talks", "objective": "policy",
         "data": {"source": str(conversations(tmp_path / "talks.jsonl")), "reward": f"{reward}:odd", "rounds": 1,
                  "prompts": 4, "answers": 4, "tokens": 6, "unlearnt": 9.0},
         "model": {"kind": "pretrained", "base": str(base), "adapter": "lora", "rank": 2, "context": 256},
         "train": {**SHORT, "batch": 4, "epochs": 1, "samples": 0, "checkpoints": 2}}
    )  # fmt: skip
    policy = prepare(wanted, None, silent)
    for one in policy.held_out:
        read = policy.tokenizer.decode(policy.prompt(one))
        number = one.reference
        for turn in TALK[:-1]:
            assert read.count(turn["content"].replace("{n}", number)) >= 1
        assert read.endswith("assistant\n" if template else "User: Again?\nAssistant:")
    rounds = reinforce(wanted, tmp_path / "out")
    records = list(Dataset.open(tmp_path / "out" / "round-01" / "answers").records())
    assert records
    assert all([turn["role"] for turn in one["turns"]] == ["system", "user", "assistant"] for one in records)
    learning = prepare(Run.open(rounds[1].run).recipe, None, silent)
    read = {learning.tokenizer.decode(prompt) for (prompt, _), _, _ in learning.rows}
    assert all("Say " in text and "Again?" in text for text in read)


@pytest.mark.parametrize("template", [True, False])
def test_a_model_is_reinforced_in_the_form_in_which_it_learnt_conversations(tmp_path: Path, template: bool) -> None:
    base = write_tiny_lm(tmp_path / "lm", template=template, context=256)
    source = conversations(tmp_path / "talks.jsonl")
    values = {"name": "chat", "objective": "chat", "data": {"source": str(source)},
              "model": {"kind": "pretrained", "base": str(base), "adapter": "none", "context": 256},
              "train": {**SHORT, "batch": 1, "steps": 1, "samples": 0}}  # fmt: skip
    start = train(Recipe.of(values), tmp_path / "start")
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps({"Say 1.": "1", "Say 2.": "2"}))
    wanted = Recipe.of(
        {"name": "p", "objective": "policy", "start": str(start.path), "data": {"source": str(pairs)},
         "model": start.recipe.model, "train": {**SHORT, "epochs": 1}}
    )  # fmt: skip
    policy = prepare(wanted, None, silent)
    read = policy.tokenizer.decode(policy.prompt(policy.held_out[0]))
    assert read.endswith("assistant\n" if template else ".\nAssistant:")
    written = policy.tokenizer.decode(policy.answering.answer("1")[:-1])
    assert written == ("1" if template else " 1")
