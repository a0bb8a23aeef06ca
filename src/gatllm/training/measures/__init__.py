"""What a model can be measured by: each measure is a small plug-in over one way to ask a model."""

from gatllm.training.measures.measured import Item, Measure, Measured, compare
from gatllm.training.measures.registry import MEASURES, measure
from gatllm.training.measures.subject import Subject, open_subject

__all__ = ["MEASURES", "Item", "Measure", "Measured", "Subject", "compare", "measure", "open_subject"]
