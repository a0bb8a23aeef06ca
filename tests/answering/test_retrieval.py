"""What datasets hold is shown with a prompt: at once where nothing is stated, else where the first proposal fails."""

from collections.abc import Iterator

import pytest

from gatllm.answering import Assistant, FakeGenerator, Library
from gatllm.review import Reviewer
from gatllm.sandbox import Runner

PROMPT = "Remove any common leading whitespace from every line in text.\nassert f('  a') == 'a'"
WRONG = "```python\ndef f(text):\n    return text\n```\n"
RIGHT = "```python\ndef f(text):\n    return text.lstrip()\n```\n"
SHOWN = "Code from datasets"


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(workers=1) as made:
        yield made


def ask(library: Library, runner: Runner, *replies: str, retrieval: int = 700) -> FakeGenerator:
    generator = FakeGenerator(*replies)
    answer = Assistant(generator, Reviewer(), library, runner=runner, retrieval=retrieval).ask(PROMPT)
    assert ".lstrip()" in answer.text
    return generator


def shown(generator: FakeGenerator) -> list[bool]:
    return [any(SHOWN in message["content"] for message in asked) for asked in generator.asked]


def test_a_first_proposal_that_passes_is_all_and_nothing_is_shown(library: Library, runner: Runner) -> None:
    assert shown(ask(library, runner, RIGHT)) == [False]


def test_where_the_first_fails_further_ones_are_drawn_with_what_is_near(library: Library, runner: Runner) -> None:
    seen = shown(ask(library, runner, WRONG, RIGHT))
    assert seen == [False, True, True, True, True, False]  # four are drawn; the revision goes on from the first


def test_where_nothing_is_stated_the_first_proposal_sees_what_is_near(library: Library, runner: Runner) -> None:
    generator = FakeGenerator(RIGHT)
    assistant = Assistant(generator, Reviewer(), library, runner=runner, retrieval=700, breadth=0)
    answer = assistant.ask(PROMPT.partition("\n")[0])
    assert shown(generator) == [True]
    assert any("passages" in entry for entry in answer.transcript)


def test_retrieval_can_be_turned_off(library: Library, runner: Runner) -> None:
    assert not any(shown(ask(library, runner, WRONG, RIGHT, retrieval=0)))
