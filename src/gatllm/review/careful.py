"""The careful tier: a pretrained language model for code says which of the likeliest repairs reads like code.

It sees what the fast tier's features can't: words, types, what a call takes. How likely it finds the lines around the
edits is multiplied into the fast tier's probabilities (a product of experts, tempered, as a language model is surer
than it is right); what it was not asked about keeps its probability. Where the fast tier is not sure it is also asked
for a repair of its own (`rewriting`): written without a look at the others, it counts as a second opinion on them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gatllm.errors import GatllmError
from gatllm.review.critics import Finding
from gatllm.review.ends import equal_ends
from gatllm.review.gate import harm
from gatllm.review.rewriting import Write, rewritten
from gatllm.review.traits import Found

if TYPE_CHECKING:
    from gatllm.models.pretrained import PretrainedLM

# Of several texts with the same beginning, the log-probability (nats) of what follows it.
Likelihood = Callable[[Sequence[str]], Sequence[float]]

COMPARED = 4  # the likeliest repairs, of which one is nearly always right where any is (`dev/LOG.md`)
_WEIGHT = 0.4  # of the language model's nats; chosen on 43 cases, judged on others (`dev/LOG.md`)
_BEFORE = 500  # characters before the first difference that are read
LONGEST = 4000  # bytes of one excerpt: beyond it reading takes seconds, and what differs lies far apart
ASKED = 0.8  # of what the fast tier finds likelier the language model's own repair would have told next to nothing
# Log-odds, by what people's errors showed (`dev/LOG.md`): more for the likeliest repair where the language model writes
# the same; of one that only it writes; of such a one that only moves code to another margin, at which it guesses.
_AGREED, _ALONE, _MOVED = 2.5, 1.4, 0.4
_AFTER = 100  # characters after the last one: what follows tells whether a bracket was closed in the right place


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """What is asked of a language model: how likely texts are, and what it would write."""

    likelihood: Likelihood
    write: Write

    @classmethod
    def of(cls, lm: PretrainedLM) -> LanguageModel:
        """Return a pretrained model as one; it writes greedily."""
        from gatllm.models.chat import ChatOptions, Message

        def write(question: str, tokens: int) -> str:
            asked: Message = {"role": "user", "content": question}
            return lm.generate([[asked]], ChatOptions(max_new_tokens=tokens))[0].text

        return cls(lm.logprobs, write)


Ranked = list[tuple[Found, float]]  # repairs with their probabilities: what may be written first, the likeliest first


def reread(text: str, error: Finding, ranked: Ranked, model: LanguageModel) -> tuple[Ranked, bool]:
    """Return repairs in the order of both tiers, with the language model's own, and whether it was asked.

    Args:
        text: what does not compile.
        error: what the compiler says of it.
        ranked: the fast tier's repairs, no two with the same tree.
        model: the language model.
    """
    asked = not ranked or bool(ranked[0][0].harm) or ranked[0][1] < ASKED
    if asked and (said := rewritten(text, error, model.write)) is not None:
        ranked = in_order(_with_opinion(text, ranked, said))
    first = [pair for pair in ranked if not pair[0].harm][:COMPARED]
    if len(first) < 2 or any("generator" in one.by for one, _ in first):  # what it would write it has said
        return ranked, asked
    values = reweighed([one.text for one, _ in first], [value for _, value in first], model.likelihood)
    again = [(one, value) for (one, _), value in zip(first, values, strict=True)]
    return [*in_order(again), *ranked[len(first) :]], True


def in_order(ranked: Ranked) -> Ranked:
    """Return repairs with what may be written first, the likeliest first."""
    return sorted(ranked, key=lambda pair: (bool(pair[0].harm), -pair[1]))


def _with_opinion(text: str, ranked: Ranked, said: str) -> Ranked:
    """Return the repairs with what the language model wrote.

    At most one of those that may be written is meant, so that these sum up to 1; what the gate holds back is no rival.
    """
    own = Found(said, None, frozenset({"generator"}), harm(text, said))
    place = next((n for n, (one, _) in enumerate(ranked) if one.tree == own.tree), None)
    if place is None:
        moved = "".join(said.split()) == "".join(text.split())
        ranked = [*ranked, (own, _probability(_MOVED if moved else _ALONE))]
    else:
        known, value = ranked[place]
        known = replace(known, by=known.by | own.by)
        value = _probability(_log_odds(value) + _AGREED) if place == 0 and not known.harm else value
        ranked = [*ranked[:place], (known, value), *ranked[place + 1 :]]
    total = max(sum(value for one, value in ranked if not one.harm), 1.0)
    return [(one, value if one.harm else value / total) for one, value in ranked]


def _log_odds(probability: float) -> float:
    probability = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(probability / (1 - probability))


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


def reweighed(texts: Sequence[str], probabilities: Sequence[float], likelihood: Likelihood) -> list[float]:
    """Return the probabilities of repairs with the language model's word; their sum stays what it was.

    Args:
        texts: the repairs, likeliest first, no two the same; where they differ too far apart nothing is read.
        probabilities: the fast tier's, each above 0.
        likelihood: the language model.
    """
    total = sum(probabilities)
    if len(texts) < 2 or total <= 0:
        return list(probabilities)
    read = excerpts(texts)
    if max(len(one.encode(errors="replace")) for one in read) > LONGEST:
        return list(probabilities)
    nats = likelihood(read)
    logs = [math.log(max(p, 1e-9)) + _WEIGHT * value for p, value in zip(probabilities, nats, strict=True)]
    most = max(logs)
    parts = [math.exp(value - most) for value in logs]
    return [total * part / sum(parts) for part in parts]


def excerpts(texts: Sequence[str]) -> list[str]:
    """Return the part of each text in which they differ, with some of what they share around it."""
    # What the first and the last in order begin with, all begin with.
    head = equal_ends(min(texts), max(texts))[0]
    turned = [text[::-1] for text in texts]
    tail = min(equal_ends(min(turned), max(turned))[0], min(map(len, texts)) - head)
    start = texts[0].rfind("\n", 0, max(head - _BEFORE, 0)) + 1
    return [text[start : len(text) - max(tail - _AFTER, 0)] for text in texts]


def load_language_model() -> LanguageModel:
    """Return the default chat generator as a language model; its weights are read when it is asked for the first time.

    Raises:
        GatllmError: the extra or the weights are missing; nothing is downloaded here.
    """
    if any(find_spec(name) is None for name in ("torch", "transformers")):
        raise GatllmError("the careful tier needs a language model", "pip install 'gatllm[chat]'")
    from gatllm.models.pretrained import QWEN_CODER, PretrainedLM, cached_weights

    if cached_weights(QWEN_CODER) is None:
        raise GatllmError(
            "the careful tier needs the default generator's weights, which are not in the cache",
            'fetch them once (0.5 GB): gatllm ask "hello"',
        )

    @cache
    def loaded() -> LanguageModel:
        return LanguageModel.of(PretrainedLM.load(dtype="int8"))

    return LanguageModel(
        lambda texts: loaded().likelihood(texts), lambda question, tokens: loaded().write(question, tokens)
    )
