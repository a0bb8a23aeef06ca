"""Thin commands; no logic."""
