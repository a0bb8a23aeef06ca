"""Measures of a model: right numbers for models whose answers are known, the same items for two, plug-ins by name."""

import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.cli import main
from gatllm.errors import GatllmError, UsageError
from gatllm.models.remote import RemoteGenerator
from gatllm.training.fewshot import wilson
from gatllm.training.measures import MEASURES, Subject, compare, measure, open_subject
from gatllm.training.measures.code import pass_at
from gatllm.training.measures.measured import fraction_of
from gatllm.training.measures.questions import by_threshold, learnt_to_refuse
from gatllm.training.measures.subject import EndpointSubject
from gatllm.training.refusing import REFUSALS, Probed, is_refusal, probe, write_refusals
from gatllm.training.rewards import Asked, load_reward
from tests.models.tiny_lm import write_tiny_lm


class Known:
    """A subject that says what a function says."""

    def __init__(self, say: Callable[[str], str], confidence: Callable[[str], float] = lambda _: 0.5) -> None:
        self.name, self._say, self._confidence = "known", say, confidence

    def write(
        self, prompts: Sequence[str], *, tokens: int, n: int = 1, temperature: float = 0.0, stop: Sequence[str] = ()
    ) -> list[list[tuple[str, float]]]:
        if any("unreadable" in prompt for prompt in prompts):
            raise GatllmError("the prompt is too long")
        return [[(self._say(prompt), math.log(self._confidence(prompt)))] * n for prompt in prompts]

    def score(self, context: str, continuation: str) -> tuple[float, bool]:
        return -float(len(continuation)), False

    def nats(self, text: str) -> tuple[float, int]:
        return math.log(2) * 2 * len(text.encode()), len(text)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "questions.json"
    path.write_text(json.dumps({f"what is {n}?": str(n) for n in range(20)}))
    return path


def _first_half(prompt: str) -> str:
    number = int(prompt.split()[2].rstrip("?"))
    return str(number) if number < 10 else "I do not know." if number < 15 else "7000"


def test_abstention_counts_right_wrong_and_refused(file: Path) -> None:
    found = measure(f"abstention:{file}", Known(_first_half))
    assert {name: found.numbers[name][0] for name in ("right", "wrong", "refused")} == {
        "right": 0.5, "wrong": 0.25, "refused": 0.25,
    }  # fmt: skip
    assert found.numbers["precision"][0] == pytest.approx(10 / 15)
    sure = measure(f"abstention:{file}", Known(_first_half, lambda p: 0.9 if _first_half(p) != "7000" else 0.1))
    assert sure.numbers["risk_at_half"][0] == 0


def test_a_threshold_is_set_on_one_half_and_judged_on_the_other() -> None:
    rng = random.Random(3)
    answers = [(good, rng.gauss(1.0 if good else -1.5)) for good in (rng.random() < 0.6 for _ in range(4000))]
    found = by_threshold(answers)
    refused, lost = found["refused"], found["lost"]
    assert lost[0] == pytest.approx(0.05, abs=0.015)
    # A normal variable at -1.5 lies below the other's 5 % point (1 - 1.645) with probability 0.803.
    assert refused[0] == pytest.approx(0.803, abs=0.03)
    assert by_threshold([(good, 0.5) for good, _ in answers])["refused"][0] == 0  # what is equal is not refused
    assert by_threshold(answers[:30]) == {}
    # One half sure of what is wrong, the other of what is right: it must show that they differ, not hide it.
    odd = [(True, 2.0 - at % 2) for at in range(200)]
    assert by_threshold(odd)["lost"][0] == 0.5


def test_what_was_gained_by_refusing(file: Path) -> None:
    before = measure(f"abstention:{file}", Known(lambda p: _first_half(p).replace("I do not know.", "5000")))
    gains = learnt_to_refuse(before, measure(f"abstention:{file}", Known(_first_half)))
    assert (gains["refused"][0], gains["lost"][0], gains["due"][0]) == (0.5, 0.0, 1.0)


def test_answers_and_a_question_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.write_text(json.dumps({"what is 1?": "1", "what is 2?": "2", "unreadable 3": "3"}))
    found = measure(f"answers:{path}", Known(lambda p: p[8]))
    assert found.numbers["exact"][0] == pytest.approx(2 / 3)
    assert len(found.bad) == 1


def test_calibration_of_a_model_that_knows_how_much_it_knows(file: Path) -> None:
    honest = Known(_first_half, lambda p: 0.999 if int(p.split()[2].rstrip("?")) < 10 else 0.001)
    found = measure(f"calibration:{file}", honest)
    assert found.numbers["ece"][0] < 0.01
    assert found.numbers["auroc"][0] == 1
    boastful = measure(f"calibration:{file}", Known(_first_half, lambda _: 0.99))
    assert boastful.numbers["ece"][0] == pytest.approx(0.49)
    assert compare(found, boastful).high < 0  # less is better


