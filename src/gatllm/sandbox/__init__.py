"""Runs untrusted Python; knows nothing of the rest."""
