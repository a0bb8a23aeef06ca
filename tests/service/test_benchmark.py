"""Short versions of `benchmarks/service.py`: nothing is lost or mixed under load, nor when the service is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "service.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["load", "--streams", "20", "--seconds", "3", "--code"],
        ["faults", "--times", "3", "--only", "streams"],
        ["faults", "--times", "3", "--only", "contributions"],
        ["faults", "--times", "10", "--only", "database"],
        ["faults", "--times", "10", "--only", "chain"],
    ],
)
def test_nothing_is_lost_or_mixed(arguments: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, str(BENCHMARK), *arguments], capture_output=True, text=True, timeout=900, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
