"""The discriminator's objective: real or fake, which tokens are wrong, and which edit repairs each.

Binary cross-entropy for the whole text and for each token (replaced-token detection, Clark et al. 2020), cross-entropy
over edit tags (Omelianchuk et al. 2020). Code is broken afresh for every batch, in a process of its own: an error seen
twice teaches little.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatllm.data.corruption import corrupt
from gatllm.data.split import split_of
from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report, silent
from gatllm.review.alarm import FILE_NAME, Alarm
from gatllm.review.critics import compile_error, same_tree
from gatllm.review.measures import auroc
from gatllm.review.reviewer import Reviewer
from gatllm.review.spelling import SLOTS, SPELLINGS
from gatllm.review.structure import STRUCTURAL_FEATURES
from gatllm.review.tags import KEEP, TAGS
from gatllm.tokenizers.lexicon import Lexicon
from gatllm.training.objectives.corpora import common_root, open_dataset
from gatllm.training.objectives.data_tables import TaggingTable
from gatllm.training.objectives.protocol import Batch, few_widths
from gatllm.training.objectives.tagging_samples import (
    GROUP,
    SEMANTIC,
    SYNTACTIC,
    UNKNOWN,
    Mix,
    Pair,
    Row,
    Sampler,
    Texts,
    texts_of,
)

if TYPE_CHECKING:
    from gatllm.models import Discriminator
    from gatllm.tokenizers import Tokenizer
    from gatllm.training.recipe import Recipe

_AHEAD = 3  # groups of batches prepared in advance
_LEXICON_TEXTS = 8000


class Tagging:
    """The prepared objective; see `protocol.Objective`."""

    def __init__(self, recipe: Recipe, lexicon: Lexicon, data_root: str, train: Texts, validation: Texts) -> None:
        self.tokenizer = lexicon
        self.data_root = data_root
        table, context = _table(recipe), int(recipe.model.get("context", 384))
        self.model_config: Mapping[str, Any] = {
            **recipe.model,
            "kind": "discriminator",
            "context": context,
            "vocabulary": lexicon.size,
            "tags": len(TAGS),
            "marks": int(recipe.model.get("marks", STRUCTURAL_FEATURES)),
            "parts": int(recipe.model.get("parts", SPELLINGS)),
        }
        self._keep_weight = table.keep_weight
        weights = tuple(sorted(table.families.items()))
        names = ("real", "semantic", "several", "stored", "invented", "acquitted", "dense")
        mix = Mix(**{name: getattr(table, name) for name in names}, families=weights)
        sampler = partial(Sampler, lexicon=lexicon, context=context, batch=recipe.train.batch, mix=mix)
        self._sampler = sampler(train, seed=recipe.seed)
        self._groups: dict[int, list[list[Row]]] = {}
        self._waiting: dict[int, Future[list[list[Row]]]] = {}
        self._pool: ProcessPoolExecutor | None = None
        self._workers = table.workers
        checker = sampler(validation, seed=recipe.seed + 1)
        rng = Random(f"validation:{recipe.seed}")
        self._validation = [checker.row(rng) for _ in range(table.validation_rows)]
        self._held_out, self._calibrated = validation, table.validation_rows
        self._cases = _cases(validation, table.validation_repairs, rng)

    # -- training

    def batch(self, index: int, progress: float) -> Batch:  # noqa: ARG002  # the same mix from beginning to end
        """Return the ``index``-th batch; it depends on the recipe and ``index`` alone."""
        group, at = divmod(index, GROUP)
        if group not in self._groups:
            self._groups = {group: self._take(group)}
        return _batch(self._groups[group][at], self.tokenizer.pad_id, self._sampler.context)

    def _take(self, group: int) -> list[list[Row]]:
        if not self._workers:
            return self._sampler.group(group)
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self._workers, context, initializer=_start_worker, initargs=(self._sampler,)
            )
        # A worker begins within `submit` and inherits the mask: Ctrl-C in a terminal reaches everybody, and only we may
        # end, in order.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for number in range(group, group + _AHEAD):
                if number not in self._waiting:
                    self._waiting[number] = self._pool.submit(_work, number)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._waiting = {number: rows for number, rows in self._waiting.items() if number >= group}
        return self._waiting.pop(group).result()

    def close(self) -> None:
        """End the worker process."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
            self._waiting = {}

    def __del__(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the sum of the three losses, and each."""
        ids, tags, fake = batch.tensors["ids"], batch.tensors["tags"], batch.tensors["fake"]
        out = model(ids, ids == self.tokenizer.pad_id, batch.tensors["structure"], batch.tensors["spelling"])
        solid = tags != UNKNOWN
        weights = torch.where(tags == KEEP, self._keep_weight, 1.0)[solid]
        edit = F.cross_entropy(out.edit_logits[solid].float(), tags[solid], reduction="none")
        edit = (edit * weights).sum() / weights.sum().clamp(min=1.0)
        wrong = F.binary_cross_entropy_with_logits(
            out.error_logits[solid].float(), (tags[solid] != KEEP).float(), reduction="sum"
        ) / solid.sum().clamp(min=1)
        whole = F.binary_cross_entropy_with_logits(out.fake_logit.float(), fake)
        return {"loss": edit + 0.5 * wrong + 0.2 * whole, "edit": edit, "error": wrong, "fake": whole}

    # -- validation

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return losses, AUROC of real against fake, top-1 localisation, and the fraction of functions repaired."""
        sums: dict[str, float] = {}
        found = total = 0
        scores: list[float] = []
        for start in range(0, len(self._validation), 32):
            rows = self._validation[start : start + 32]
            batch = _batch(rows, self.tokenizer.pad_id, self._sampler.context)
            for name, value in self.loss(model, batch).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(rows)
            padding = batch.tensors["ids"] == self.tokenizer.pad_id
            out = model(batch.tensors["ids"], padding, batch.tensors["structure"], batch.tensors["spelling"])
            scores += out.fake_logit.float().tolist()
            where = out.error_logits.float().masked_fill(padding, -torch.inf).argmax(1).tolist()
            for row, place in zip(rows, where, strict=True):
                placed = row.tags[0] != UNKNOWN and row.fake
                total += placed
                found += bool(placed and row.tags[place] != KEEP)
        metrics = {name: value / len(self._validation) for name, value in sums.items()}
        fakes = [row.fake for row in self._validation]
        if any(fakes) and not all(fakes):
            metrics["auroc"] = auroc(scores, fakes)
        metrics["localised"] = found / max(total, 1)
        if self._cases:
            reviewer = Reviewer.of(cast("Discriminator", model), self.tokenizer)
            repaired = [reviewer.fix(broken, seconds=0.3).likeliest for broken, _ in self._cases]
            pairs = list(zip(repaired, self._cases, strict=True))
            metrics["parses"] = sum(compile_error(text) is None for text, _ in pairs) / len(pairs)
            metrics["repaired"] = sum(same_tree(text, good) for text, (_, good) in pairs) / len(pairs)
        return metrics

    def sample(self, model: nn.Module, step: int) -> str:
        """Return a broken line of a held-out function and what the model makes of it."""
        if not self._cases:
            return ""
        broken, _ = self._cases[step % len(self._cases)]
        error = compile_error(broken)
        reviewer = Reviewer.of(cast("Discriminator", model), self.tokenizer)
        fixed = reviewer.fix(broken, seconds=0.3).likeliest
        number = (error.line if error else 1) - 1
        return f"{_line(broken, number)}  →  {_line(fixed, number)}"

    def artifacts(self, model: nn.Module) -> Mapping[str, str]:
        """Return the calibration, fitted to held-out texts: untouched, and with one error of meaning."""
        rng = Random("calibration")
        reviewer = Reviewer.of(cast("Discriminator", model), self.tokenizer)
        return {FILE_NAME: calibrate(reviewer, self._held_out, self._calibrated, rng).to_json()}


def _line(text: str, number: int) -> str:
    return (text.split("\n") + [""] * number)[number].strip()


def _table(recipe: Recipe) -> TaggingTable:
    return cast("TaggingTable", recipe.data)


def prepare(recipe: Recipe, tokenizer: Tokenizer | None = None, report: Report = silent) -> Tagging:
    """Read a positive or negative dataset; see `registry.prepare`.

    Raises:
        GatllmError: the dataset is missing, of another kind, or too small to be split.
    """
    table = _table(recipe)
    dataset = open_dataset(table.source, report)
    roots = [dataset.manifest.merkle_root]
    sides = {"train": Texts(), "validation": Texts()}
    seen: set[str] = set()
    for number, record in enumerate(dataset.records()):
        if number % 256 == 0:
            report(Progress("read", number, len(dataset), "records"))
        side = sides[split_of(str(record.get("origin", record["id"])))]
        text = str(record["text"])
        if "broken" in record:
            side.pairs.append(Pair.of(record))
        if text not in seen:
            seen.add(text)
            functions, runs = texts_of(text)
            side.functions += functions
            side.runs += [run for run in runs if run not in functions]
    train, validation = sides["train"], sides["validation"]
    for source in (*table.pairs, table.fakes, table.accused):
        if not source:
            continue
        beside = open_dataset(source, report)
        roots.append(beside.manifest.merkle_root)
        for record in beside.records():
            side = sides[split_of(str(record.get("origin", record["id"])))]
            if source in table.pairs:
                side.pairs.append(Pair.of(record))
            else:
                (side.fakes if source == table.fakes else side.accused).append(str(record["text"]))
    if not len(train) or not len(validation):
        raise GatllmError(
            f"{table.source}: {len(train)} texts to train on, {len(validation)} to validate on",
            "name a larger dataset, of several modules",
        )
    if tokenizer is None:
        report(Progress("lexicon", 0, 1))
        rng = Random(recipe.seed)
        lexicon = Lexicon.train((train.draw(rng) for _ in range(_LEXICON_TEXTS)), recipe.tokenizer.size)
    else:
        lexicon = Lexicon.from_json(tokenizer.to_json())
    return Tagging(recipe, lexicon, common_root(roots), train, validation)


def calibrate(reviewer: Reviewer, texts: Texts, count: int, rng: Random) -> Alarm:
    """Fit a reviewer's calibration to ``count`` untouched texts and ``count`` with an error of meaning."""
    real = [reviewer.features(texts.draw(rng)) for _ in range(count)]
    fake: list[tuple[float, ...]] = []
    for _ in range(20 * count):
        made = corrupt(texts.draw(rng), rng, 2, SEMANTIC)
        if made is not None and not made.syntactic:
            fake.append(reviewer.features(made.broken))
        if len(fake) == count:
            break
    return Alarm.fit(real, fake) if real and fake else Alarm.never(len(real[0]))


def _cases(texts: Texts, count: int, rng: Random) -> list[tuple[str, str]]:
    """Held-out texts with one syntactic error, and their originals."""
    cases: list[tuple[str, str]] = []
    for _ in range(count * 20):
        if len(cases) == count:
            break
        text = texts.draw(rng)
        made = corrupt(text, rng, 1, SYNTACTIC)
        if made is not None and made.syntactic:
            cases.append((made.broken, text))
    return cases


def _batch(rows: list[Row], pad: int, limit: int) -> Batch:
    longest = few_widths(max(len(row.ids) for row in rows), limit)
    ids = np.full((len(rows), longest), pad)
    marked = np.zeros((len(rows), longest), np.int64)
    spelling = np.zeros((len(rows), longest, SLOTS), np.int64)
    tags = np.full((len(rows), longest), UNKNOWN)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = row.ids
        marked[number, : len(row.ids)] = row.structure
        spelling[number, : len(row.ids)] = row.spelling
        tags[number, : len(row.ids)] = row.tags
    tensors = {
        "ids": torch.from_numpy(ids),
        "structure": torch.from_numpy(marked),
        "spelling": torch.from_numpy(spelling),
        "tags": torch.from_numpy(tags),
        "fake": torch.tensor([float(row.fake) for row in rows]),
    }
    tokens = sum(len(row.ids) for row in rows)
    return Batch(tensors, float(tokens), tokens)


_SAMPLER: list[Sampler] = []


def _start_worker(sampler: Sampler) -> None:
    torch.set_num_threads(1)
    _SAMPLER.append(sampler)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Nobody else would end a worker whose parent was killed: it waits for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(group: int) -> list[list[Row]]:
    return _SAMPLER[0].group(group)
