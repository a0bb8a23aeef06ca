"""gatllm: a generator-adversarial transformer LLM for Python code, and the open market around it."""

__version__ = "0.1.0"
