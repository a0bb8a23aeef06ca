"""The frame: exit codes, one line for every error, a quick --help."""

import subprocess
import sys
from typing import NoReturn

import pytest
from cyclopts import App

from gatllm.cli import frame
from gatllm.errors import GatllmError, UsageError, VerificationError


def _run(monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> int:
    app = App(name="gatllm", result_action="return_value", suppress_keyboard_interrupt=False)

    @app.command
    def go() -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(frame, "app", app)
    with pytest.raises(SystemExit) as stopped:
        frame.main(["go"])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (GatllmError("no disk", "free some"), 1),
        (UsageError("no such key"), 2),
        (VerificationError("a byte was changed"), 3),
        (KeyboardInterrupt(), 130),
        (RuntimeError("a bug\nwith lines"), 1),
    ],
)
def test_every_failure_has_its_exit_code_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException | None, code: int
) -> None:
    assert _run(monkeypatch, error) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == (0 if error is None else 1)
    assert "Traceback" not in printed.err


def test_a_bug_shows_its_traceback_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATLLM_DEBUG", "1")
    app = App(name="gatllm", result_action="return_value")

    @app.command
    def go() -> NoReturn:
        raise RuntimeError("a bug")

    monkeypatch.setattr(frame, "app", app)
    with pytest.raises(RuntimeError, match="a bug"):
        frame.main(["go"])


def test_usage_errors_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        frame.main(["no-such-command"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\ntry:\n import gatllm.cli as c; c.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'transformers', 'web3', 'numpy', 'fastapi', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
