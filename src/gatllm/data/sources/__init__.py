"""Where code comes from: a folder, a file, the standard library, an installed distribution."""

from gatllm.data.sources.opening import SourceFile, open_source

__all__ = ["SourceFile", "open_source"]
