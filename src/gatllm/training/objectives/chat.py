"""The conversation objective: what the assistant says is learnt, the rest is read; rows are packed full."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatllm.data import PackingReport, Row, divide, pack, read_examples, render
from gatllm.errors import GatllmError
from gatllm.models import GPTConfig, config_from_dict
from gatllm.models.chat import Message as ChatMessage
from gatllm.models.chat_format import ChatFormat
from gatllm.models.tuned import KIND, base_tokenizer, companions, open_base, resolve
from gatllm.progress import Progress, Report
from gatllm.tokenizers import IM_END, Message, Tokenizer, TokenizerBase
from gatllm.training.objectives.data_tables import ChatTable
from gatllm.training.objectives.protocol import Batch, few_widths
from gatllm.training.objectives.vocabulary import make_tokenizer
from gatllm.training.objectives.windows import IGNORED
from gatllm.training.recipe import Recipe
from gatllm.training.seeds import derive

_SAMPLE_TOKENS = 48
_SHORTEST = 64  # tokens of a row: below that the width is not what costs

Item = tuple[list[int], list[bool]]


class Chat:
    """The prepared objective; see `protocol.Objective`."""

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer, form: ChatFormat | None, report: Report) -> None:
        table = cast(ChatTable, recipe.data)
        self.recipe, self.tokenizer, self.form = recipe, tokenizer, form
        examples, self.data_root = read_examples(table.source)
        if form is not None:
            config = resolve(recipe.model)
            self.model_config: Mapping[str, Any] = config.model_dump()
            self.context = config.context
        else:
            self.model_config = {"kind": "gpt", "vocabulary": tokenizer.size, **recipe.model}
            native = config_from_dict(self.model_config)
            if not isinstance(native, GPTConfig) or native.vocabulary < tokenizer.size:
                raise GatllmError(f"model.vocabulary is below the tokenizer's {tokenizer.size}", "leave it out")
            self.context = native.context
        keyed = [(example.key, example.messages) for example in examples]
        train, validation, self.held_out = divide(keyed)
        items = [self._encoded(some) for some in (train, validation[: table.validation_limit])]
        self.width = _width([*items[0], *items[1]], self.context) if form is not None else self.context
        self.rows = recipe.train.batch * (self.context // self.width)  # of a pass: as many tokens as the recipe says
        self.train, self.validation = (self._pack(some, report) for some in items)
        self.asked = [turns for turns in validation if turns[-1]["role"] == "assistant"] or validation
        self.batches_per_epoch: int | None = -(-len(self.train) // self.rows)
        self._plans: dict[int, list[list[int]]] = {}

    def _encoded(self, conversations: Sequence[Sequence[Message]]) -> list[Item]:
        return [item for turns in conversations for item in self._items(turns)]

    def _pack(self, items: Sequence[Item], report: Report) -> list[Row]:
        packing = PackingReport()
        rows = list(pack(items, self.width, packing))
        if not rows:
            why = next(iter(packing.left_out.values()), "nothing is said by the assistant")
            cure = "raise model.context" if packing.left_out else "end conversations with what the assistant says"
            source = cast(ChatTable, self.recipe.data).source
            raise GatllmError(f"no conversation of {source} has an answer to learn ({why})", cure)
        told = f"{len(rows):,} rows of at most {self.width} tokens"
        if packing.cut or packing.left_out:
            told += f"; {len(packing.cut):,} were cut, {len(packing.left_out):,} left out: they are longer"
        report(Progress("encode", len(items), len(items), "answers", told))
        return rows

    def _items(self, turns: Sequence[Message]) -> list[Item]:
        if self.form is not None:
            return rendered(turns, self.form, open_base(str(self.recipe.model["base"])).tokenizer)
        return [render(turns, cast(TokenizerBase, self.tokenizer))]

    def batch(self, index: int, _progress: float) -> Batch:
        """Return pass ``index``; an epoch goes through all rows once, in an order drawn from the seed."""
        epoch, number = divmod(index, cast(int, self.batches_per_epoch))
        if epoch not in self._plans:
            order = list(range(len(self.train)))
            random.Random(derive(self.recipe.seed, "data", epoch)).shuffle(order)
            size = self.rows
            self._plans = {epoch: [order[first : first + size] for first in range(0, len(order), size)]}
        return self._collate([self.train[row] for row in self._plans[epoch][number]])

    def _collate(self, rows: Sequence[Row]) -> Batch:
        """Return inputs, targets, positions and items, all (batch, tokens); an item is one conversation of a row."""
        width = few_widths(max(len(row.ids) for row in rows), self.width) - 1
        shape = (len(rows), max(width, 1))
        inputs = torch.full(shape, self.tokenizer.pad_id)
        targets, items = torch.full(shape, IGNORED), torch.full(shape, -1)
        positions = torch.zeros(shape, dtype=torch.long)
        for number, row in enumerate(rows):
            count = len(row.ids) - 1
            ids = torch.tensor(row.ids)
            inputs[number, :count] = ids[:-1]
            targets[number, :count] = torch.where(torch.tensor(row.learnt[1:]), ids[1:], IGNORED)
            items[number, :count] = torch.tensor(row.items[:-1])
            begins = torch.tensor([at == 0 or row.items[at] != row.items[at - 1] for at in range(count)])
            places = torch.arange(count)
            positions[number, :count] = places - torch.where(begins, places, 0).cummax(0).values
        weight = int((targets != IGNORED).sum())
        tensors = {"inputs": inputs, "targets": targets, "items": items, "positions": positions}
        return Batch(tensors, float(weight), sum(len(row.ids) for row in rows))

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the mean cross-entropy in nats per token of the assistant's."""
        tensors = batch.tensors
        inputs = tensors["inputs"]
        # A pretrained model sees the conversations of a row apart; in a native one a later one follows the others.
        there = tensors["targets"] != IGNORED
        if self.form:
            logits = model(inputs, apart(tensors["items"]), tensors["positions"], there)
        else:
            logits = model(inputs)[there]
        return {"loss": F.cross_entropy(logits.float(), tensors["targets"][there])}

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return the loss over the assistant's tokens of all validation rows, and how many are held out."""
        device = next(model.parameters()).device
        total = weight = 0.0
        for first in range(0, len(self.validation), self.rows):
            batch = self._collate(self.validation[first : first + self.rows]).to(device)
            total += float(self.loss(model, batch)["loss"]) * batch.weight
            weight += batch.weight
        return {"loss": total / weight, "held_out": float(len(self.asked)) if self.held_out else 0.0}

    def sample(self, model: nn.Module, step: int) -> str:
        """Return a validation question and what the model answers, greedily."""
        turns = self.asked[derive(self.recipe.seed, "sample", step) % len(self.asked)]
        prompt = turns[:-1] if turns[-1]["role"] == "assistant" and len(turns) > 1 else turns
        if self.form is not None:
            ids, end = (
                self.form.encode(cast("Sequence[ChatMessage]", prompt)),
                open_base(str(self.recipe.model["base"])).tokenizer.eos_token_id,
            )
        else:
            ids, end = self.tokenizer.encode_chat(prompt, reply=True), self.tokenizer.specials[IM_END]
        tokens = torch.tensor([ids[-self.context :]], device=next(model.parameters()).device)
        written: list[int] = []
        while len(written) < _SAMPLE_TOKENS:
            written.append(int(model(tokens[:, -self.context :])[0, -1].argmax()))
            if written[-1] == end:
                break
            tokens = torch.cat([tokens, torch.tensor([written[-1:]], device=tokens.device)], dim=1)
        return f"{prompt[-1]['content']}\n→ {self.tokenizer.decode(written)}"

    def artifacts(self, model: nn.Module) -> Mapping[str, str]:
        """Return what makes the run a folder of 🤗 Transformers, where the model is one of theirs."""
        return companions(model)

    def close(self) -> None:
        """Do nothing: no process, no open file."""


