"""The next-token objective for the decoder-only GPT."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatllm.errors import GatllmError
from gatllm.models import GPTConfig, config_from_dict
from gatllm.models.tuned import KIND, base_tokenizer, companions, resolve
from gatllm.progress import Progress, Report
from gatllm.tokenizers import Tokenizer
from gatllm.training.objectives.corpora import Corpus, common_root, load_corpus
from gatllm.training.objectives.data_tables import TextTable
from gatllm.training.objectives.protocol import Batch
from gatllm.training.objectives.rewarded import Rewarded, draw_rewarded, read_rewarded, row_weights, weighted_loss
from gatllm.training.objectives.vocabulary import make_tokenizer
from gatllm.training.objectives.windows import IGNORED, Ids, Windows
from gatllm.training.recipe import Recipe
from gatllm.training.seeds import derive

_EVALUATION_TOKENS = 16_384  # of one forward pass
_SAMPLE_TOKENS = 120


class Causal:
    """Rows of text; each token predicts the next (teacher forcing, cross-entropy)."""

    def __init__(self, recipe: Recipe, corpus: Corpus, tokenizer: Tokenizer, report: Report) -> None:
        table = cast(TextTable, recipe.data)
        self.recipe = recipe
        self.tokenizer = tokenizer
        self.data_root = corpus.root
        if recipe.model.get("kind") == KIND:
            tuned = resolve(recipe.model)
            self.model_config: Mapping[str, Any] = tuned.model_dump()
            self.context = tuned.context
        else:
            self.model_config = {"kind": "gpt", "vocabulary": tokenizer.size, **recipe.model}
            config = config_from_dict(self.model_config)
            if not isinstance(config, GPTConfig) or config.vocabulary < tokenizer.size:
                raise GatllmError(f"model.vocabulary is below the tokenizer's {tokenizer.size}", "leave it out")
            self.context = config.context
        self.rewarded: list[Rewarded] = []
        if table.rewarded:
            half = self.context // 2
            self.rewarded, root = read_rewarded(table.rewarded, tokenizer, prompt=half - 1, answer=self.context - half)
            self.data_root = common_root([corpus.root, root])
        train = _encode(corpus.train, tokenizer, report)
        self.windows = Windows(train, self.context, table, recipe.seed, tokenizer.pad_id)
        self.batches_per_epoch: int | None = -(-len(train) // (self.context * recipe.train.batch))
        self.validation = _encode(corpus.validation, tokenizer, report)
        if len(self.validation) < 2:
            raise GatllmError("the validation text has less than two tokens", "raise data.validation")
        self.validation_bytes = sum(len(text.encode()) for text in corpus.validation)

    def batch(self, index: int, _progress: float) -> Batch:
        """Return pass ``index``: inputs and targets (batch, context)."""
        inputs, targets = self.windows.rows(index, self.recipe.train.batch)
        tensors: dict[str, Tensor] = {}
        if self.rewarded:
            fraction = cast(TextTable, self.recipe.data).rewarded_share
            drawn = draw_rewarded(self.rewarded, fraction, len(inputs), self.recipe.seed, index)
            for row, one in enumerate(drawn):
                inputs[row], targets[row] = self._row(one)
            if drawn:
                tensors["weights"] = row_weights(drawn, len(inputs), torch.from_numpy(targets), fraction)
        weight = float((targets != IGNORED).sum())
        tensors |= {"inputs": torch.from_numpy(inputs), "targets": torch.from_numpy(targets)}
        return Batch(tensors, weight, int(weight))

    def _row(self, one: Rewarded) -> tuple[Ids, Ids]:
        """Return an answer as inputs and targets (context,): only its own tokens, and the end, are targets."""
        end = self.tokenizer.end_id
        ids = [end, *one.prompt, *one.answer, end]
        inputs = np.full(self.context, self.tokenizer.pad_id, dtype=np.int64)
        targets = np.full(self.context, IGNORED, dtype=np.int64)
        inputs[: len(ids) - 1] = ids[:-1]
        targets[len(one.prompt) : len(ids) - 1] = ids[len(one.prompt) + 1 :]
        return inputs, targets

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the mean cross-entropy in nats per token; a rewarded answer's tokens count as much as its weight."""
        logits = model(batch.tensors["inputs"])
        if "weights" in batch.tensors:
            return {"loss": weighted_loss(logits, batch.tensors["targets"], batch.tensors["weights"])}
        return {"loss": F.cross_entropy(logits.flatten(0, 1), batch.tensors["targets"].flatten(), ignore_index=IGNORED)}

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return the loss over all validation tokens but the first, in rows side by side, and bits per byte."""
        device = next(model.parameters()).device
        inputs, targets = _side_by_side(self.validation, self.context)
        rows = max(1, _EVALUATION_TOKENS // self.context)
        total = 0.0
        for first in range(0, len(inputs), rows):
            logits = model(torch.from_numpy(inputs[first : first + rows]).to(device))
            wanted = torch.from_numpy(targets[first : first + rows]).to(device)
            total += float(
                F.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=IGNORED, reduction="sum")
            )
        count = len(self.validation) - 1
        return {"loss": total / count, "bits_per_byte": total / math.log(2) / self.validation_bytes}

    def sample(self, model: nn.Module, step: int) -> str:
        """Return what the model continues with after the first words of the validation text."""
        device = next(model.parameters()).device
        generator = torch.Generator(device).manual_seed(derive(self.recipe.seed, "sample", step))
        tokens = torch.from_numpy(self.validation[:8]).to(device)[None]
        for _ in range(_SAMPLE_TOKENS):
            logits = model(tokens[:, -self.context :])[:, -1].float()
            logits[:, self.tokenizer.pad_id] = -math.inf
            chosen = torch.multinomial(torch.softmax(logits / 0.8, -1), 1, generator=generator)
            if int(chosen) == self.tokenizer.end_id:
                break
            tokens = torch.cat([tokens, chosen], dim=1)
        return self.tokenizer.decode(tokens[0].tolist())

    def artifacts(self, model: nn.Module) -> Mapping[str, str]:
        """Return what makes the run a folder of 🤗 Transformers, where the model is one of theirs."""
        return companions(model)

    def close(self) -> None:
        """Do nothing: no process, no open file."""


def prepare(recipe: Recipe, tokenizer: Tokenizer | None, report: Report) -> Causal:
    """Read the text, train the tokenizer where none is given, encode."""
    table = cast(TextTable, recipe.data)
    corpus = load_corpus(table.source, table.validation, report, unit=table.unit)
    if recipe.model.get("kind") == KIND:
        tokenizer = base_tokenizer(str(recipe.model["base"]))
    if tokenizer is None:
        report(Progress("tokenizer", 0, unit="", note=recipe.tokenizer.kind))
        # A character that only the validation text has must have an id too; it is learnt from nothing, and counted.
        texts = [*corpus.train, *corpus.validation] if recipe.tokenizer.kind == "characters" else corpus.train
        tokenizer = make_tokenizer(recipe.tokenizer, texts)
    return Causal(recipe, corpus, tokenizer, report)


def _encode(texts: Sequence[str], tokenizer: Tokenizer, report: Report) -> Ids:
    """Return all texts as one row of ids, with the end token between them."""
    parts: list[Ids] = []
    for number, text in enumerate(texts):
        ids = tokenizer.encode(text)
        parts.append(np.array([*ids, tokenizer.end_id] if len(texts) > 1 else ids, dtype=np.int64))
        if number % 100 == 0:
            report(Progress("encode", number, len(texts), "texts"))
    return np.concatenate(parts)


def _side_by_side(tokens: Ids, context: int) -> tuple[Ids, Ids]:
    """Return inputs and targets (rows, context) in which each token but the first is a target once."""
    count = len(tokens) - 1
    rows = -(-count // context)
    inputs = np.zeros(rows * context, dtype=np.int64)
    targets = np.full(rows * context, IGNORED, dtype=np.int64)
    inputs[:count], targets[:count] = tokens[:-1], tokens[1:]
    return inputs.reshape(rows, context), targets.reshape(rows, context)
