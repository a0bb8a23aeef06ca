"""Learning rates over the course of a run."""

from __future__ import annotations

import math

from gatllm.training.tables import TrainTable


def rate(train: TrainTable, progress: float) -> float:
    """Return the fraction of the peak rate at ``progress`` (0 to 1).

    After a linear warm-up: ``linear`` falls to ``floor`` at the end; ``cosine`` does so along half a cosine
    (Loshchilov & Hutter 2017); ``wsd`` stays at the peak and falls linearly over the last ``decay`` fraction
    (warm-up, stable, decay: Hu et al. 2024, MiniCPM); ``constant`` stays.
    """
    if progress < train.warmup:
        return progress / train.warmup
    after = min(1.0, (progress - train.warmup) / (1.0 - train.warmup))
    match train.schedule:
        case "linear":
            shape = 1.0 - after
        case "cosine":
            shape = 0.5 * (1.0 + math.cos(math.pi * after))
        case "wsd":
            shape = min(1.0, (1.0 - progress) / train.decay) if train.decay else 1.0
        case "constant":
            shape = 1.0
    return train.floor + (1.0 - train.floor) * max(0.0, shape)
