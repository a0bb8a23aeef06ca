"""The datasets that answers are compared with and traced to, under one index."""

from gatllm.answering.library.library import Library, Passage, Record, as_context
from gatllm.answering.library.store import IndexedDataset, store_folder

__all__ = ["IndexedDataset", "Library", "Passage", "Record", "as_context", "store_folder"]
