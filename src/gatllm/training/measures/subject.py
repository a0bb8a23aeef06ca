"""A model that is measured: one way to ask it, whether it is a run, a pretrained model or an engine elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gatllm.errors import GatllmError, UsageError
from gatllm.progress import Report, silent

if TYPE_CHECKING:
    from gatllm.models.remote import RemoteGenerator

_AT_ONCE = 16


class Subject(Protocol):
    """What a measure needs of a model."""

    name: str

    def write(
        self, prompts: Sequence[str], *, tokens: int, n: int = 1, temperature: float = 0.0, stop: Sequence[str] = ()
    ) -> list[list[tuple[str, float]]]:
        """Return ``n`` answers to each prompt, each with the mean log-probability of its tokens (not a number where the
        model does not tell); the prompt is put as the model is used: in its chat template, or bare.

        Raises:
            GatllmError: a prompt is too long.
        """

    def nats(self, text: str, /) -> tuple[float, int]:
        """Return the cross-entropy of a text in nats over all its tokens but the first, and how many those are.

        Raises:
            UsageError: the model does not read text.
        """

    def score(self, context: str, continuation: str, /) -> tuple[float, bool]:
        """Return the log-probability of a continuation, and whether it is what the model would write greedily.

        Raises:
            GatllmError: the continuation is longer than the model reads.
        """


class RunSubject:
    """A native run: an encoder-decoder answers, a GPT continues with the text (or answers, where it learnt to)."""

    def __init__(self, folder: Path) -> None:
        from gatllm.models import load_run

        loaded = load_run(folder)
        self.name = folder.name
        self._model: Any = loaded.model
        self._tokenizer = loaded.tokenizer
        self._talks = loaded.recipe.get("objective") == "chat"

    def write(
        self, prompts: Sequence[str], *, tokens: int, n: int = 1, temperature: float = 0.0, stop: Sequence[str] = ()
    ) -> list[list[tuple[str, float]]]:
        """See `Subject`."""
        from gatllm.inference import Sampling, generate
        from gatllm.tokenizers import IM_END, Message

        asked: list[Any] = list(prompts)
        ends: dict[str, Any] = {}
        if self._talks:
            asked = [self._tokenizer.encode_chat([Message(role="user", content=text)], reply=True) for text in prompts]
            ends = {"stop_tokens": (self._tokenizer.specials[IM_END],)}
        shared = {"max_new_tokens": tokens, "n": n, "temperature": temperature, "stop": tuple(stop), "overflow": "stop"}
        found = []
        for first in range(0, len(asked), _AT_ONCE):
            some = asked[first : first + _AT_ONCE]
            each = [Sampling(**shared, **ends, seed=first + at) for at in range(len(some))]
            groups = generate(self._model, self._tokenizer, some, each)
            found += [[(one.text, one.mean_logprob) for one in group] for group in groups]
        return found

    def nats(self, text: str) -> tuple[float, int]:
        """See `Subject`."""
        from gatllm.models import GPT

        if not isinstance(self._model, GPT):
            raise UsageError(f"{self.name} is not a model of texts", "measure its answers instead")
        return _nats(self._model, self._tokenizer.encode(text), self._model.config.context)

    def score(self, context: str, continuation: str) -> tuple[float, bool]:
        """See `Subject`."""
        import torch

        from gatllm.models import GPT

        encode = self._tokenizer.encode
        if isinstance(self._model, GPT):
            before = encode(context) or [self._tokenizer.end_id]
            return _score(self._model, before, _rest(encode, context, continuation), self._model.config.context)
        source, end = torch.tensor([encode(context) or [self._tokenizer.end_id]]), self._tokenizer.end_id
        return _score(lambda rows: self._model(source, rows), [end], encode(continuation), self._model.config.context)


class PretrainedSubject:
    """A pretrained model, or a run of one that was trained further."""

    def __init__(self, model: str, report: Report) -> None:
        from gatllm.models.tuned import open_lm

        self._lm = open_lm(model, report=report)
        self.name = Path(model).name

    def write(
        self, prompts: Sequence[str], *, tokens: int, n: int = 1, temperature: float = 0.0, stop: Sequence[str] = ()
    ) -> list[list[tuple[str, float]]]:
        """See `Subject`."""
        from gatllm.models import ChatOptions

        found: list[list[tuple[str, float]]] = []
        each = max(1, _AT_ONCE // n)
        for first in range(0, len(prompts), each):
            rows = [text for text in prompts[first : first + each] for _ in range(n)]
            options = ChatOptions(tokens, temperature, seed=first * n, stop=tuple(stop))
            answers = self._lm.generate([[{"role": "user", "content": text}] for text in rows], options)
            pairs = [(one.text.strip(), one.mean_logprob) for one in answers]
            found += [pairs[at : at + n] for at in range(0, len(pairs), n)]
        return found

    def nats(self, text: str) -> tuple[float, int]:
        """See `Subject`."""
        return _nats(
            lambda rows: self._lm.model(input_ids=rows).logits, self._lm.encode(text), min(self._lm.context, 1024)
        )

    def score(self, context: str, continuation: str) -> tuple[float, bool]:
        """See `Subject`."""
        first = self._lm.tokenizer.bos_token_id
        before = self._lm.encode(context) or [first if first is not None else self._lm.tokenizer.eos_token_id]
        rest = _rest(self._lm.encode, context, continuation)
        return _score(lambda rows: self._lm.model(input_ids=rows).logits, before, rest, self._lm.context)


class EndpointSubject:
    """An engine that speaks OpenAI's API: it answers; probabilities of given texts can't be asked of it."""

    def __init__(self, engine: RemoteGenerator) -> None:
        self.name, self._engine = engine.name, engine

    def write(
        self, prompts: Sequence[str], *, tokens: int, n: int = 1, temperature: float = 0.0, stop: Sequence[str] = ()
    ) -> list[list[tuple[str, float]]]:
        """See `Subject`."""
        from gatllm.models import ChatOptions

        found: list[list[tuple[str, float]]] = []
        for place, text in enumerate(prompts):
            group = []
            for turn in range(n):
                options = ChatOptions(tokens, temperature, seed=place * n + turn, stop=tuple(stop))
                (one,) = self._engine.generate([[{"role": "user", "content": text}]], options, logprobs=True)
                group.append((one.text.strip(), one.mean_logprob if one.token_logprobs else math.nan))
            found.append(group)
        return found

    def nats(self, _text: str, /) -> tuple[float, int]:
        """See `Subject`."""
        raise self._silent()

    def score(self, _context: str, _continuation: str, /) -> tuple[float, bool]:
        """See `Subject`."""
        raise self._silent()

    def _silent(self) -> UsageError:
        cause = f"{self.name} is behind an address: it does not tell how likely a text is"
        return UsageError(cause, "measure what it answers")


def open_subject(model: str, report: Report = silent) -> Subject:
    """Open a run folder, a pretrained model as `models.tuned.open_lm` names it, or an engine by its address.

    Raises:
        GatllmError: there is no such model, or it writes nothing.
    """
    from gatllm.models.remote import RemoteGenerator, is_address
    from gatllm.models.tuned import is_tuned

    if is_address(model):
        return EndpointSubject(RemoteGenerator(model))

    folder = Path(model)
    if (folder / "recipe.toml").is_file() and not is_tuned(folder):
        return RunSubject(folder)
    return PretrainedSubject(model, report)


def _nats(model: Any, ids: Sequence[int], context: int) -> tuple[float, int]:
    """Return the sum over windows side by side; each begins with the last token of the one before."""
    import torch
    import torch.nn.functional as F

    if len(ids) < 2:
        raise GatllmError("the text has less than two tokens", "measure by a longer one")
    total = 0.0
    with torch.inference_mode():
        for first in range(0, len(ids) - 1, context):
            row = torch.tensor([ids[first : first + context + 1]])
            logits = model(row[:, :-1])
            total += float(F.cross_entropy(logits[0].float(), row[0, 1:], reduction="sum"))
    if not math.isfinite(total):
        raise GatllmError("the loss is not finite", "the weights are damaged")
    return total, len(ids) - 1


def _rest(encode: Any, context: str, continuation: str) -> list[int]:
    """Return the tokens that a continuation adds to its context: a token may reach over the border."""
    before, whole = encode(context), encode(context + continuation)
    return list(whole[len(before) :] if whole[: len(before)] == before else encode(continuation))


def _score(model: Any, before: Sequence[int], rest: Sequence[int], room: int) -> tuple[float, bool]:
    import torch

    if not rest:
        return 0.0, True
    if len(rest) > room:
        raise GatllmError(f"the continuation has {len(rest)} tokens, the model reads {room}", "measure shorter ones")
    row = torch.tensor([[*before, *rest][-(room + 1) :]])
    with torch.inference_mode():
        logprobs = model(row[:, :-1])[0, -len(rest) :].float().log_softmax(-1)
    wanted = row[0, -len(rest) :]
    return float(logprobs.gather(1, wanted[:, None]).sum()), bool((logprobs.argmax(-1) == wanted).all())
