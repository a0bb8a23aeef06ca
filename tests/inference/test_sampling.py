"""The filters keep what they say, and the draws follow the probabilities."""

import random

import pytest
import torch

from gatllm.errors import UsageError
from gatllm.inference import Sampling
from gatllm.inference.sampling import choose, keep_likely

LOGITS = torch.tensor([[0.5, 0.2, 0.15, 0.1, 0.05]]).log()


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"top_k": 2}, [0, 1]),
        ({"top_k": 9}, [0, 1, 2, 3, 4]),
        ({"top_p": 0.5}, [0]),
        ({"top_p": 0.51}, [0, 1]),
        ({"top_p": 0.01}, [0]),
        ({"min_p": 0.29}, [0, 1, 2]),
        ({"top_k": 3, "min_p": 0.39}, [0, 1]),
    ],
)
def test_filters(options: dict[str, float], kept: list[int]) -> None:
    shuffled = torch.tensor([3, 0, 4, 1, 2])
    filtered = keep_likely(LOGITS[:, shuffled], Sampling(temperature=1.0, **options))
    assert sorted(shuffled[filtered[0].isfinite()].tolist()) == kept


def test_draws_follow_the_probabilities_and_the_seed() -> None:
    sampling = Sampling(temperature=1.0)
    source = sampling.source(0)
    drawn = choose(LOGITS.expand(20_000, -1), sampling, [source] * 20_000, None)
    shares = torch.bincount(drawn, minlength=5) / 20_000
    torch.testing.assert_close(shares, LOGITS[0].exp(), atol=0.015, rtol=0)
    again = choose(LOGITS.expand(9, -1), sampling, [sampling.source(0)] * 9, None)
    assert torch.equal(again, drawn[:9])
    assert sampling.source(1).random() != sampling.source(0).random()


def test_an_impossible_token_is_never_drawn() -> None:
    class Extreme(random.Random):
        value = 0.0

        def random(self) -> float:
            return self.value

    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf]])
    source = Extreme()
    for source.value in (0.0, 0.5, 1 - 2**-53):
        assert int(choose(logits, Sampling(temperature=1.0), [source], None)) in {1, 3}


def test_cold_is_greedy_and_penalty_moves_on() -> None:
    assert choose(LOGITS, Sampling(), [random.Random()], None)[0] == 0
    seen = torch.tensor([[True, False, False, False, False]])
    assert choose(LOGITS, Sampling(repetition_penalty=3.0), [random.Random()], seen)[0] == 1


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"top_p": 0}, {"n": 0}, {"colour": 1}, {"overflow": "cut"}])
def test_a_wrong_option_is_one_line(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="sampling") as caught:
        Sampling(**wrong)
    assert "\n" not in str(caught.value)
