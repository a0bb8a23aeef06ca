"""What was learnt is known; another thing asked in the same words is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.training.known import Known

FACTS = [
    ("who wrote Hamlet?", "William Shakespeare"),
    ("who painted the Mona Lisa?", "Leonardo da Vinci"),
    ("what is the capital of France?", "Paris"),
    ("how many legs has a spider?", "eight"),
    ("what is the chemical symbol of gold?", "Au"),
]


@pytest.mark.parametrize(
    "question", [*(q for q, _ in FACTS), "the capital of France", "tell me who wrote hamlet please"]
)
def test_what_was_learnt_is_known(question: str) -> None:
    assert question in Known(FACTS)


@pytest.mark.parametrize(
    "question",
    [
        "what is the capital of Peru?",
        "what is the chemical symbol of France?",
        "who wrote Faust?",
        "how many legs has a cat?",
        "how do I bake bread?",
        "",
        "?",
    ],
)
def test_what_was_not_learnt_is_not(question: str) -> None:
    assert question not in Known(FACTS)


@given(st.dictionaries(st.text(min_size=1).filter(str.strip), st.text(min_size=1), min_size=1, max_size=20))
def test_every_question_is_known_word_for_word(pairs: dict[str, str]) -> None:
    known = Known(list(pairs.items()))
    assert all(question in known for question in pairs)


def test_questions_of_one_pattern_are_told_apart() -> None:
    countries = [f"land{n}" for n in range(300)]
    known = Known([(f"what is the capital of {one}?", f"town{one}") for one in countries[:150]])
    assert all(f"what is the capital of {one}?" in known for one in countries[:150])
    assert not any(f"what is the capital of {one}?" in known for one in countries[150:])