def prepare(recipe: Recipe, tokenizer: Tokenizer | None, report: Report) -> Chat:
    """Read the conversations, train the tokenizer where none is given or the base has one, encode."""
    if recipe.model.get("kind") == KIND:
        base = str(recipe.model["base"])
        return Chat(recipe, base_tokenizer(base), ChatFormat(open_base(base).tokenizer), report)
    if tokenizer is None:
        report(Progress("tokenizer", 0, unit="", note=recipe.tokenizer.kind))
        examples, _ = read_examples(cast(ChatTable, recipe.data).source)
        tokenizer = make_tokenizer(recipe.tokenizer, (turn["content"] for one in examples for turn in one.messages))
    return Chat(recipe, tokenizer, None, report)


def rendered(turns: Sequence[Message], form: ChatFormat, tokenizer: Any) -> list[Item]:
    """Return a conversation as the base's own template writes it: the ids, and which of them the assistant says.

    What is learnt is what it must write when it is asked: the answer after the very prompt, and the token that ends it.
    A template that writes earlier turns otherwise than they were written gives an item for each answer.
    """
    found: list[Item] = []
    ids: list[int] = []
    learnt: list[bool] = []
    for number, turn in enumerate(turns):
        if turn["role"] != "assistant":
            continue
        prompt = form.encode(cast("Sequence[ChatMessage]", turns[:number]))
        if prompt[: len(ids)] != ids:
            found.append((ids, learnt))
            ids, learnt = [], []
        answer = [
            *form.encode_text(form.lead + turn["content"]),
            tokenizer.eos_token_id,
        ]
        learnt = [*learnt, *[False] * (len(prompt) - len(ids)), *[True] * len(answer)]
        ids = [*prompt, *answer]
    return [item for item in [*found, (ids, learnt)] if item[0]]


def _width(items: Sequence[Item], context: int) -> int:
    """Return how long rows are: the context halved, as long as two of the longest conversations have room.

    Conversations of a row see each other not, but attention costs the row's width for each token all the same; rows of
    two or more of the longest are filled as well as long ones.
    """
    longest = max((len(ids) for ids, _ in items), default=context)
    while context // 2 >= max(2 * longest, _SHORTEST):
        context //= 2
    return context


def apart(items: Tensor) -> Tensor:
    """Return which token sees which, (batch, 1, tokens, tokens): what is before it in the same item (batch, tokens)."""
    same = items[:, :, None] == items[:, None, :]
    places = torch.arange(items.shape[1], device=items.device)
    return (same & (places[:, None] >= places[None, :]))[:, None]
