"""The web: chat page and OpenAI-compatible API."""

from gatllm.service.app import create_app
from gatllm.service.server import listen, serve

__all__ = ["create_app", "listen", "serve"]
