"""A small real project to build datasets from."""

from pathlib import Path

import pytest

GOOD = '''\
"""Greets."""


def greet(name, loud=False):
    """Return a greeting for name."""
    text = f"hello {name}"
    if loud:
        return text.upper()
    return text


class Counter:
    """Counts."""

    def __init__(self):
        self.count = 0

    def add(self, step=1):
        """Add a step and return the count."""
        self.count += step
        return self.count
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with good files, and one of each kind of bad one."""
    root = tmp_path / "project"
    (root / "inner").mkdir(parents=True)
    (root / "good.py").write_text(GOOD)
    (root / "inner" / "other.py").write_text(GOOD.replace("greet", "welcome"))
    (root / "twice.py").write_text(GOOD)
    (root / "broken.py").write_text("def f(:\n    pass\n")
    (root / "undefined.py").write_text("def f():\n    return nothing_there\n")
    (root / "empty.py").write_text("\n")
    (root / "latin.py").write_bytes("# é\nx = 'é'\n".encode("latin-1"))
    (root / "null.py").write_bytes(b"x = 1\0\n")
    (root / "LICENSE").write_text("Permission is hereby granted, free of charge, to any person obtaining a copy\n")
    return root


@pytest.fixture
def good() -> str:
    """A good module."""
    return GOOD
