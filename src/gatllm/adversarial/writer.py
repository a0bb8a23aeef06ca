"""The generator in rounds: it continues signatures, and says how likely real code is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from torch.nn import functional

from gatllm.adversarial.pieces import Piece
from gatllm.errors import GatllmError
from gatllm.inference import Sampling, generate
from gatllm.models import GPT, Seq2Seq, load_run
from gatllm.tokenizers import Tokenizer

ROOM = 112  # tokens of an answer
_BATCH = 64
SHOWN = (0.8, 0.95)  # temperature and top-p of what is shown and measured
OWN = (1.0, 1.0)  # of what the generator learns from: learning from sharpened samples would sharpen it round by round


@dataclass(frozen=True)
class Written:
    """A function that the generator wrote: to which prompt, the whole text, whether it ended, what a person wrote."""

    piece: Piece
    prompt: str
    text: str
    ended: bool
    real: str

    @property
    def answer(self) -> str:
        """What the generator wrote itself."""
        return self.text.removeprefix(self.prompt)


class Writer:
    """A generator of either kind: a GPT continues a prompt, an encoder-decoder answers it."""

    def __init__(self, run: Path | str) -> None:
        loaded = load_run(run)
        if not isinstance(loaded.model, GPT | Seq2Seq):
            raise GatllmError(f"{run} holds no generator", "name the run of a gpt or seq2seq model")
        self.model: GPT | Seq2Seq = loaded.model.eval()
        self.tokenizer: Tokenizer = loaded.tokenizer
        self.continues = isinstance(self.model, GPT)

    def fitting(self, pieces: Sequence[Piece], count: int, rng: Random) -> list[Piece]:
        """Draw functions whose prompt and real body are short enough to be written."""
        found: list[Piece] = []
        context = self.model.config.context
        most = (
            (getattr(self.model.config, "source_context", 0) or context) if not self.continues else context - ROOM - 1
        )
        for piece in rng.sample(list(pieces), len(pieces)):
            if len(found) == count:
                break
            if len(piece.text) > 8 * context:
                continue
            body = len(self.tokenizer.encode(self.real(piece)))
            if len(self.tokenizer.encode(self._prompt(piece))) <= most and body < min(ROOM, context - 1):
                found.append(piece)
        return found

    def _prompt(self, piece: Piece) -> str:
        return f"{piece.prompt}\n" if self.continues else piece.prompt

    def real(self, piece: Piece) -> str:
        """What a person wrote where this generator writes."""
        return piece.text[len(piece.prompt) :].removeprefix("\n") if self.continues else piece.target

    def write(
        self, pieces: Sequence[Piece], count: int, seed: int, manner: tuple[float, float] = SHOWN
    ) -> list[list[Written]]:
        """Return ``count`` functions for each prompt; ``manner`` is temperature and top-p."""
        out: list[list[Written]] = []
        sampling = Sampling(
            max_new_tokens=ROOM, temperature=manner[0], top_p=manner[1], n=count, seed=seed, overflow="stop"
        )
        rows = max(1, _BATCH // count)
        for first in range(0, len(pieces), rows):
            some = pieces[first : first + rows]
            prompts = [self._prompt(piece) for piece in some]
            end = [self.tokenizer.end_id] if self.continues else []
            ids = [[*end, *self.tokenizer.encode(prompt)] for prompt in prompts]
            # Every prompt draws its own numbers: two prompts of one batch must not share their luck.
            each = [
                sampling.model_copy(update={"seed": seed * 100_003 + first + number}) for number in range(len(some))
            ]
            for piece, prompt, answers in zip(
                some, prompts, generate(self.model, self.tokenizer, ids, each), strict=True
            ):
                begin = prompt if self.continues else ""
                out.append(
                    [
                        Written(piece, prompt, begin + one.text, one.finish == "stop", self.real(piece))
                        for one in answers
                    ]
                )
        return out

    def loss(self, pieces: Sequence[Piece]) -> float:
        """Return the cross-entropy in nats per token of what people wrote after these prompts, and the end."""
        total, count, end = 0.0, 0, self.tokenizer.end_id
        for first in range(0, len(pieces), 16):
            some = pieces[first : first + 16]
            prompts = [self.tokenizer.encode(self._prompt(piece)) for piece in some]
            bodies = [self.tokenizer.encode(self.real(piece)) for piece in some]
            heads = [[end, *prompt] for prompt in prompts] if self.continues else [[end] for _ in some]
            width = max(len(head) + len(body) for head, body in zip(heads, bodies, strict=True))
            inputs = torch.full((len(some), width), self.tokenizer.pad_id)  # (batch, tokens)
            targets = torch.full((len(some), width), -100)
            for row, (head, body) in enumerate(zip(heads, bodies, strict=True)):
                inputs[row, : len(head) + len(body)] = torch.tensor([*head, *body])
                targets[row, len(head) - 1 : len(head) + len(body)] = torch.tensor([*body, end])
            logits = self._logits(inputs, prompts)
            total += float(functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum"))
            count += int((targets != -100).sum())
        return total / max(count, 1)

    @torch.inference_mode()
    def _logits(self, inputs: torch.Tensor, prompts: list[list[int]]) -> torch.Tensor:
        if isinstance(self.model, GPT):
            logits: torch.Tensor = self.model(inputs)
            return logits
        width = max(map(len, prompts))
        source = torch.full((len(prompts), width), self.tokenizer.pad_id)
        for row, prompt in enumerate(prompts):
            source[row, : len(prompt)] = torch.tensor(prompt)
        padding = torch.arange(width)[None] >= torch.tensor([len(prompt) for prompt in prompts])[:, None]
        answer: torch.Tensor = self.model(source, inputs, padding)
        return answer
