"""One loop for every objective; checkpoints, recipes, reports."""

from gatllm.training.recipe import Recipe

__all__ = ["Recipe"]
