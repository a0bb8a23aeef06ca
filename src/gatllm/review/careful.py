"""The careful tier: a pretrained language model for code says which of the likeliest repairs reads like code.

It sees what the fast tier's features can't: words, types, what a call takes. How likely it finds the lines around the
edits is multiplied into the fast tier's probabilities (a product of experts, tempered, as a language model is surer
than it is right); what it was not asked about keeps its probability.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from gatllm.errors import GatllmError
from gatllm.review.ends import equal_ends

# Of several texts with the same beginning, the log-probability (nats) of what follows it.
Likelihood = Callable[[Sequence[str]], Sequence[float]]

COMPARED = 4  # the likeliest repairs, of which one is nearly always right where any is (`dev/LOG.md`)
_WEIGHT = 0.4  # of the language model's nats; chosen on 43 cases, judged on others (`dev/LOG.md`)
_BEFORE = 500  # characters before the first difference that are read
LONGEST = 4000  # bytes of one excerpt: beyond it reading takes seconds, and what differs lies far apart
_AFTER = 100  # characters after the last one: what follows tells whether a bracket was closed in the right place


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


def load_likelihood() -> Likelihood:
    """Return the default chat generator's likelihood; its weights are read when it is asked for the first time.

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
    loaded: list[PretrainedLM] = []

    def likelihood(texts: Sequence[str]) -> Sequence[float]:
        if not loaded:
            loaded.append(PretrainedLM.load(dtype="int8"))
        return loaded[0].logprobs(texts)

    return likelihood
