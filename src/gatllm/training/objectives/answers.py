"""A model asked and answering, whatever its kind: prompts and answers as ids, their log-probabilities, new answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatllm.errors import GatllmError
from gatllm.inference import Sampling, generate
from gatllm.models import ChatOptions, GPTConfig, Seq2SeqConfig, config_from_dict
from gatllm.models.chat import Message as ChatMessage
from gatllm.models.chat_format import ChatFormat
from gatllm.models.decoding import TOKENS_AT_ONCE, Decoder, batches
from gatllm.models.pretrained import PretrainedLM
from gatllm.models.run import read_recipe
from gatllm.models.tuned import KIND, TunedLM, open_base, resolve
from gatllm.tokenizers import IM_END, Message, Tokenizer
from gatllm.training.objectives.windows import IGNORED
from gatllm.training.recipe import Recipe

if TYPE_CHECKING:
    from gatllm.models import GPT, Seq2Seq

_AT_ONCE = 256  # answers that are written side by side

Row = tuple[list[int], list[int]]  # prompt and answer, which ends with the token that ends it


@dataclass(frozen=True, slots=True)
class Written:
    """An answer that a model wrote: its tokens (with the end, where it came to one), their log-probabilities, its text.

    The log-probabilities are those under which it was drawn at temperature 1.
    """

    tokens: list[int]
    logprobs: list[float]
    text: str


class Answering:
    """How a recipe's model reads a prompt and writes an answer.

    A pretrained model is asked in the words of its chat template. One without is asked in lines that name the speakers
    where it learnt conversations or something was said before, else a text is continued. A native one is asked as it
    was trained: an encoder-decoder answers the bare prompt, a GPT of conversations is asked as in one, another
    continues with the text.

    Raises:
        GatllmError: the tokenizer is larger than the model's vocabulary.
    """

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.form: ChatFormat | None = None
        kind = recipe.model.get("kind")
        self._talks = _objective(recipe.start) == "chat"
        if kind == KIND:
            tuned = resolve(recipe.model)
            self.model_config: Mapping[str, Any] = tuned.model_dump()
            self.context = self.room = tuned.context
            base = open_base(tuned.base)
            self._base = base
            self.form = ChatFormat(base.tokenizer)
            self.end = int(base.tokenizer.eos_token_id)
        else:
            self.model_config = {"vocabulary": tokenizer.size, **recipe.model}
            config = config_from_dict(self.model_config)
            if config.vocabulary < tokenizer.size:
                raise GatllmError(f"model.vocabulary is below the tokenizer's {tokenizer.size}", "leave it out")
            self.context = config.context
            self.room = (config.source_context or config.context) if isinstance(config, Seq2SeqConfig) else self.context
            self._talks &= isinstance(config, GPTConfig)
            self.end = tokenizer.specials[IM_END] if self._talks else tokenizer.end_id
        self.reads_apart = kind == "seq2seq"  # the prompt has a place of its own

    def prompt(self, text: str, turns: Sequence[Message] = ()) -> list[int]:
        """Return a question as the model reads it, behind what was said before."""
        conversation = [*turns, Message(role="user", content=text)]
        bare = "\n".join(turn["content"] for turn in conversation)
        if self.form is not None:
            if not self.form.has_template and not self._in_lines(turns):
                return self.form.encode_text(bare)
            return self.form.encode(cast("Sequence[ChatMessage]", conversation))
        if self._talks:
            return self.tokenizer.encode_chat(conversation, reply=True)
        return self.tokenizer.encode(bare)

    def answer(self, text: str, turns: Sequence[Message] = ()) -> list[int]:
        """Return an answer as the model would write it to `prompt`, with the token that ends it."""
        if self.form is not None:
            return [*self.form.encode_text(self.form.lead + text if self._in_lines(turns) else text), self.end]
        return [*self.tokenizer.encode(text), self.end]

    def _in_lines(self, turns: Sequence[Message]) -> bool:
        """Tell whether the speakers are named line by line: ``Assistant:``, a space, the answer."""
        return self.form is not None and not self.form.has_template and (self._talks or bool(turns))

    def fits(self, row: Row) -> bool:
        """Tell whether prompt and answer have room in the model."""
        prompt, answer = row
        if self.reads_apart:
            return 0 < len(prompt) <= self.room and len(answer) <= self.context
        return bool(prompt) and len(prompt) + len(answer) <= self.context

    def collate(self, rows: Sequence[Row]) -> dict[str, Tensor]:
        """Return the inputs and targets of prompts with their answers; ``targets`` is (batch, tokens)."""
        pad = self.tokenizer.pad_id
        if self.reads_apart:
            lengths = torch.tensor([len(prompt) for prompt, _ in rows])
            source = _square([prompt for prompt, _ in rows], pad)
            return {
                "source": source,
                "padding": torch.arange(source.shape[1])[None, :] >= lengths[:, None],
                "inputs": _square([[self.tokenizer.end_id, *answer[:-1]] for _, answer in rows], pad),
                "targets": _square([answer for _, answer in rows], IGNORED),
            }
        return {
            "inputs": _square([[*prompt, *answer[:-1]] for prompt, answer in rows], pad),
            "targets": _square([[*[IGNORED] * (len(prompt) - 1), *answer] for prompt, answer in rows], IGNORED),
        }

    def logprobs(self, model: nn.Module, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the log-probability of each target (batch, tokens), 0 where there is none."""
        if self.reads_apart:
            logits = model(tensors["source"], tensors["inputs"], tensors["padding"])
        else:
            logits = model(tensors["inputs"])
        targets = tensors["targets"]
        there = targets != IGNORED
        # At the targets alone: most of a row is prompt, and the vocabulary is wide.
        each = -F.cross_entropy(logits[there].float(), targets[there], reduction="none")
        return torch.zeros(targets.shape, device=each.device).masked_scatter(there, each)

    def write(
        self,
        model: nn.Module,
        prompts: Sequence[Sequence[int]],
        *,
        tokens: int,
        n: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[list[Written]]:
        """Return ``n`` answers of at most ``tokens`` tokens to each prompt, drawn from ``seed``; 0 is greedy."""
        written: dict[int, list[Written]] = {}
        lengths = [len(prompt) + tokens for prompt in prompts]
        for places in batches(lengths, TOKENS_AT_ONCE // n, _AT_ONCE // n):
            some = [list(prompts[place]) for place in places]
            # Numbers of its own for each answer: they don't depend on what it is written beside.
            if isinstance(model, TunedLM):
                seeds = [seed + place * n + at for place in places for at in range(n)]
                groups = self._decode(model, some, n, ChatOptions(tokens, temperature), seeds)
            else:
                seeds = [seed + place for place in places]
                groups = self._generate(cast("GPT | Seq2Seq", model), some, n, tokens, temperature, seeds)
            written.update(zip(places, groups, strict=True))
        return [written[place] for place in range(len(prompts))]

    def _generate(
        self, model: GPT | Seq2Seq, prompts: list[list[int]], n: int, tokens: int, temperature: float, seeds: list[int]
    ) -> list[list[Written]]:
        ends = {"stop_tokens": (self.end,)} if self.end != self.tokenizer.end_id else {}
        shared = {"max_new_tokens": tokens, "temperature": temperature, "n": n, "overflow": "stop", **ends}
        samplings = [Sampling(**shared, seed=seed) for seed in seeds]
        groups = generate(model, self.tokenizer, prompts, samplings)
        return [[Written(list(one.tokens), list(one.logprobs), one.text) for one in group] for group in groups]

    def _decode(
        self, model: TunedLM, prompts: list[list[int]], n: int, options: ChatOptions, seeds: list[int]
    ) -> list[list[Written]]:
        lm = PretrainedLM(model.lm, self._base.tokenizer, "", max_context=self.context)
        rows = [prompt for prompt in prompts for _ in range(n)]
        decoder = Decoder(model.lm, rows, options, self.tokenizer.pad_id, seeds)
        found: list[tuple[list[int], list[float]]] = [([], []) for _ in rows]
        while decoder.rows:
            for row, (token, logprob) in decoder.step().items():
                found[row][0].append(token)
                found[row][1].append(logprob)
            over = {
                row
                for row in decoder.rows
                if lm.is_end(found[row][0][-1])
                or len(found[row][0]) >= options.max_new_tokens
                or len(rows[row]) + len(found[row][0]) >= self.context
            }
            decoder.drop(over)
            if over.issuperset(decoder.rows):
                break
        texts = [self._text(lm, tokens) for tokens, _ in found]
        all_ = [Written(tokens, logprobs, text) for (tokens, logprobs), text in zip(found, texts, strict=True)]
        return [all_[at : at + n] for at in range(0, len(all_), n)]

    def _text(self, lm: PretrainedLM, tokens: list[int]) -> str:
        text: str = self._base.tokenizer.decode(
            tokens[:-1] if tokens and lm.is_end(tokens[-1]) else tokens, skip_special_tokens=True
        )
        return text.removeprefix(cast(ChatFormat, self.form).lead)


def _objective(start: str) -> str:
    return str(read_recipe(Path(start)).get("objective", "")) if start else ""


def _square(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])
