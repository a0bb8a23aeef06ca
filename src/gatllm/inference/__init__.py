"""Batched generation with a KV cache, sampling, embeddings."""
