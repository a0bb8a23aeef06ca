"""P(correct): it follows what was run, keeps its promises on the tasks it was fitted on, and says when it can't."""

import random
import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest

from gatllm.answering import Assessment, Assistant, ConfidenceModel, FakeGenerator, Library, Reliability
from gatllm.answering.confidence import other_prompts
from gatllm.answering.correctness import (
    CorrectnessModel,
    Signals,
    Task,
    asks_for_code,
    before_features,
    is_english,
    reasons,
    shipped,
)
from gatllm.answering.probe import Probe
from gatllm.answering.signals import warning_of
from gatllm.answering.threshold import HIGHEST
from gatllm.errors import GatllmError
from gatllm.models import Completion, Message
from gatllm.review import Reviewer
from gatllm.review.measures import auroc

GOOD = "```python\ndef double(x):\n    return 2 * x\n```\n"
WRONG = "```python\nprint(undefined_name)\n```\n"


def tasks(count: int, seed: int) -> list[Task]:
    """Tasks whose outcome follows the example, and a little the log-probability."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        passed, logprob = rng.random() < 0.5, -rng.random() * 4
        right = rng.random() < (0.9 + logprob / 10 if passed else 0.02)
        example: Literal["passed", "failed"] = "passed" if passed else "failed"
        made.append(Task("word " * (number % 30) + "sort", Signals(logprob / 10, logprob, 80, example), right))
    return made


def test_what_was_run_decides() -> None:
    def after(example: Literal["passed", "failed", "none"]) -> float:
        return shipped().after("reverse a string", Signals(-0.1, -1.5, 80, example)).value

    assert after("passed") > 0.8 > after("none") > 0.2 > after("failed")
    assert shipped().after("x", Signals(-0.05, -0.5, 80)).value > shipped().after("x", Signals(-0.5, -5.0, 80)).value


def test_plain_tasks_are_not_called_unlikely() -> None:
    for prompt in ("Write a function for the n-th Fibonacci number", "reverse a string", "area of a circle"):
        assert shipped().before(prompt).enough


def test_of_the_solved_tasks_few_are_warned_about() -> None:
    model = CorrectnessModel.fit("fake", tasks(400, 1))
    solved = [score for score, right in model.plain.before.held_out if right]
    assert sum(score < model.lowest() for score in solved) <= 0.05 * len(solved)
    assert model.plain.after.quality.auroc > 0.7
    assert model.plain.after.quality.ece < 0.1
    assert CorrectnessModel.from_json(model.to_json()) == model


def test_what_cannot_be_certified_is_not() -> None:
    assert CorrectnessModel.fit("fake", tasks(60, 2)).plain.certified is None
    with pytest.raises(GatllmError, match="too few"):
        CorrectnessModel.fit("fake", tasks(12, 2))


def test_a_model_is_for_one_generator() -> None:
    assert shipped().is_for("Qwen2.5-Coder-0.5B-Instruct-q4_k_m")
    assert not shipped().is_for("SmolLM2-135M")


def test_an_example_is_no_part_of_what_is_asked() -> None:
    assert before_features("Sort a list.") == before_features("Sort a list.\nassert f([3, 1, 2], 7, 8) == [1, 2, 3]")


def test_other_subjects_are_told_from_code() -> None:
    assert sum(map(asks_for_code, other_prompts())) <= 0.1 * len(other_prompts())
    assert asks_for_code("what does `os.walk` do?")
    assert asks_for_code("Schreibe eine Funktion")


def test_reasons_are_named() -> None:
    against = reasons(Signals(-1.0, -5.0, 9, "failed", agreement=0.4, invented=True))
    assert against == ["it fails the prompt's own example", "it names what does not exist", "proposals disagree"]
    assert reasons(Signals(-1.0, -5.0, 9, "passed", agreement=0.9)) == []


@pytest.fixture
def ours(library: Library, confidence: ConfidenceModel) -> Assistant:
    return Assistant(FakeGenerator(GOOD), Reviewer(), library, confidence=confidence, correctness=shipped())


def test_the_confidence_shown_is_that_of_the_answer(ours: Assistant) -> None:
    answer = ours.ask("Write a function that doubles a number.")
    assert answer.assessment.confidence == shipped().before("Write a function that doubles a number.").value
    assert answer.confidence != answer.assessment.confidence
    assert not answer.certified
    assert "covered by the data" in answer.assessment.features
    assert answer.warning == ""


def test_a_name_that_does_not_exist_is_warned_about(ours: Assistant) -> None:
    for prompt in ("How do I use `list.reverse_sorted()`?", "How does json.parse_file(path, strict=False) work?"):
        assert "it names what does not exist" in ours.ask(prompt).warning
    assert ours.ask("How do I use `list.sort()`?").warning == ""


@pytest.mark.parametrize(
    "prompt",
    [
        "Schreibe eine Funktion, die prüft, ob eine Zahl eine Primzahl ist.",
        "文字列を逆順にする関数を書いてください。",
        "Escribe una función que invierta una cadena, sin usar reversed.",
        "Напиши функцию, которая переворачивает строку.",
        "Écris une fonction qui calcule l'aire d'un cercle.",
        "写一个反转字符串的函数",
    ],
)
def test_a_task_in_another_language_is_not_called_unlikely(ours: Assistant, prompt: str) -> None:
    """Its words and commas are not those that the features count: it is as likely as any task."""
    assert ours.assess(prompt).confidence == shipped().plain.before.quality.base_rate
    assert ours.assess(prompt).warning == ""


@pytest.mark.parametrize("prompt", ["Sort numbers descending", "Write a function that doubles", "reverse a string"])
def test_short_english_is_english(prompt: str) -> None:
    assert is_english(prompt)


@pytest.mark.parametrize(
    ("said", "confidence", "stays"),
    [
        ("the model can't answer this accurately", 0.65, False),
        ("the model can't answer this accurately", 0.2, True),
        ("the model can't answer this accurately", None, True),
        ("it names what does not exist: json.parse", 0.65, True),
    ],
)
def test_what_was_said_of_the_prompt_gives_way_to_a_likely_answer(
    said: str, confidence: float | None, stays: bool
) -> None:
    assessment = Assessment(0.2, 0.25, False, {}, said)
    signals = Signals(-0.1, -1.0, 50)
    warning = warning_of(assessment, Completion("", "stop", 1, 1, (-0.1,)), signals, confidence)
    assert warning == (said if stays else "")


def test_a_name_that_does_not_exist_makes_an_answer_unlikely(ours: Assistant) -> None:
    ours.generator = FakeGenerator("Call `list.reverse_sorted()` on it.")
    answer = ours.ask("How do I use `list.reverse_sorted()`?")
    assert answer.confidence is not None
    assert answer.confidence < shipped().lowest()
    assert answer.text.startswith("There is no `list.reverse_sorted`.")
    assert answer.text.rstrip().endswith(
        "Correction: There is no `list.reverse_sorted`. There is `list.reverse` and `sorted`."
    )
    assert ours.ask("How do I use `list.reverse_sorted()`?", proceed=False).declined


def test_another_subject_is_nothing_like_the_data(ours: Assistant) -> None:
    assert "nothing like it is in the data" in ours.ask("Which wine goes with roast duck?").assessment.warning


def test_failures_move_the_threshold_within_bounds_and_are_forgotten() -> None:
    reliability = Reliability()
    base = reliability.threshold(0.3, "medium")
    for _ in range(500):
        reliability.learn("medium", False)
    assert base < reliability.threshold(0.3, "medium") <= 0.45
    assert reliability.threshold(0.95, "medium") <= HIGHEST
    for _ in range(500):
        reliability.learn("medium", True)
    assert reliability.threshold(0.3, "medium") == pytest.approx(0.3, abs=0.01)


def test_answers_of_strangers_teach_nothing() -> None:
    ours = Assistant(FakeGenerator(WRONG), Reviewer())
    before = ours.reliability.rate("easy")
    list(ours.stream("print it"))
    ours.ask("print it")
    assert ours.reliability.rate("easy") == before
    list(ours.stream("print it", learn=True))
    assert ours.reliability.rate("easy") < before


class Reads(FakeGenerator):
    """Its state is the number in the prompt, the answer's that in its code."""

    def states(
        self, messages: Sequence[Message], answer: str, layers: Sequence[int]
    ) -> dict[int, tuple[list[float], list[float]]]:
        self.read = (messages[-1]["content"], answer)
        first, second = (float(re.sub(r"\D", "", text) or 0) for text in self.read)
        return {layer: ([first, 0.0, 1.0], [second, 0.0, 1.0]) for layer in layers}


