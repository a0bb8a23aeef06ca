"""A discriminator that knows a few rules, and one trained for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gatllm.data import DatasetWriter
from gatllm.records import new_folder, sha256
from gatllm.review.forward import Logits, Tokens
from gatllm.review.reviewer import Reviewer
from gatllm.review.tagger import Tagger
from gatllm.review.tags import KEEP, TAG_IDS, TAGS, Tag
from gatllm.tokenizers.lexicon import Lexicon

CODE = '''def total(prices, rate):
    """Add up the prices of all things."""
    result = 0
    for price in prices:
        if price < 0:
            raise ValueError(price)
        result += price * (1 + rate)
    return round(result, 2)
'''


class RuleForward:
    """Proposes fixed edits where it sees certain words: what a trained model does, without the training."""

    def __init__(self, lexicon: Lexicon, rules: dict[str, Tag]) -> None:
        ids = {word: (lexicon.lex(word)[0].id, lexicon.lex(f"x {word}")[1].id) for word in rules}
        self.rules = {number: TAG_IDS[tag] for word, tag in rules.items() for number in ids[word]}
        self.passes = 0

    def __call__(self, tokens: Tokens) -> Logits:
        ids, padding = tokens.ids, tokens.padding
        self.passes += 1
        edit = np.full((*ids.shape, len(TAGS)), -9.0, np.float32)
        edit[..., KEEP] = 3.0
        error = np.full(ids.shape, -6.0, np.float32)
        for token, tag in self.rules.items():
            edit[ids == token, tag] = 6.0
            error[ids == token] = 4.0
        error[padding] = -9.0
        return Logits(error.max(axis=1), error, edit)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def lexicon() -> Lexicon:
    """A lexicon of one function and the words of the rules."""
    return Lexicon.train([CODE, "x retrun\nx whlie\nx lst\nretrun\nwhlie\nlst\n"], size=950)


@pytest.fixture
def reviewer(lexicon: Lexicon) -> Reviewer:
    """A reviewer that knows two misspelt keywords and one wrong name."""
    rules = {"retrun": Tag("replace", "return"), "whlie": Tag("replace", "while"), "lst": Tag("replace", "list")}
    return Reviewer(Tagger(RuleForward(lexicon, rules), lexicon, 64))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A positive dataset of thirty little modules."""
    path = tmp_path_factory.mktemp("data") / "code"
    with new_folder(path) as folder, DatasetWriter(folder, "positive", "code") as writer:
        for number in range(30):
            text = CODE.replace("total", f"total_{number}") + f"\n\nLIMIT_{number} = [1, 2, {number}]\n"
            record = {"id": f"{number:016}", "text": text, "sha256": sha256(text.encode())}
            writer.add({**record, "licence": "Apache-2.0", "origin": f"lib{number}:module{number}.py"})
        writer.finish(sources=["test"])
    return path


@pytest.fixture(scope="session")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A discriminator after five updates."""
    from gatllm.training import Recipe, train

    recipe = Recipe.load(
        "discriminator",
        {
            "data.source": str(dataset),
            "data.workers": 0,
            "data.validation_rows": 8,
            "data.validation_repairs": 2,
            "tokenizer.size": 900,
            "model.layers": 1,
            "model.width": 32,
            "model.heads": 2,
            "model.context": 64,
            "train.steps": 5,
            "train.batch": 4,
            "train.threads": 1,
            "train.precision": "fp32",
        },
    )
    return train(recipe, tmp_path_factory.mktemp("runs") / "discriminator").path
