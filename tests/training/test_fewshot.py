"""Few-shot evaluation: prompts, scores, tasks from files and by name."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError, UsageError
from gatllm.training.fewshot import TASKS, Task, evaluate, load_task, pretrained_writer, run_writer, wilson
from tests.models.tiny_lm import write_tiny_lm


def by_example(prompts: Sequence[str]) -> list[str]:
    """Sorts letters, but only after it has seen how."""
    inputs = [prompt.rsplit("Input: ", 1)[1].removesuffix("\nOutput:") for prompt in prompts]
    return [
        " " + "".join(sorted(text)) if prompt.count("Output:") > 1 else "?"
        for prompt, text in zip(prompts, inputs, strict=True)
    ]


def test_shots_are_counted_and_shown() -> None:
    scores = evaluate(load_task("alphabetize"), by_example, shots=(0, 1, 5), limit=20)
    assert [(score.shots, score.right, score.asked) for score in scores] == [(0, 0, 20), (1, 20, 20), (5, 20, 20)]
    assert scores[0].wrong[0][2] == "?"
    assert scores[1].low > 0.8


def test_a_question_that_cannot_be_read_spoils_no_other() -> None:
    def short_only(prompts: Sequence[str]) -> list[str]:
        if any("long" in prompt for prompt in prompts):
            raise GatllmError("the prompt has 900 tokens", "")
        return [" yes" for _ in prompts]

    task = Task("some", (("a", "yes"), ("a long one", "yes"), ("c", "yes and no")))
    (score,) = evaluate(task, short_only, shots=(0,))
    assert (score.right, score.asked) == (1, 3)
    assert score.unasked == (("a long one", "the prompt has 900 tokens"),)
    assert score.f1 == pytest.approx((1 + 0 + 0.5) / 3)


def test_a_question_is_never_among_its_own_examples() -> None:
    task = Task("copy", tuple((f"word{n}", f"word{n}") for n in range(8)))

    def check(prompts: Sequence[str]) -> list[str]:
        for prompt in prompts:
            inputs = [line for line in prompt.splitlines() if line.startswith("Input: ")]
            assert len(inputs) == len(set(inputs))
        return ["" for _ in prompts]

    evaluate(task, check, shots=(0, 6), limit=8)


def test_the_same_seed_asks_the_same() -> None:
    seen: list[list[str]] = []

    def keep(prompts: Sequence[str]) -> list[str]:
        seen.append(list(prompts))
        return ["" for _ in prompts]

    for seed in (1, 1, 2):
        evaluate(load_task("sums"), keep, shots=(2,), limit=10, seed=seed)
    assert seen[0] == seen[1] != seen[2]


@pytest.mark.parametrize(
    "text",
    [
        '{"input": "a", "output": "b"}\n{"input": "c", "output": "d"}\n',
        '{"training_data": [{"input": "a", "output": "b<end>"}, {"input": "c", "output": "d"}]}',
        '{"a": "b", "c": "d"}',
    ],
)
def test_tasks_are_read_from_the_formats_people_have(text: str, tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text(text)
    assert load_task(str(tmp_path / "task.json")).examples == (("a", "b"), ("c", "d"))


def test_bad_tasks_are_errors_that_say_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no task"):
        load_task("chess")
    (tmp_path / "task.json").write_text("{nothing")
    with pytest.raises(GatllmError, match="not JSON"):
        load_task(str(tmp_path / "task.json"))
    (tmp_path / "task.json").write_text("[]")
    with pytest.raises(GatllmError, match="no examples"):
        load_task(str(tmp_path / "task.json"))
    with pytest.raises(UsageError, match="examples"):
        evaluate(Task("short", (("a", "b"),)), by_example, shots=(1,))
    with pytest.raises(UsageError, match=r"\{input\}"):
        load_task("sums", template="what is it?")


@pytest.mark.parametrize("name", sorted(TASKS))
def test_tasks_of_the_package_have_right_answers(name: str) -> None:
    rules = {
        "alphabetize": lambda text: "".join(sorted(text)),
        "reverse": lambda text: text[::-1],
        "uppercase": str.upper,
        "sums": lambda text: str(sum(int(part) for part in text.split(" + "))),
    }
    task = load_task(name)
    assert len(task.examples) >= 300
    assert all(wanted == rules[name](given) for given, wanted in task.examples)


@given(asked=st.integers(1, 500), share=st.floats(0, 1))
def test_the_interval_holds_the_rate(asked: int, share: float) -> None:
    right = round(asked * share)
    low, high = wilson(right, asked)
    assert 0 <= low <= right / asked <= high <= 1


def test_a_run_is_asked(tiny: dict[str, object], tmp_path: Path) -> None:
    from gatllm.training import Recipe, train

    run = train(Recipe.of(tiny, {"train.steps": 3}), tmp_path / "run")
    task = Task("cats", tuple((f"the cat {n}", "sat") for n in ("on", "me", "at", "to")), template="{input}")
    scores = evaluate(task, run_writer(run.path, tokens=4), shots=(0,), limit=3)
    assert scores[0].asked == 3


def test_a_pretrained_model_in_a_folder_is_asked(tmp_path: Path) -> None:
    folder = write_tiny_lm(tmp_path / "lm")
    task = Task("sum", tuple((f"{n}", f"{n}") for n in range(4)), template="def add{input}(")
    scores = evaluate(task, pretrained_writer(str(folder), tokens=3), shots=(0, 1), limit=2)
    assert [score.asked for score in scores] == [2, 2]
    assert all("\n" not in answer for score in scores for *_, answer in score.wrong)


def test_an_entry_without_an_answer_is_named(tmp_path: Path) -> None:
    (tmp_path / "task.jsonl").write_text('{"input": "a", "output": "b"}\n{"input": "c"}\n')
    task = load_task(str(tmp_path / "task.jsonl"))
    assert task.examples == (("a", "b"),)
    assert len(task.left_out) == 1
    assert "task.jsonl:2" in task.left_out[0]


def test_a_single_question_is_asked_without_examples_and_two_with_one() -> None:
    def write(prompts: Sequence[str]) -> list[str]:
        return ["4" for _ in prompts]

    for count, shots in ((1, (0,)), (2, (0, 1))):
        task = Task("sums", tuple((f"{n} + 2", str(n + 2)) for n in range(2, 2 + count)), "{input}=")
        scores = evaluate(task, write, shots=shots)
        assert [(score.shots, score.right, score.asked) for score in scores] == [(n, 1, count) for n in shots]
        with pytest.raises(UsageError, match=f"has {count} examples"):
            evaluate(task, write, shots=(count,))
