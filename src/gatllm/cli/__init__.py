"""The command line: thin commands; no logic."""

from gatllm.cli.frame import app, main

__all__ = ["app", "main"]
