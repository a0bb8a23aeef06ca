"""The preference objective: of two answers the better one becomes likelier (DPO, Rafailov et al. 2023).

The reference is the model that the run begins with; what it thinks of every answer is computed once, before the first
update, so that no second model is kept in memory while training.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatllm.data import divide
from gatllm.errors import GatllmError
from gatllm.models import load_run
from gatllm.models.tuned import KIND, PretrainedConfig, base_tokenizer, build_tuned, companions, read_tuned
from gatllm.progress import Progress, Report
from gatllm.records import file_sha256
from gatllm.tokenizers import Message, Tokenizer
from gatllm.training.objectives.answers import Answering, Row
from gatllm.training.objectives.data_tables import PreferenceTable
from gatllm.training.objectives.protocol import Batch
from gatllm.training.recipe import Recipe
from gatllm.training.seeds import derive

_AT_ONCE = 16
_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Preference:
    """A question, the better answer and the worse one; ``turns`` were said before, oldest first."""

    prompt: str
    chosen: str
    rejected: str
    key: str
    turns: tuple[Message, ...] = ()


def read_preferences(file: Path) -> tuple[list[Preference], list[str]]:
    """Return the pairs of a JSON Lines file, and what is wrong with the lines that are none.

    A line has ``prompt``, ``chosen`` and ``rejected``, or ``messages`` (whose last turn is the better answer to all
    before it) and ``rejected``. A disliked answer without a better one says nothing about two, and is passed over.

    Raises:
        GatllmError: the file can't be read, or holds no pair.
    """
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GatllmError(f"can't read {file}: {error}", "name a JSON Lines file of preferences") from None
    found, bad = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(_preference(json.loads(line), f"{file.name}:{number}"))
        except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
            bad.append(f"line {number}: {f'{error} is missing' if isinstance(error, KeyError) else error}")
    if not found:
        why = f" ({bad[0]})" if bad else ""
        raise GatllmError(f"{file} holds no preference{why}", "each line needs prompt, chosen and rejected")
    return found, bad


def _preference(row: Any, key: str) -> Preference:
    if not isinstance(row, dict):
        raise TypeError("it is not an object")
    turns: list[Message] = []
    if "messages" in row:
        *turns, asking, answering = (Message(role=turn["role"], content=turn["content"]) for turn in row["messages"])
        if [*(turn["role"] for turn in (asking, answering))] != ["user", "assistant"]:
            raise ValueError("the conversation does not end with a question and its answer")
        prompt, chosen = asking["content"], answering["content"]
    else:
        prompt, chosen = row["prompt"], row["chosen"]
    rejected = row["rejected"]
    said = (prompt, chosen, rejected, *(turn["content"] for turn in turns))
    if not all(isinstance(text, str) and text.strip() for text in said):
        raise ValueError("a question or an answer is not text, or empty")
    if any(turn["role"] not in _ROLES for turn in turns):
        raise ValueError(f"a turn is of someone else than {', '.join(_ROLES)}")
    if chosen.strip() == rejected.strip():
        raise ValueError("both answers are the same")
    return Preference(prompt, chosen, rejected, key, tuple(turns))


class Preferences:
    """The prepared objective; see `protocol.Objective`."""

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer, report: Report) -> None:
        self.recipe, self.tokenizer = recipe, tokenizer
        self.table = cast(PreferenceTable, recipe.data)
        self.answering = Answering(recipe, tokenizer)
        self.model_config: Mapping[str, Any] = self.answering.model_config
        file = Path(self.table.source)
        self.data_root = file_sha256(file) if file.is_file() else ""
        found, bad = read_preferences(file)
        rows = {one.key: self._rows(one) for one in found}
        fitting = [one for one in found if all(self.answering.fits(row) for row in rows[one.key])]
        if not fitting:
            raise GatllmError(f"no pair of {file} has room in the model", "raise model.context, or shorten them")
        if left := len(bad) + len(found) - len(fitting):
            report(Progress("preferences", len(fitting), note=f"{left:,} are left out: no pair, or too long"))
        train, validation, self.held_out = divide([(one.key, one) for one in fitting])
        validation = validation[: self.table.validation_limit]
        before = self._before(list({one.key: one for one in [*train, *validation]}.values()), rows, report)
        self.train = [(rows[one.key], before[one.key]) for one in train]
        self.validation = [(rows[one.key], before[one.key]) for one in validation]
        self.asked = validation
        self.batches_per_epoch: int | None = -(-len(self.train) // recipe.train.batch)
        self._plans: dict[int, list[list[int]]] = {}

    def _rows(self, one: Preference) -> tuple[Row, Row]:
        prompt = self.answering.prompt(one.prompt, one.turns)
        chosen, rejected = (self.answering.answer(text, one.turns) for text in (one.chosen, one.rejected))
        return (prompt, chosen), (prompt, rejected)

    def _before(
        self, pairs: Sequence[Preference], rows: Mapping[str, tuple[Row, Row]], report: Report
    ) -> dict[str, tuple[float, float]]:
        """Return the log-probability of both answers under the model that the run begins with."""
        model = self._reference().eval()
        found: dict[str, tuple[float, float]] = {}
        with torch.no_grad():
            for first in range(0, len(pairs), _AT_ONCE):
                some = pairs[first : first + _AT_ONCE]
                tensors = self.answering.collate([row for one in some for row in rows[one.key]])
                sums = self.answering.logprobs(model, tensors).sum(1).tolist()
                found |= {one.key: (sums[2 * at], sums[2 * at + 1]) for at, one in enumerate(some)}
                report(Progress("reference", first + len(some), len(pairs), "pairs"))
        return found

    def _reference(self) -> nn.Module:
        start = self.recipe.start
        if self.recipe.model.get("kind") != KIND:
            if not start:
                raise GatllmError("there is no model to prefer with", "start = the run that wrote the answers")
            return load_run(start).model
        if start:
            return read_tuned(start)
        # A fresh adapter changes nothing: the reference is the base.
        return build_tuned(PretrainedConfig.model_validate(self.model_config), seed=0, dtype="float32")

    def batch(self, index: int, _progress: float) -> Batch:
        """Return pass ``index``; an epoch goes through all pairs once."""
        epoch, number = divmod(index, cast(int, self.batches_per_epoch))
        if epoch not in self._plans:
            order = list(range(len(self.train)))
            random.Random(derive(self.recipe.seed, "data", epoch)).shuffle(order)
            size = self.recipe.train.batch
            self._plans = {epoch: [order[first : first + size] for first in range(0, len(order), size)]}
        return self._collate([self.train[pair] for pair in self._plans[epoch][number]])

    def _collate(self, pairs: Sequence[tuple[tuple[Row, Row], tuple[float, float]]]) -> Batch:
        """Return answers (2 x pairs, tokens), the better one first, and what the reference gives (pairs, 2)."""
        rows = [row for both, _ in pairs for row in both]
        tensors = self.answering.collate(rows)
        tensors["before"] = torch.tensor([before for _, before in pairs])
        return Batch(tensors, float(len(pairs)), sum(len(prompt) + len(answer) for prompt, answer in rows))

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the mean loss of a pair; ``preferred`` is the fraction in which the better answer gained more."""
        sums = self.answering.logprobs(model, batch.tensors).sum(1).view(-1, 2)
        gains = sums - batch.tensors["before"]
        margin = self.table.beta * (gains[:, 0] - gains[:, 1])
        return {"loss": -F.logsigmoid(margin).mean(), "preferred": (margin > 0).float().mean().detach()}

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return loss and ``preferred`` over all validation pairs, and how many are held out."""
        device = next(model.parameters()).device
        totals = {"loss": 0.0, "preferred": 0.0}
        for first in range(0, len(self.validation), _AT_ONCE):
            batch = self._collate(self.validation[first : first + _AT_ONCE]).to(device)
            for name, value in self.loss(model, batch).items():
                totals[name] += float(value) * batch.weight
        count = len(self.validation)
        return {name: total / count for name, total in totals.items()} | {
            "held_out": float(count) if self.held_out else 0.0
        }

    def sample(self, model: nn.Module, step: int) -> str:
        """Return a validation question and what the model answers, greedily."""
        one = self.asked[derive(self.recipe.seed, "sample", step) % len(self.asked)]
        prompt = self.answering.prompt(one.prompt, one.turns)
        tokens = min(48, self.answering.context - (0 if self.answering.reads_apart else len(prompt)))
        ((written,),) = self.answering.write(model, [prompt], tokens=max(1, tokens))
        return f"{one.prompt}\n→ {written.text}"

    def artifacts(self, model: nn.Module) -> Mapping[str, str]:
        """Return what makes the run a folder of 🤗 Transformers, where the model is one of theirs."""
        return companions(model)

    def close(self) -> None:
        """Do nothing: no process, no open file."""


def prepare(recipe: Recipe, tokenizer: Tokenizer | None, report: Report) -> Preferences:
    """Read the pairs; the tokenizer is that of the model that is trained on."""
    if recipe.model.get("kind") == KIND:
        return Preferences(recipe, base_tokenizer(str(recipe.model["base"])), report)
    if tokenizer is None:
        raise GatllmError("there is no model to prefer with", "start = the run that wrote the answers")
    return Preferences(recipe, tokenizer, report)
