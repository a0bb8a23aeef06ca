"""`config show` names each value's source, and agrees with what the command itself would use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def _show(folder: Path, **environment: str) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "gatllm", "config", "show", "--json"]
    done = subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=True)
    settings: list[dict[str, object]] = json.loads(done.stdout)
    return settings


@pytest.mark.parametrize(
    ("file", "environment", "value", "source"),
    [
        ("", {}, False, "default"),
        ("[config.show]\njson = true\n", {}, True, "gatllm.toml"),
        ("[config.show]\njson = true\n", {"GATLLM_CONFIG_SHOW_JSON": "1"}, "1", "GATLLM_CONFIG_SHOW_JSON"),
    ],
)
def test_each_value_names_its_source(
    tmp_path: Path, file: str, environment: dict[str, str], value: object, source: str
) -> None:
    if file:
        (tmp_path / "gatllm.toml").write_text(file)
    [setting] = [s for s in _show(tmp_path, **environment) if s["command"] == "config show"]
    assert setting["value"] == value
    assert str(setting["source"]).endswith(source)


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "gatllm.toml").write_text("[unclosed")
    done = subprocess.run(
        [sys.executable, "-m", "gatllm", "config", "show"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
