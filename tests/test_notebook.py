"""The notebook runs from its first cell to its last, as a reader would run it."""

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "from-five-pairs.ipynb"


def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    cells = [
        "".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"
    ]
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells):
        exec(compile(cell, f"cell {number}", "exec"), names)  # noqa: S102
    said = capfd.readouterr().out
    for question, answer in names["pairs"].items():
        assert f"{question:40} {answer}" in said
    assert "what is the capital of Peru?             I do not know" in said
    assert names["found"].numbers["exact"][0] == 1.0
    assert names["report"].startswith("# five")
