"""Where data comes from: code in folders, archives and packages; pairs, texts and conversations in tables."""

from gatllm.data.sources.item import SourceFile
from gatllm.data.sources.opening import open_source
from gatllm.data.sources.tables import Columns, Rows

__all__ = ["Columns", "Rows", "SourceFile", "open_source"]
