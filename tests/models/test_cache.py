"""Cached and uncached states agree, for rows of different lengths, chunk by chunk, under every pattern."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.models import GPTConfig, Pattern, Seq2SeqConfig, build
from gatllm.models.cache import RingCache

SMALL: dict[str, Any] = {
    "vocabulary": 17, "context": 96, "layers": 3, "heads": 2, "width": 16, "initialisation": "orthogonal"
}  # fmt: skip
CHOICES: list[dict[str, Any]] = [
    {},
    {"positions": "learned", "embedding_norm": False},
    {"positions": "sinusoidal", "norm_place": "post"},
    {"window": 5},
    {"window": 4, "global_tokens": 3},
    {"window": 4, "global_tokens": 2, "full_every": 2},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@settings(max_examples=12, deadline=None)
@given(chunks=st.lists(st.lists(st.integers(0, 12), min_size=2, max_size=2), min_size=1, max_size=6))
def test_a_gpt_with_cache_says_the_same(choice: dict[str, Any], chunks: list[list[int]]) -> None:
    chunks = [[max(1, count) for count in chunk] if index == 0 else chunk for index, chunk in enumerate(chunks)]
    model = build(GPTConfig(**SMALL, **choice), seed=1).eval()
    tokens = torch.randint(17, (2, 96))
    cache = model.new_cache(2, max(sum(chunk[row] for chunk in chunks) for row in range(2)))
    with torch.no_grad():
        whole = model(tokens)
        for counts in chunks:
            width = max(counts)
            if not width:
                continue
            before = list(cache.lengths)
            new = torch.stack(
                [torch.cat([tokens[row, at : at + count], torch.full((width - count,), 7)])
                 for row, (at, count) in enumerate(zip(before, counts, strict=True))]
            )  # fmt: skip
            got = model.logits(model.extend(new, cache, counts))
            for row, (at, count) in enumerate(zip(before, counts, strict=True)):
                torch.testing.assert_close(got[row, :count], whole[row, at : at + count], atol=1e-5, rtol=1e-5)
    assert cache.lengths == [sum(chunk[row] for chunk in chunks) for row in range(2)]


@pytest.mark.parametrize("choice", [*CHOICES, {"cross_window": 3, "cross_global_tokens": 1}], ids=str)
def test_a_generator_with_cache_says_the_same(choice: dict[str, Any]) -> None:
    model = build(Seq2SeqConfig(**SMALL, **choice), seed=1).eval()
    source, target = torch.randint(17, (2, 20)), torch.randint(17, (2, 30))
    padding = torch.zeros(2, 20, dtype=torch.bool)
    padding[1, 13:] = True
    with torch.no_grad():
        whole = model(source, target, padding)
        cache = model.new_cache(source, padding, 30)
        got = [model.logits(model.extend(target[:, :9], cache))]
        got += [model.logits(model.extend(target[:, at : at + 1], cache)) for at in range(9, 30)]
    torch.testing.assert_close(torch.cat(got, dim=1), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_rows_can_leave_double_and_go_back(choice: dict[str, Any]) -> None:
    model = build(GPTConfig(**SMALL, **choice), seed=1).eval()
    tokens = torch.randint(17, (3, 20))
    with torch.no_grad():
        whole = model(tokens)
        cache = model.new_cache(3, 20)
        model.extend(tokens[:, :10], cache, [10, 4, 6])
        cache.select([2, 0, 0])
        got = model.logits(model.extend(torch.stack([tokens[2, 6:7], tokens[0, 10:11], tokens[0, 10:11]]), cache))
        for row, (which, at) in enumerate([(2, 6), (0, 10), (0, 10)]):
            torch.testing.assert_close(got[row, 0], whole[which, at], atol=1e-5, rtol=1e-5)
        cache.select([1])
        if cache.truncate(5):
            again = model.logits(model.extend(tokens[:1, 5:8], cache))
            torch.testing.assert_close(again[0], whole[0, 5:8], atol=1e-5, rtol=1e-5)
        else:
            assert "window" in choice
            assert cache.lengths == [11]


@given(st.integers(1, 60))
def test_the_ring_holds_the_newest(length: int) -> None:
    ring = RingCache(Pattern(True, window=7, global_tokens=3), (1, 1, 99, 2), torch.zeros(1))
    held = {position for position in ring.held([length])[0].tolist() if position >= 0}
    assert held >= set(range(min(3, length))) | set(range(max(0, length - 7), length))
    assert all(position < length for position in held)


def test_a_ring_is_small_and_a_full_cache_refuses_more() -> None:
    model = build(GPTConfig(**{**SMALL, "context": 5000}, window=8, global_tokens=2))
    assert model.new_cache(1, 5000).layers[0].keys.shape[2] == 10
    cache = model.new_cache(1, 4)
    with pytest.raises(GatllmError, match="5 tokens, but the context of this model holds 4"):
        model.extend(torch.zeros(1, 5, dtype=torch.long), cache)
