"""docs/data.md: its commands and flags exist, its example runs."""

import re
from pathlib import Path

import pytest

from gatllm.cli.frame import main

DOC = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
COMMANDS = sorted(set(re.findall(r"gatllm ((?:data|tokenizer) [a-z]+)", DOC)))


def help_of(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code in {0, None}
    return capsys.readouterr().out


def test_every_command_exists(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(COMMANDS) >= 6
    for command in COMMANDS:
        assert f"gatllm {command}" in help_of(command, capsys)


def test_every_flag_exists(capsys: pytest.CaptureFixture[str]) -> None:
    known = "".join(help_of(command, capsys) for command in COMMANDS)
    ours = "\n".join(line for line in DOC.splitlines() if not line.startswith("$ pip "))
    flags = set(re.findall(r"(--[a-z][a-z-]+)", ours))
    assert len(flags) > 10
    assert sorted(flag for flag in flags if f"{flag} " not in known) == []


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(from random import Random\n.*?)```", DOC, re.DOTALL)
    exec(compile(example, "docs/data.md", "exec"), {})  # noqa: S102
