"""Real mistakes from version history: small changes between two versions of the same code that look like bug fixes."""

from gatllm.data.mining.building import mine
from gatllm.data.mining.filters import FILTERS

__all__ = ["FILTERS", "mine"]
