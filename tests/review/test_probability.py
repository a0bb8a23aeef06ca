"""The probability of a repair: of being what was meant, among all that were found and none of them."""

from pathlib import Path
from random import Random

import pytest

from gatllm.review import compile_error
from gatllm.review.default import load_reviewer
from gatllm.review.probability import Intention
from gatllm.review.traits import NAMES, Found

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FUNCTION = 'def f(xs, n):\n    """First (of n), [or none]."""\n    return [x for x in xs][:n]  # or (less\n'


def _found(text: str) -> Found:
    return Found(text, 1.0, frozenset({"model"}), ())


def test_perhaps_none_of_the_repairs_was_meant() -> None:
    broken = "f(a b)\n"
    error = compile_error(broken)
    assert error is not None
    known_nothing = Intention((0.0,) * (len(NAMES) + 1), (0.0,) * (len(NAMES) + 1), 0.5, 1.0)
    found = [_found("f(a, b)\n"), _found("f(a.b)\n"), _found("f(a + b)\n")]
    assert known_nothing.of(broken, error, found, asked=True) == [0.25] * 3
    assert known_nothing.of(broken, error, found[:1], asked=True) == [0.5]
    assert known_nothing.of(broken, error, [], asked=True) == []


@pytest.mark.parametrize("broken", ["def f(x) return x\n", "xs = )t for t in ts]\n", "def f(a:\n    return a\n"])
def test_what_else_a_file_holds_makes_no_repair_likelier(broken: str) -> None:
    rest = "".join(f"\n\ndef g{n}(a):\n    return a + {n}\n" for n in range(30))
    reviewer = load_reviewer(quick=True)
    alone, among_others = reviewer.fix(broken), reviewer.fix(broken + rest)
    assert among_others.likeliest == alone.likeliest + rest
    assert among_others.probability == pytest.approx(alone.probability, abs=0.1)


def test_no_slip_of_a_case_hides_where_the_compiler_does_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from review_probability import slips

    words = ("First (of n), [or none]", "# or (less")
    made = [slips(FUNCTION, Random(seed), 2) for seed in range(60)]
    assert sum(one is not None for one in made) > 30
    assert all(word in one for one in made if one is not None for word in words)
