"""A packed model is the same model, rounded."""

from typing import Any

import pytest
import torch

from gatllm.inference import Sampling, can_pack, generate, packed
from gatllm.models import GPTConfig, Seq2SeqConfig, build
from gatllm.tokenizers import train_characters

LETTERS = train_characters(["abcdefghijklmnopqrstuvwxyz "])
SMALL: dict[str, Any] = {"vocabulary": LETTERS.size, "context": 48, "layers": 2, "heads": 2, "width": 32}


@pytest.mark.parametrize("choice", [{}, {"tied": True, "bias": True}, {"window": 5, "global_tokens": 2}])
def test_packed_logits_are_the_models_rounded(choice: dict[str, Any]) -> None:
    model = build(GPTConfig(**SMALL, **choice, initialisation="orthogonal"), seed=1).eval()
    twin = packed(model)
    tokens = torch.randint(LETTERS.size, (2, 30))
    with torch.inference_mode():
        exact = model(tokens)
        close = twin.logits(twin.extend(tokens, twin.new_cache(2, 30))).float()
    assert torch.nn.functional.cosine_similarity(close.flatten(), exact.flatten(), dim=0) > 0.999
    assert (twin is model) == (not can_pack())
    assert model.embedding.weight.dtype == torch.float32


def test_packed_models_write() -> None:
    for config in (GPTConfig(**SMALL), Seq2SeqConfig(**SMALL)):
        twin = packed(build(config, seed=1).eval())
        answers = generate(twin, LETTERS, ["hello", "a"], Sampling(max_new_tokens=8, ignore_end=True))
        assert [len(answer.tokens) for (answer,) in answers] == [8, 8]