def read_tasks(count: int) -> list[Task]:
    """Tasks that the number in the prompt decides; the answer's number tells whether this answer is right."""
    rng = random.Random(3)
    made = []
    for number in range(count):
        level, right = rng.random(), rng.random() < 0.8
        solved = right if rng.random() < 0.9 else not right
        asked = [float(right) + level, 0.0, 1.0]
        states = (asked, [asked[0], 3.0, 1.0], [float(solved) + level, 0.0, 1.0])
        made.append(Task(f"sort {number}", Signals(-0.1, -level, 80, "passed"), solved, right, states))
    return made


def test_hidden_states_tell_more_and_are_read_of_their_own_generator_only() -> None:
    model = CorrectnessModel.fit("fake", read_tasks(300))
    assert CorrectnessModel.from_json(model.to_json()) == model
    assert model.read is not None
    assert model.read.before.quality.auroc > model.plain.before.quality.auroc + 0.1
    reads, other = Reads(), Reads()
    other.name = "another"
    assert model.before("sort 2", reads).value > 0.7 > model.before("sort 0", reads).value
    assert model.before("sort 2", other) == model.before("sort 0", other) == model.before("sort 2")
    assert model.before("sort 2", FakeGenerator()) == model.before("sort 2")
    passed = Signals(-0.1, -0.5, 80, "passed")
    assert model.after("sort 2", passed, "x = 2", reads).value > model.after("sort 2", passed, "x = 0", reads).value
    assert reads.read == ("sort 2", "```python\nx = 0\n```")
    assert model.after("sort 2", passed, "x = 2", other) == model.after("sort 2", passed)
    assert model.lowest(reads) != model.lowest(other)


def test_what_is_longer_than_the_tasks_of_the_probes_and_what_is_not_english_is_not_read() -> None:
    model = CorrectnessModel.fit("fake", read_tasks(300))
    for prompt in (
        "sort 1 " + "word " * 1000,
        "What does sort 1 do?",
        "Sortiere die Liste 1 und schreibe eine Funktion",
    ):
        assert model.before(prompt, Reads()) == model.before(prompt)


def test_a_probe_is_one_linear_map_of_all_its_steps() -> None:
    rng = np.random.default_rng(1)
    states = rng.normal(size=(200, 30)) * rng.uniform(0.1, 9, 30) + 5
    labels = states[:, 3] + rng.normal(size=200) > 5
    probe, held_out = Probe.fit(7, states.tolist(), labels.tolist(), range(200))
    logits = [probe.logit(row) for row in states.tolist()]
    assert auroc(logits, labels.tolist()) > 0.7
    assert auroc(held_out, labels.tolist()) < auroc(logits, labels.tolist())
    shifted = [probe.logit(row) for row in (states + 1).tolist()]
    assert np.ptp(np.subtract(shifted, logits)) < 1e-6
    assert Probe.from_json(probe.to_json()) == probe
