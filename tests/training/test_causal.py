"""The next-token objective: corpora, encoding, the loss over the whole validation text."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from gatllm.errors import GatllmError
from gatllm.models import build, config_from_dict
from gatllm.progress import silent
from gatllm.training import Recipe
from gatllm.training.objectives import corpora
from gatllm.training.objectives.causal import Causal, prepare
from gatllm.training.objectives.windows import IGNORED


def made(tiny: dict[str, Any], **overrides: Any) -> Causal:
    return prepare(Recipe.of(tiny, overrides), None, silent)


def test_the_validation_loss_counts_each_token_once(tiny: dict[str, Any]) -> None:
    objective = made(tiny)
    model = build(config_from_dict(objective.model_config), seed=0).eval()
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(0))
    tokens = torch.from_numpy(objective.validation)
    total = 0.0
    with torch.no_grad():
        metrics = objective.evaluate(model)
        for first in range(0, len(tokens) - 1, objective.context):
            row = tokens[first : first + objective.context + 1]
            logits = model(row[None, :-1])[0]
            total += float(torch.nn.functional.cross_entropy(logits, row[1:], reduction="sum"))
    assert metrics["loss"] == pytest.approx(total / (len(tokens) - 1), rel=1e-5)
    # One byte for each character here, and one character (the first) is given.
    assert metrics["bits_per_byte"] == pytest.approx(total / math.log(2) / len(tokens), rel=1e-5)


def test_the_split_is_by_place_and_the_root_is_the_files_hash(tiny: dict[str, Any]) -> None:
    objective = made(tiny, **{"data.validation": 0.25})
    text = Path(tiny["data"]["source"]).read_text()
    assert objective.tokenizer.decode(objective.validation.tolist()) == text[int(len(text) * 0.75) :]
    assert len(objective.data_root) == 64


def test_padding_never_meets_the_loss(tiny: dict[str, Any]) -> None:
    objective = made(tiny, **{"data.minimum": 3})
    batch = objective.batch(5, 0.0)
    assert batch.weight == float((batch.tensors["targets"] != IGNORED).sum()) < batch.tensors["targets"].numel()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty or too short"),
        (b"\xff\xfe\x00binary", "not UTF-8"),
        (b"too short", "lower model.context"),
    ],
)
def test_bad_texts_are_errors_that_say_so(tiny: dict[str, Any], tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(GatllmError, match=words):
        made(tiny, **{"data.source": str(tmp_path / "text.txt")})


def test_a_missing_text_is_an_error_that_says_so(tiny: dict[str, Any]) -> None:
    with pytest.raises(GatllmError, match=r"can't read nowhere.txt.*data\.source"):
        made(tiny, **{"data.source": "nowhere.txt"})


def test_a_changed_shakespeare_is_refused(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tinyshakespeare.txt").write_text("To be, or not to bee")
    monkeypatch.setenv("GATLLM_DATA", str(tmp_path))
    with pytest.raises(GatllmError, match="SHA-256 differs"):
        made(tiny, **{"data.source": "shakespeare"})


def test_a_download_that_fails_says_where_to_put_the_text(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GATLLM_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(corpora, "_SHAKESPEARE_URL", "http://127.0.0.1:9/input.txt")
    with pytest.raises(GatllmError, match="GATLLM_DATA"):
        made(tiny, **{"data.source": "shakespeare"})
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_that_lacks_a_character_is_an_error(tiny: dict[str, Any], tmp_path: Path) -> None:
    first = made(tiny)
    (tmp_path / "tokenizer.json").write_text(first.tokenizer.to_json())
    (tmp_path / "text.txt").write_text("Zebra crossing. " * 30)
    tokenizer = {"kind": "file", "path": str(tmp_path / "tokenizer.json")}
    with pytest.raises(GatllmError, match="'Z' is not in the tokenizer"):
        made(tiny, **{"data.source": str(tmp_path / "text.txt"), "tokenizer": tokenizer})


def test_a_sample_continues_beyond_the_context_and_never_pads(tiny: dict[str, Any]) -> None:
    objective = made(tiny)
    tokenizer = objective.tokenizer

    class Endless(torch.nn.Module):
        """Likes padding best, the end never, all else alike; what it sees fits the context."""

        def __init__(self) -> None:
            super().__init__()
            self.none = torch.nn.Parameter(torch.zeros(1))

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            assert tokens.shape[1] <= objective.context
            logits = torch.zeros(*tokens.shape, tokenizer.size)
            logits[..., tokenizer.pad_id], logits[..., tokenizer.end_id] = 1e4, -1e4
            return logits

    text = objective.sample(Endless(), 3)
    assert text == objective.sample(Endless(), 3) != objective.sample(Endless(), 4)
    assert text.startswith(tokenizer.decode(objective.validation[:8].tolist()))
    assert len(tokenizer.encode(text)) > objective.context


def test_a_sample_ends_where_the_model_ends(tiny: dict[str, Any]) -> None:
    objective = made(tiny)

    class Ending(torch.nn.Module):
        """After any token a full stop, then the end."""

        def __init__(self) -> None:
            super().__init__()
            self.none = torch.nn.Parameter(torch.zeros(1))

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            stop = objective.tokenizer.encode(".")[0]
            follow = torch.where(tokens == stop, objective.tokenizer.end_id, stop)
            return 1e4 * torch.nn.functional.one_hot(follow, objective.tokenizer.size).float()

    asked = objective.tokenizer.decode(objective.validation[:8].tolist())
    assert objective.sample(Ending(), 1) == asked + "."
