"""What is said when memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gatllm.errors import GatllmError
from gatllm.training.recipe import Recipe

_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


@contextmanager
def enough_memory(recipe: Recipe, where: str) -> Iterator[None]:
    """Make a device's or the processor's way to say that memory ran out an error that says what to lower.

    Raises:
        GatllmError: memory ran out; ``where`` says at what.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not any(word in str(error).lower() for word in _WORDS):
            raise
        train, model = recipe.train, recipe.model
        if model.get("kind") == "pretrained":
            size, lower = f"base {model.get('base')}", "lower model.context, or set model.checkpointing = true"
        else:
            size, lower = f"model.width {model.get('width', 256)}", "lower model.context, width or layers"
        context = f"model.context {model['context']}, " if "context" in model else ""
        raise GatllmError(
            f"out of memory {where} (train.batch {train.batch}, {context}{size})",
            f"set train.batch to {max(1, train.batch // 2)} and train.accumulate to {train.accumulate * 2} "
            f"(the same update), or {lower}",
        ) from None
