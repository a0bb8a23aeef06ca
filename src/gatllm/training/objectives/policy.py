"""The reinforcement objective: learn from one's own answers by what they were worth.

``raft`` (Dong et al. 2023) is the likelihood of the answers that were right; ``grpo`` (Shao et al. 2024) weighs every
answer by how far its reward lies above its group's mean and clips each token's ratio to the model that wrote it, as PPO
does. Advantages are not divided by the group's deviation and all tokens count alike (Liu et al. 2025): otherwise easy
and short answers would count more.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from gatllm.data import Dataset
from gatllm.errors import GatllmError
from gatllm.models.tuned import KIND, base_tokenizer, companions
from gatllm.progress import Report
from gatllm.tokenizers import Tokenizer
from gatllm.training.objectives.answers import Answering, Row
from gatllm.training.objectives.corpora import common_root
from gatllm.training.objectives.data_tables import PolicyTable
from gatllm.training.objectives.protocol import Batch
from gatllm.training.objectives.questions import load_questions
from gatllm.training.objectives.windows import IGNORED
from gatllm.training.recipe import Recipe
from gatllm.training.rewards import Asked, load_reward
from gatllm.training.seeds import derive

_EVALUATION_ROWS = 32
RIGHT = 1.0 - 1e-9  # a reward that counts as a right answer


class Policy:
    """The prepared objective; see `protocol.Objective`."""

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer) -> None:
        self.recipe, self.tokenizer = recipe, tokenizer
        self.table = cast(PolicyTable, recipe.data)
        self.answering = Answering(recipe, tokenizer)
        self.model_config: Mapping[str, Any] = self.answering.model_config
        questions = load_questions(self.table, recipe.seed)
        self.reward = load_reward(self.table.reward)
        self.held_out = [one for one in questions.held_out if self.answering.fits((self.prompt(one), [0]))]
        if not self.held_out:
            count = len(questions.held_out)
            raise GatllmError(
                f"no question of {self.table.source} can be asked: all {count} held-out ones are too long",
                "raise model.context, or lower data.tokens",
            )
        self.data_root = questions.root
        self.rows: list[tuple[Row, float, list[float]]] = []  # prompt and answer, advantage, log-probabilities then
        if self.table.collected:
            dataset = Dataset.open(self.table.collected)
            self.data_root = common_root([questions.root, dataset.manifest.merkle_root])
            self.rows = [self._read(record) for record in dataset.records() if record["advantage"]]
            if not self.rows:
                raise GatllmError(f"{self.table.collected} holds no answer to learn from", "see its records' verdicts")
        self.batches_per_epoch: int | None = -(-len(self.rows) // recipe.train.batch) if self.rows else None
        self.references = [
            row
            for one in self.held_out
            if one.reference
            and self.answering.fits(row := (self.prompt(one), self.answering.answer(one.reference, one.turns)))
        ]
        self._plans: dict[int, list[list[int]]] = {}

    def prompt(self, one: Asked) -> list[int]:
        """Return a question as the model reads it."""
        return self.answering.prompt(one.prompt, one.turns)

    def _read(self, record: Mapping[str, Any]) -> tuple[Row, float, list[float]]:
        prompt = self.answering.prompt(str(record["prompt"]), record.get("turns", ()))
        return (prompt, [int(token) for token in record["tokens"]]), float(record["advantage"]), record["logprobs"]

    def batch(self, index: int, _progress: float) -> Batch:
        """Return pass ``index``; an epoch goes through all answers once."""
        if not self.rows or self.batches_per_epoch is None:
            raise GatllmError("there are no answers to learn from yet", "gatllm reinforce has the model write them")
        epoch, number = divmod(index, self.batches_per_epoch)
        if epoch not in self._plans:
            order = list(range(len(self.rows)))
            random.Random(derive(self.recipe.seed, "data", epoch)).shuffle(order)
            size = self.recipe.train.batch
            self._plans = {epoch: [order[first : first + size] for first in range(0, len(order), size)]}
        rows = [self.rows[row] for row in self._plans[epoch][number]]
        tensors = self.answering.collate([row for row, _, _ in rows])
        tensors["advantages"] = torch.tensor([advantage for _, advantage, _ in rows])
        if self.table.method == "grpo":
            before = torch.zeros(tensors["targets"].shape)
            drawn = [value for _, _, logprobs in rows for value in logprobs]
            tensors["before"] = before.masked_scatter(tensors["targets"] != IGNORED, torch.tensor(drawn))
        count = int((tensors["targets"] != IGNORED).sum())
        return Batch(tensors, float(count), sum(len(prompt) + len(answer) for (prompt, answer), _, _ in rows))

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return what reinforcement minimises: a mean over the tokens of the answers."""
        tensors = batch.tensors
        there = tensors["targets"] != IGNORED
        logprobs = self.answering.logprobs(model, tensors)
        advantages = tensors["advantages"][:, None].expand_as(logprobs)
        if self.table.method == "raft":
            return {"loss": -(advantages * logprobs)[there].mean()}
        ratios = (logprobs - tensors["before"]).exp()
        clipped = ratios.clamp(1 - self.table.clip, 1 + self.table.clip)
        gains = torch.minimum(ratios * advantages, clipped * advantages)[there]
        outside = (ratios != clipped)[there].float().mean()
        return {"loss": -gains.mean(), "clipped": outside.detach()}

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return, for the held-out questions: the loss of their references, mean reward and fraction right, greedily.

        Without references the loss is 1 - reward.
        """
        prompts = [self.prompt(one) for one in self.held_out]
        written = [group[0] for group in self.answering.write(model, prompts, tokens=self.table.tokens)]
        verdicts = self.reward(self.held_out, [one.text for one in written])
        reward = sum(one.reward for one in verdicts) / len(verdicts)
        right = sum(one.reward >= RIGHT for one in verdicts) / len(verdicts)
        return {"loss": self._loss(model) if self.references else 1 - reward, "reward": reward, "right": right}

    def _loss(self, model: nn.Module) -> float:
        device = next(model.parameters()).device
        total, count = 0.0, 0
        for first in range(0, len(self.references), _EVALUATION_ROWS):
            tensors = self.answering.collate(self.references[first : first + _EVALUATION_ROWS])
            tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
            total -= float(self.answering.logprobs(model, tensors).sum())
            count += int((tensors["targets"] != IGNORED).sum())
        return total / count

    def sample(self, model: nn.Module, step: int) -> str:
        """Return a held-out question, what the model answers, and the verdict."""
        one = self.held_out[derive(self.recipe.seed, "sample", step) % len(self.held_out)]
        ((written,),) = self.answering.write(model, [self.prompt(one)], tokens=self.table.tokens)
        (verdict,) = self.reward([one], [written.text])
        return f"{one.prompt}\n→ {written.text}\n({verdict.reward:.2f}: {verdict.why})"

    def artifacts(self, model: nn.Module) -> Mapping[str, str]:
        """Return what makes the run a folder of 🤗 Transformers, where the model is one of theirs."""
        return companions(model)

    def close(self) -> None:
        """Do nothing: no process, no open file."""


def prepare(recipe: Recipe, tokenizer: Tokenizer | None, _report: Report) -> Policy:
    """Read questions and collected answers; the tokenizer is that of the model that is reinforced."""
    if recipe.model.get("kind") == KIND:
        return Policy(recipe, base_tokenizer(str(recipe.model["base"])))
    if tokenizer is None:
        raise GatllmError("there is no model to reinforce", "start = a run folder, or model.kind = pretrained")
    return Policy(recipe, tokenizer)
