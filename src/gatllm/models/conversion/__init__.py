"""Native models to 🤗 Transformers and back, with equal logits."""

from gatllm.models.conversion.export import TARGETS, export, target_for, to_transformers
from gatllm.models.conversion.gpt2 import import_gpt2
from gatllm.models.conversion.target import Target

__all__ = ["TARGETS", "Target", "export", "import_gpt2", "target_for", "to_transformers"]
