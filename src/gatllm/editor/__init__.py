"""Where editors meet the reviewer: the language server."""

from gatllm.editor.server import create_server

__all__ = ["create_server"]
