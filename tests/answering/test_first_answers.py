"""What a new user may ask first, with the default generator as it ships: right answers are not warned about as
unlikely, what is invented is said first, and orders in code are not obeyed."""

from collections.abc import Iterator

import pytest

from gatllm.answering import Answer, Assistant
from gatllm.answering.opening import open_assistant
from gatllm.models import ChatOptions
from gatllm.sandbox import Runner

pytestmark = pytest.mark.slow
CANNOT = "can't answer"


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    return open_assistant(
        data_requests=tmp_path_factory.mktemp("asked") / "data_requests.jsonl",
        options=ChatOptions(max_new_tokens=300),
    )


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(workers=1) as made:
        yield made


def code(answer: Answer) -> str:
    return next((review.code for review in answer.reviews if not review.from_prompt), "")


@pytest.mark.parametrize(
    ("prompt", "function", "inputs", "outputs"),
    [
        ("Write a function fib(n) that returns the n-th Fibonacci number, fib(1) -> 1, fib(2) -> 1", "fib",
         [(10,), (1,)], [55, 1]),
        ("Write a function area(radius) that returns the area of a circle.", "area", [(0,)], [0.0]),
        ("Schreibe eine Funktion ist_prim(n), die prüft, ob eine Zahl eine Primzahl ist.", "ist_prim",
         [(7,), (9,), (2,)], [True, False, True]),
        ("文字列を逆順にする関数 reverse(text) を書いてください。", "reverse", [("abc",)], ["cba"]),
    ],
)  # fmt: skip
def test_right_answers_are_not_called_unlikely(
    assistant: Assistant, runner: Runner, prompt: str, function: str, inputs: list[tuple[int]], outputs: list[object]
) -> None:
    answer = assistant.ask(prompt)
    execution = runner.call(code(answer), function, inputs)
    found = [getattr(result, "value", None) for result in execution.results]
    print(
        prompt,
        answer.confidence,
        answer.warning,
        answer.verdict,
        found,
        [s.origin for s in answer.sources],
        answer.text,
    )
    assert found == outputs
    assert CANNOT not in answer.warning
    assert answer.confidence is not None
    assert answer.confidence > 0.3
    assert not answer.sources
