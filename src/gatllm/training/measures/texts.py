"""How well a model predicts text: loss in nats a token, and bits per byte, which compare across tokenizers."""

from __future__ import annotations

import math
import random

from gatllm.data import texts as read_texts
from gatllm.errors import GatllmError
from gatllm.training.measures.measured import Item, Measured, mean_of
from gatllm.training.measures.subject import Subject


def text(subject: Subject, source: str, limit: int, _shots: int, seed: int) -> Measured:
    """Measure on the texts of a file or dataset; the intervals are over texts."""
    found = [one for one in read_texts(source) if one.strip()]
    if not found:
        raise GatllmError(f"{source} holds no text", "name a text file or a dataset")
    chosen = random.Random(seed).sample(range(len(found)), min(limit, len(found)))
    items, bad, nats, tokens, size = [], [], 0.0, 0, 0
    for place in chosen:
        try:
            loss, count = subject.nats(found[place])
        except GatllmError as error:
            if error.exit_code == 2:  # no model of texts: nothing else will do either
                raise
            bad.append(f"text {place}: {error.cause}")
            continue
        length = len(found[place].encode())
        nats, tokens, size = nats + loss, tokens + count, size + length
        items.append(Item(f"text {place}", loss / math.log(2) / length))
    if not items:
        raise GatllmError(f"no text of {source} can be read by the model ({bad[0]})", "name another")
    _, low, high = mean_of([item.score for item in items])
    numbers = {
        "loss": (nats / tokens, None, None),
        "bits_per_byte": (nats / math.log(2) / size, low, high),
        "tokens": (float(tokens), None, None),
    }
    return Measured("text", numbers, tuple(items), tuple(bad), lower_is_better=True)
