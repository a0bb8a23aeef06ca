"""Where editors and agents meet the reviewer: language server, notebooks, a project's own settings."""

from gatllm.editor.server import Server, serve

__all__ = ["Server", "serve"]
