"""The encoder-decoder objective: write the target that belongs to a source."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatllm.errors import GatllmError
from gatllm.inference import Sampling, generate
from gatllm.models import Seq2Seq, Seq2SeqConfig, config_from_dict
from gatllm.progress import Progress, Report
from gatllm.tokenizers import Tokenizer
from gatllm.training.objectives.corpora import common_root
from gatllm.training.objectives.data_tables import PairTable
from gatllm.training.objectives.pairs import Pairs, load_pairs
from gatllm.training.objectives.protocol import Batch, few_widths
from gatllm.training.objectives.rewarded import Rewarded, draw_rewarded, read_rewarded, row_weights, weighted_loss
from gatllm.training.objectives.vocabulary import make_tokenizer
from gatllm.training.objectives.windows import IGNORED
from gatllm.training.recipe import Recipe
from gatllm.training.scoring import word_f1
from gatllm.training.seeds import derive

_POOL = 32  # batches among which rows are sorted by length, so that little is padding
_EXACT_ROWS = 512  # rows of the validation set that are written out in full
_WRITTEN_AT_ONCE = 64
_LEARNT_ROWS = 256  # rows of the training set that are asked back

Encoded = tuple[list[int], list[int]]


class SourceToTarget:
    """Pairs; the decoder reads ``<end>`` and the target so far and predicts its next token, ``<end>`` at last."""

    def __init__(self, recipe: Recipe, pairs: Pairs, tokenizer: Tokenizer, report: Report) -> None:
        self.recipe = recipe
        self.table = cast(PairTable, recipe.data)
        self.tokenizer = tokenizer
        self.pairs = pairs
        self.data_root = pairs.root
        self.model_config: Mapping[str, Any] = {
            "kind": "seq2seq",
            "vocabulary": tokenizer.size,
            "context": self.table.target_tokens + 1,
            "source_context": self.table.source_tokens,
            **recipe.model,
        }
        config = config_from_dict(self.model_config)
        if not isinstance(config, Seq2SeqConfig) or config.vocabulary < tokenizer.size:
            raise GatllmError(f"model.vocabulary is below the tokenizer's {tokenizer.size}", "leave it out")
        limit = self.table.limit or len(pairs.train)
        self.train = [] if pairs.endless else self._encode(pairs.train[:limit], report)
        self.validation = self._encode(pairs.validation, report)[: self.table.validation_limit]
        if (not self.train and not pairs.endless) or not self.validation:
            raise GatllmError("no pair is short enough", "raise data.source_tokens and data.target_tokens")
        self.batches_per_epoch = None if pairs.endless else -(-len(self.train) // recipe.train.batch)
        self._plans: dict[int, list[list[int]]] = {}
        self.rewarded: list[Rewarded] = []
        if self.table.rewarded:
            room = {"prompt": self.table.source_tokens, "answer": self.table.target_tokens}
            self.rewarded, root = read_rewarded(self.table.rewarded, tokenizer, **room)
            self.data_root = common_root([pairs.root, root])

    def _encode(self, pairs: Sequence[tuple[str, str]], report: Report) -> list[Encoded]:
        """Return the pairs whose source and target fit, as ids."""
        encoded = []
        for number, (source, target) in enumerate(pairs):
            ids = self.tokenizer.encode(source), self.tokenizer.encode(target)
            if 0 < len(ids[0]) <= self.table.source_tokens and len(ids[1]) <= self.table.target_tokens:
                encoded.append(ids)
            if number % 1000 == 0:
                report(Progress("encode", number, len(pairs), "pairs"))
        if long := len(pairs) - len(encoded):
            report(Progress("encode", len(pairs), len(pairs), "pairs", f"{long:,} are left out: too long, or empty"))
        return encoded

    def batch(self, index: int, _progress: float) -> Batch:
        """Return pass ``index``; an epoch goes through all pairs once, rows of like length together."""
        size = self.recipe.train.batch
        if self.pairs.endless:
            texts = [self.pairs.endless(index * size + row) for row in range(size)]
            return self._collate([(self.tokenizer.encode(s), self.tokenizer.encode(t)) for s, t in texts])
        per_epoch = -(-len(self.train) // size)
        epoch, number = divmod(index, per_epoch)
        rows = [self.train[row] for row in self._plan(epoch)[number]]
        drawn = draw_rewarded(self.rewarded, self.table.rewarded_share, len(rows), self.recipe.seed, index)
        batch = self._collate([(one.prompt, one.answer) for one in drawn] + rows[len(drawn) :])
        if not drawn:
            return batch
        weights = row_weights(drawn, len(rows), batch.tensors["targets"], self.table.rewarded_share)
        return replace(batch, tensors={**batch.tensors, "weights": weights})

    def _plan(self, epoch: int) -> list[list[int]]:
        if epoch not in self._plans:
            size = self.recipe.train.batch
            generator = random.Random(derive(self.recipe.seed, "data", epoch))
            order = list(range(len(self.train)))
            generator.shuffle(order)
            plan: list[list[int]] = []
            for first in range(0, len(order), size * _POOL):
                pool = sorted(order[first : first + size * _POOL], key=lambda row: len(self.train[row][1]))
                plan += [pool[start : start + size] for start in range(0, len(pool), size)]
            generator.shuffle(plan)
            self._plans = {epoch: plan}
        return self._plans[epoch]

    def _collate(self, rows: Sequence[Encoded]) -> Batch:
        """Return source (batch, source tokens), its padding, and the decoder's inputs and targets (batch, tokens)."""
        end, pad = self.tokenizer.end_id, self.tokenizer.pad_id
        table = self.table
        source = _stack([ids for ids, _ in rows], pad, table.source_tokens)
        inputs = _stack([[end, *ids] for _, ids in rows], pad, table.target_tokens + 1)
        targets = _stack([[*ids, end] for _, ids in rows], IGNORED, table.target_tokens + 1)
        weight = sum(len(ids) + 1 for _, ids in rows)
        tensors = {"source": source, "padding": _padding(rows, source.shape[1]), "inputs": inputs, "targets": targets}
        return Batch(tensors, float(weight), weight + sum(len(ids) for ids, _ in rows))

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the mean cross-entropy in nats per target token; a rewarded answer's count as much as its weight."""
        tensors = batch.tensors
        logits = model(tensors["source"], tensors["inputs"], tensors["padding"])
        if "weights" in tensors:
            return {"loss": weighted_loss(logits, tensors["targets"], tensors["weights"])}
        return {"loss": F.cross_entropy(logits.flatten(0, 1), tensors["targets"].flatten(), ignore_index=IGNORED)}

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return the loss over all target tokens of the validation pairs, and how many are written exactly right."""
        device = next(model.parameters()).device
        total = weight = 0.0
        for rows in self._validation_rows():
            batch = self._collate(rows).to(device)
            total += float(self.loss(model, batch)["loss"]) * batch.weight
            weight += batch.weight
        metrics = {"loss": total / weight}
        if self.pairs.endless:
            metrics["exact"] = self._asked(model, self.validation[:_EXACT_ROWS])[0]
        if self.pairs.asked:
            # Even strides: the same rows at each evaluation, from all of the data.
            learnt = self.train[:: -(-len(self.train) // _LEARNT_ROWS)]
            metrics |= {"learnt": self._asked(model, learnt)[0], "held_out": 0.0}
            if self.pairs.held_out:
                metrics["exact"], metrics["f1"] = self._asked(model, self.validation[:_EXACT_ROWS])
                metrics["held_out"] = float(len(self.validation))
        return metrics

    def _validation_rows(self) -> list[list[Encoded]]:
        size = max(self.recipe.train.batch, 32)
        ordered = sorted(self.validation, key=lambda pair: len(pair[1]))
        return [ordered[first : first + size] for first in range(0, len(ordered), size)]

    def _asked(self, model: nn.Module, rows: Sequence[Encoded]) -> tuple[float, float]:
        """Return the fraction of ``rows`` that are written exactly right, and their mean F1 of words."""
        longest = max(len(target) for _, target in rows)
        written = self.write(model, [source for source, _ in rows], longest + 1)
        exact = sum(ids == target for ids, (_, target) in zip(written, rows, strict=True))
        texts = [
            (self.tokenizer.decode(ids), self.tokenizer.decode(row[1])) for ids, row in zip(written, rows, strict=True)
        ]
        return exact / len(rows), sum(word_f1(*pair) for pair in texts) / len(rows)

    def write(self, model: nn.Module, sources: Sequence[list[int]], longest: int) -> list[list[int]]:
        """Return the most probable next tokens, one after the other, for each source until ``<end>``."""
        assert isinstance(model, Seq2Seq)  # noqa: S101  # the kind was checked before
        sampling = Sampling(max_new_tokens=longest, overflow="stop")
        written = []
        for first in range(0, len(sources), _WRITTEN_AT_ONCE):
            answers = generate(model, self.tokenizer, sources[first : first + _WRITTEN_AT_ONCE], sampling)
            written += [list(one.tokens[: -1 if one.finish == "stop" else None]) for (one,) in answers]
        return written

    def sample(self, model: nn.Module, step: int) -> str:
        """Return a validation source and what the model writes for it."""
        number = derive(self.recipe.seed, "sample", step) % len(self.validation)
        source, _ = self.validation[number]
        written = self.write(model, [source], min(64, self.table.target_tokens))[0]
        return f"{self.tokenizer.decode(source)}\n→ {self.tokenizer.decode(written)}"

    def artifacts(self, _model: nn.Module) -> Mapping[str, str]:
        """Return nothing: weights and tokenizer are all that is needed."""
        return {}

    def close(self) -> None:
        """Do nothing: no process, no open file."""


def prepare(recipe: Recipe, tokenizer: Tokenizer | None, report: Report) -> SourceToTarget:
    """Read the pairs, train the tokenizer where none is given, encode."""
    pairs = load_pairs(cast(PairTable, recipe.data), recipe.seed, report)
    if tokenizer is None:
        report(Progress("tokenizer", 0, unit="", note=recipe.tokenizer.kind))
        tokenizer = make_tokenizer(recipe.tokenizer, (text for pair in pairs.train for text in pair))
    return SourceToTarget(recipe, pairs, tokenizer, report)


def _stack(rows: Sequence[Sequence[int]], fill: int, limit: int) -> Tensor:
    """Return rows of different lengths as one tensor (rows, width), filled up after their ends."""
    longest = few_widths(max(len(row) for row in rows), limit)
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows], dtype=torch.long)


def _padding(rows: Sequence[Encoded], width: int) -> Tensor:
    lengths = torch.tensor([len(source) for source, _ in rows])
    return torch.arange(width)[None, :] >= lengths[:, None]
