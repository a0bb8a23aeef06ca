"""Proposals agree by what they compute, whatever they look like; where nothing can be run nothing is said."""

from collections.abc import Iterator

import pytest

from gatllm.answering import Assistant, FakeGenerator
from gatllm.answering.agreement import agreeing
from gatllm.review import Reviewer
from gatllm.sandbox import Runner

PRIME = "def is_prime(n):\n    return n > 1 and all(n % i for i in range(2, n))\n"
PRIME_TOO = (
    "def prime(number: int) -> bool:\n    if number < 2:\n        return False\n    i = 2\n"
    "    while i * i <= number:\n        if number % i == 0:\n            return False\n        i += 1\n"
    "    return True\n"
)
ODD = "def is_prime(n):\n    return n % 2 == 1\n"
REVERSE = "def reverse(text):\n    return text[::-1]\n"
REVERSE_TOO = "def reverse(s):\n    return ''.join(reversed(s))\n"


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(workers=1) as found:
        yield found


@pytest.mark.parametrize(
    ("codes", "groups"),
    [
        ([PRIME, PRIME_TOO, ODD], [[0, 1], [2]]),
        ([ODD, PRIME, PRIME_TOO], [[1, 2], [0]]),
        ([REVERSE, REVERSE_TOO], [[0, 1]]),
        (["def add(a, b):\n    return a + b\n", "def plus(x, y=0, *z):\n    return y + x\n"], [[0, 1]]),
        (["def f(a, b, c):\n    return a + b + c\n", "def f(*all):\n    return sum(all)\n"], [[0, 1]]),
        ([PRIME, "import nothing_of_that_name\ndef is_prime(n): return True\n"], [[0]]),
        ([PRIME, "def is_prime(n):\n    while True: pass\n"], [[0]]),
        ([PRIME, "class Prime: pass\n"], [[0]]),
    ],
)
def test_what_computes_the_same_is_one_group(codes: list[str], groups: list[list[int]], runner: Runner) -> None:
    assert agreeing(codes, "", runner) == groups


@pytest.mark.parametrize(
    "code",
    [
        "import random\ndef pick(items):\n    return random.random()\n",
        "def hello():\n    return 1\n",
        "def f(a, b, c, d):\n    return a\n",
        "def f(*, a):\n    return a\n",
        "class A:\n    pass\n",
        "x = 1\n",
        "def f(path):\n    return path.read_text()\n",
        "def f(:\n",
    ],
)
def test_where_nothing_can_be_compared_nothing_is_said(code: str, runner: Runner) -> None:
    assert agreeing([code, code], "", runner) == []


def test_the_function_that_was_asked_for_is_the_one_that_is_called(runner: Runner) -> None:
    with_helper = "def is_prime(n):\n    return helper(n)\n\n\n" + PRIME.replace("is_prime", "helper")
    wrong_helper = with_helper.replace("return helper(n)", "return not helper(n)")
    assert agreeing([with_helper, wrong_helper], "is_prime", runner) == [[0], [1]]
    assert agreeing([with_helper, wrong_helper], "", runner) == [[0, 1]]


def answer(runner: Runner | None, *codes: str, prompt: str = "Tell whether a number is prime.") -> tuple[object, ...]:
    generator = FakeGenerator(*(f"```python\n{code}```\n" for code in codes))
    found = Assistant(generator, Reviewer(), runner=runner).ask(prompt)
    review = found.reviews[-1]
    return review.code, review.agreement, len(generator.asked), found.warning


def test_proposals_that_agree_leave_the_first_one_and_say_how_far(runner: Runner) -> None:
    assert answer(runner, PRIME, PRIME_TOO, ODD, PRIME_TOO, PRIME) == (PRIME, 0.8, 5, "")


def test_a_first_proposal_in_a_minority_stays_and_where_it_stands_alone_with_a_warning(runner: Runner) -> None:
    """One of the drawn ones is with it, or one is for a third thing: it isn't clear that it is wrong."""
    assert answer(runner, PRIME, ODD, ODD, ODD, PRIME_TOO) == (PRIME, 0.4, 5, "")
    always = "def is_prime(n):\n    return True\n"
    assert answer(runner, PRIME, ODD, ODD, ODD, always) == (PRIME, 0.2, 5, "proposals disagree")


def test_a_first_proposal_that_all_others_contradict_alike_gives_way(runner: Runner) -> None:
    assert answer(runner, ODD, PRIME, PRIME_TOO, PRIME, PRIME) == (PRIME, 0.8, 5, "")


def test_what_can_not_be_run_neither_agrees_nor_disagrees(runner: Runner) -> None:
    foreign = "import package_of_others\n\n\ndef is_prime(n):\n    return package_of_others.isprime(n)\n"
    assert answer(runner, foreign, PRIME, ODD, PRIME_TOO, ODD)[:2] == (foreign, None)


def test_what_is_not_to_be_compared_costs_nothing(runner: Runner) -> None:
    assert answer(None, PRIME, ODD)[1:3] == (None, 1)  # no sandbox
    assert answer(runner, "print(1)\n", ODD)[1:3] == (None, 1)  # an example of use
    about = "What does this do?\n\n```python\ndef f(n):\n    return n\n```\n"
    assert answer(runner, PRIME, ODD, prompt=about)[1:3] == (None, 1)
