"""Embeddings: their shape, and that neither padding nor company changes them."""

from typing import Any

import pytest
import torch

from gatllm.inference import get_embeddings, pooled_embeddings
from gatllm.models import DiscriminatorConfig, GPTConfig, Model, Seq2SeqConfig, build
from gatllm.models.chat import ContextOverflowError
from gatllm.tokenizers import train_characters

LETTERS = train_characters(["abcdefghijklmnopqrstuvwxyz "])
SMALL: dict[str, Any] = {"vocabulary": LETTERS.size, "context": 24, "layers": 2, "heads": 2, "width": 16}


@pytest.mark.parametrize("config", [GPTConfig, Seq2SeqConfig, DiscriminatorConfig])
def test_embeddings(config: Any) -> None:
    model: Model = build(config(**SMALL, initialisation="gpt2"), seed=1)
    embedded = get_embeddings(model, LETTERS, ["hello", "a", "", "hello world"])
    assert embedded.shape == (4, 11, 16)
    torch.testing.assert_close(embedded[:1, :5], get_embeddings(model, LETTERS, ["hello"]), atol=1e-5, rtol=1e-4)
    assert embedded[0, 5:].abs().sum() == 0
    assert not torch.allclose(embedded[0, 2], embedded[0, 3], atol=1e-6, rtol=0)  # two l's, two positions
    assert model.training
    pooled = pooled_embeddings(model, LETTERS, ["hello", "a", "", "hello"])
    assert pooled.shape == (4, 16)
    torch.testing.assert_close(pooled.norm(dim=1), torch.tensor([1.0, 1.0, 0.0, 1.0]))
    torch.testing.assert_close(pooled[0], pooled[3])
    with pytest.raises(ContextOverflowError, match="25 tokens"):
        get_embeddings(model, LETTERS, ["a" * 25])
    assert get_embeddings(model, LETTERS, []).shape == (0, 0, 16)
