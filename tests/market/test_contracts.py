"""The contracts' own tests: format, lint, unit, fuzz, invariants, gas; the attacks are in `contracts/test`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "contracts" / "build.py"


def _build(option: str) -> None:
    if not (BUILD.parent / "node_modules").is_dir():
        pytest.skip("contracts not set up: run `make setup`")
    done = subprocess.run([sys.executable, BUILD, option], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_contracts_pass_their_tests_at_the_gas_they_had() -> None:
    _build("--test")


@pytest.mark.slow
def test_every_branch_of_every_contract_has_a_test() -> None:
    _build("--coverage")
