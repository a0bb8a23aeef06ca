"""The Python face: what `import gatllm` promises is there, and importing it is cheap."""

import subprocess
import sys
from pathlib import Path

import pytest

import gatllm


def test_everything_promised_is_there() -> None:
    for name in gatllm.__all__:
        assert getattr(gatllm, name) is not None


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="colour"):
        gatllm.colour  # noqa: B018


def test_importing_gatllm_loads_nothing_heavy() -> None:
    code = "import sys, gatllm; print([m for m in ('torch', 'transformers', 'web3', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(("others", "spins"), [(0, "10000"), (1, "10000"), (2, "1000"), (8, "1000"), (None, "1000")])
def test_threads_wait_long_only_where_nothing_else_runs(
    monkeypatch: pytest.MonkeyPatch, others: int | None, spins: str
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert gatllm._spins(others) == spins


def test_fix_mends_and_check_approves() -> None:
    repair = gatllm.fix("def add(a, b:\n    return a + b\n")
    assert repair.changed
    assert compile(repair.text, "x.py", "exec")
    assert gatllm.check("def add(a, b:\n    return a + b\n").verdict == "fake"


def test_load_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(gatllm.GatllmError, match="not a run folder"):
        gatllm.load(tmp_path / "none")


def test_train_overrides_are_checked() -> None:
    with pytest.raises(gatllm.UsageError, match="minuts"):
        gatllm.train("alphabetize", train__minuts=1)
