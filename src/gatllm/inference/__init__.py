"""Batched generation with a KV cache, sampling, embeddings."""

from gatllm.inference.batch import GrowingTexts, Prefix
from gatllm.inference.embeddings import get_embeddings, pooled_embeddings
from gatllm.inference.generation import Chunk, Generated, generate, stream
from gatllm.inference.packed import can_pack, packed
from gatllm.inference.sampling import Sampling

__all__ = [
    "Chunk",
    "Generated",
    "GrowingTexts",
    "Prefix",
    "Sampling",
    "can_pack",
    "generate",
    "get_embeddings",
    "packed",
    "pooled_embeddings",
    "stream",
]
