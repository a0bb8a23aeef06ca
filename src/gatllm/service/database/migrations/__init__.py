"""Brings a database up to date (Alembic)."""
