"""Prompt to agreed answer: confidence, proposals, review, sources."""