def test_bits_per_byte(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("some text\n")
    assert measure(f"text:{tmp_path / 'a.txt'}", Known(str)).numbers["bits_per_byte"][0] == pytest.approx(2)


def test_pass_at_k_is_the_unbiased_estimate() -> None:
    from itertools import combinations

    for right in range(6):
        answers = [True] * right + [False] * (5 - right)
        for k in (1, 2, 5):
            drawn = [any(group) for group in combinations(answers, k)]
            assert pass_at(k, 5, right) == pytest.approx(sum(drawn) / len(drawn))


def test_code_repair_and_infilling(tmp_path: Path) -> None:
    good = "def add(first, second):\n    total = first + second\n    return total\n"
    (tmp_path / "code.py").write_text(good)
    said = f"```python\n{good}```"
    assert measure(f"repair:{tmp_path}", Known(lambda _: said)).numbers["exact"][0] == 1
    assert measure(f"repair:{tmp_path}", Known(lambda _: "I can't")).numbers["exact"][0] == 0
    lines = good.splitlines()

    def fill(prompt: str) -> str:
        return next(line.strip() for line in lines if line.strip() and line not in prompt)

    assert measure(f"infilling:{tmp_path}", Known(fill)).numbers["exact"][0] == 1
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text(json.dumps({"task_id": 1, "prompt": "Add.", "test_list": ["assert add(1, 2) == 3"]}))
    try:
        found = measure(f"code:{tasks}", Known(lambda _: said))
    except GatllmError as error:
        pytest.skip(str(error))
    assert found.numbers["pass@1"][0] == 1
    assert measure(f"code:{tasks}", Known(lambda _: "def add(a, b): return 4")).numbers["pass@10"][0] == 0


def test_two_models_are_compared_on_the_same_items(file: Path) -> None:
    good, bad = Known(_first_half), Known(lambda _: "no")
    one, other = (measure(f"answers:{file}", subject, limit=12, seed=3) for subject in (good, bad))
    assert [item.key for item in one.items] == [item.key for item in other.items]
    found = compare(one, other)
    assert found.items == 12
    assert 0 < found.low <= found.mean <= found.high


def test_every_wording_of_a_refusal_is_known_as_one() -> None:
    assert all(is_refusal(text) for text in REFUSALS)
    assert all(is_refusal(text.replace("'", "’")) for text in REFUSALS)
    for text in ("Paris", "It is 7. I do not know more.", "Socrates said that he knows nothing", "Not far"):
        assert not is_refusal(text)


def test_a_model_is_taught_by_what_it_knows(tmp_path: Path) -> None:
    asked = [Asked(f"what is {n}?", str(n), key=f"q:{n}") for n in range(20)]

    def answers(prompts: Sequence[str], n: int, _temperature: float) -> list[list[str]]:
        said = [[_first_half(prompt)] * n for prompt in prompts]
        return [["2", *["9000"] * (n - 1)] if "is 2?" in p else s for p, s in zip(prompts, said, strict=True)]

    probed = probe(asked, answers, load_reward("contains"))
    assert [one.knowledge for one in probed] == ["known"] * 2 + ["unknown"] + ["known"] * 7 + ["unknown"] * 10
    made = write_refusals(probed, tmp_path / "out", source="here")
    rows = {record["prompt"]: record["text"] for record in made.records()}
    assert rows["what is 3?"] == "3"
    assert sum(is_refusal(text) for text in rows.values()) == 9  # as many as answers
    assert not any(is_refusal(rows[f"what is {n}?"]) for n in (0, 1, 3, 4, 5, 6, 7, 8, 9))
    with pytest.raises(GatllmError, match="knows none"):
        write_refusals([Probed(asked[0], 0, 8)], tmp_path / "none", source="here")


def test_a_question_that_cannot_be_asked_spoils_no_others() -> None:
    asked = [Asked("what is 1?", "1"), Asked("long " * 99, "1"), Asked("what is 2?", "2")]

    def answers(prompts: Sequence[str], n: int, _temperature: float) -> list[list[str]]:
        if any(len(prompt) > 50 for prompt in prompts):
            raise GatllmError("too long", "shorten it")
        return [[_first_half(prompt)] * n for prompt in prompts]

    assert [one.asked.reference for one in probe(asked, answers, load_reward("contains"))] == ["1", "2"]
    with pytest.raises(GatllmError, match="too long"):
        probe(asked[1:2], answers, load_reward("contains"))


def test_the_commands(tmp_path: Path, file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    base = write_tiny_lm(tmp_path / "lm")

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--quiet"])
        out = capfd.readouterr()
        return out.out if ended.value.code == 0 else f"{ended.value.code} {out.err}"

    wanted = ["--task", f"abstention:{file}", "--task", f"answers:{file}", "--limit", "4"]
    found = json.loads(run("eval", str(base), *wanted, "--against", str(base), "--json"))
    assert [one["mean"] for one in found["differences"]] == [0, 0]
    assert "exact" in run("eval", str(base), *wanted, "--against", str(base))
    (tmp_path / "text.txt").write_text("def add(a, b):\n    return a + b\n" * 20)
    assert "bits_per_byte" in run("eval", str(base), "--task", f"text:{tmp_path / 'text.txt'}")
    assert "knows none" in run("data", "refusals", str(file), "--model", str(base), "--limit", "2")
    assert "measures stand alone" in run("eval", str(base), *wanted, "--task", "sums")
    assert "--against compares measures" in run("eval", str(base), "--against", str(base))


def test_scores_are_those_of_the_model_and_the_harness_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys
    from importlib.util import find_spec
    from types import ModuleType, SimpleNamespace

    from gatllm.training.measures.harness import harness_model

    subject = open_subject(str(write_tiny_lm(tmp_path / "lm")))
    whole, _ = subject.nats("def add(a, b)")
    parts = subject.nats("def add")[0] - subject.score("def add", "(a, b)")[0]
    assert parts == pytest.approx(whole, rel=1e-4)
    assert subject.score("def add", "") == (0.0, True)
    with pytest.raises(GatllmError, match="the model reads"):
        subject.score("a", "b" * 500)
    if find_spec("lm_eval") is None:  # the harness's base class: three abstract methods, requests with ``args``
        package, api, model = ModuleType("lm_eval"), ModuleType("lm_eval.api"), ModuleType("lm_eval.api.model")
        model.LM = object  # type: ignore[attr-defined]
        for module in (package, api, model):
            monkeypatch.setitem(sys.modules, module.__name__, module)
    taken = harness_model(subject)
    request = SimpleNamespace(args=("def add", "(a, b)"))
    assert taken.loglikelihood([request]) == [subject.score(*request.args)]
    assert taken.loglikelihood_rolling([SimpleNamespace(args=("def add(a, b)",))]) == [-whole]
    (written,) = taken.generate_until([SimpleNamespace(args=("def", {"until": ["("], "max_gen_toks": 4}))])
    assert "(" not in written


def test_an_engine_by_its_address_is_measured_by_what_it_answers(file: Path) -> None:
    asked: list[dict[str, Any]] = []

    def engine(told: bool) -> Subject:
        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/models"):
                return httpx.Response(200, json={"data": [{"id": "m"}]})
            asked.append(json.loads(request.content))
            said = _first_half(asked[-1]["messages"][-1]["content"])
            sure = {"logprobs": {"content": [{"token": said, "logprob": -0.5}]}} if told else {"logprobs": None}
            return httpx.Response(200, json={"choices": [{"message": {"content": said}, **sure}]})

        return EndpointSubject(
            RemoteGenerator("http://x/v1", client=httpx.Client(transport=httpx.MockTransport(answer)))
        )

    silent, telling = engine(False), engine(True)
    here = Known(_first_half, lambda _: math.exp(-0.5))
    for subject in (silent, telling):
        there = measure(f"abstention:{file}", subject)
        assert [item.said for item in there.items] == [item.said for item in measure(f"abstention:{file}", here).items]
    assert "aurc" not in measure(f"abstention:{file}", silent).numbers
    assert measure(f"calibration:{file}", telling).numbers == measure(f"calibration:{file}", here).numbers
    with pytest.raises(UsageError, match="does not tell how sure it is"):
        measure(f"calibration:{file}", silent)
    with pytest.raises(UsageError, match="behind an address"):
        silent.nats("text")
    assert [one[0] for one in telling.write(["what is 3?"], tokens=5, n=2, temperature=1.0)[0]] == ["3", "3"]
    assert asked[-1]["seed"] != asked[-2]["seed"]
    assert (asked[-1]["max_tokens"], asked[-1]["temperature"]) == (5, 1.0)
    with pytest.raises(GatllmError, match="does not answer"):
        open_subject("http://127.0.0.1:9/v1")


def test_solved_examples_are_shown_and_are_never_the_question(tmp_path: Path) -> None:
    names = ["add", "sub", "mul", "mix"]
    code = [f"def {name}(first, second):\n    total = {name}_of(first, second)\n    return total\n" for name in names]
    (tmp_path / "code.py").write_text("\n\n".join(code))
    seen: list[str] = []
    subject = Known(lambda prompt: seen.append(prompt) or "no")  # type: ignore[func-returns-value]
    for name in ("infilling", "repair"):
        seen.clear()
        assert len(measure(f"{name}:{tmp_path}", subject, shots=2).items) == 2
        for prompt in seen:
            *solved, question = prompt.split("\n\n---\n\n")
            assert len(solved) == 2
            assert (
                len({next(n for n in names if f"{n}_of" in part or f"{n}(" in part) for part in prompt.split("---")})
                == 3
            )
            assert "missing" in question or "Repair" in question
        with pytest.raises(UsageError, match="give more than 4"):
            measure(f"{name}:{tmp_path}", subject, shots=4)
    rows = [
        {
            "task_id": name,
            "prompt": f"Write {name}.",
            "test_list": [f"assert {name}(1) == 1"],
            "code": f"def {name}(n): ...",
        }
        for name in names
    ]
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text("\n".join(map(json.dumps, rows)))
    seen.clear()
    try:
        measure(f"code:{tasks}", subject, shots=3, limit=1)
    except GatllmError as error:
        pytest.skip(str(error))
    *solved, question = seen[0].split("\n\n---\n\n")
    asked = next(name for name in names if f"Write {name}." in question)
    assert {name for part in solved for name in names if f"def {name}(" in part} == set(names) - {asked}
    with pytest.raises(UsageError, match="only 3 other tasks"):
        measure(f"code:{tasks}", subject, shots=4)


def test_a_measure_of_ones_own(tmp_path: Path, file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from gatllm.training.measures import Item, Measured\n\n"
        "def short(subject, source, limit, shots, seed):\n"
        "    said = [subject.write([word], tokens=4)[0][0][0] for word in source.split(',')][:limit]\n"
        "    items = tuple(Item(str(at), float(len(text) < 3), text) for at, text in enumerate(said))\n"
        "    return Measured('short', {'short': (sum(i.score for i in items) / len(items), None, None)}, items)\n\n"
        "def none(*_):\n    return 3\n"
    )
    found = measure(f"{mine}:short:a,bbb", Known(str))
    assert found.numbers["short"][0] == 0.5
    with pytest.raises(GatllmError, match="gave int"):
        measure(f"{mine}:none:x", Known(str))
    with pytest.raises(UsageError, match="has no function 'long'"):
        measure(f"{mine}:long:x", Known(str))
    with pytest.raises(SystemExit):
        main(["eval", str(write_tiny_lm(tmp_path / "lm")), "--task", f"{mine}:short:a,bbb", "--json", "--quiet"])
    assert json.loads(capfd.readouterr().out)["models"][0]["measures"][0]["name"] == "short"


def test_wrong_names(file: Path) -> None:
    with pytest.raises(UsageError, match="there is no measure 'nothing'"):
        measure(f"nothing:{file}", Known(str))
    with pytest.raises(UsageError, match="what shall text be measured on"):
        measure("text", Known(str))
    with pytest.raises(GatllmError):
        open_subject("/nowhere/at/all")
    for name in MEASURES:
        with pytest.raises(GatllmError):
            measure(f"{name}:/nowhere/at/all", Known(str))


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_the_interval_of_a_fraction_holds_its_mean_and_no_certainty(values: list[float]) -> None:
    mean, low, high = fraction_of(values)
    assert 0 <= low <= mean <= high <= 1
    assert low < high


def test_the_interval_of_rights_and_wrongs_is_about_wilsons_and_holds_what_it_says() -> None:
    for right, asked in ((0, 10), (3, 10), (50, 100), (100, 100)):
        _, low, high = fraction_of([1.0] * right + [0.0] * (asked - right))
        assert (low, high) == pytest.approx(wilson(right, asked), abs=0.06)
    rng = random.Random(1)
    for shape in ((0.5, 0.5), (0.3, 2.0), (5.0, 1.0)):  # of what each item is right, as pass@1 of ten samples
        truth = shape[0] / sum(shape)
        held = 0
        for _ in range(400):
            _, low, high = fraction_of([rng.betavariate(*shape) for _ in range(12)])
            held += low <= truth <= high
        assert held >= 0.92 * 400


def test_a_measure_that_does_not_exist_is_named_as_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["eval", str(tmp_path), "--task", "answer:pairs.json"])
    assert "there is no measure 'answer'" in capsys.readouterr().err
