"""gatllm: a generator-adversarial transformer LLM for Python code, and the open market around it."""

import os

__version__ = "0.1.0"

# Threads of a parallel region wait for each other by spinning. Where other programs want the processor too, the one
# that is waited for does not get to run: steps of 0.1 s took 10 s. Read by OpenMP (libgomp) when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
