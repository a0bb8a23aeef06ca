"""``gatllm proof`` from the shell: what it prints, what it exits with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatllm.cli import main
from tests.proof.runs import make_dataset, make_run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GATLLM_KEY", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return make_run(tmp_path / "run", make_dataset(tmp_path / "data"))


def gatllm(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


def test_write_show_verify_export(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gatllm("proof", "write", run, "--dataset", run.parent / "data") == 0
    assert gatllm("proof", "export", run) == 0
    capsys.readouterr()
    assert gatllm("proof", "show", run, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert gatllm("proof", "key", "--json") == 0
    assert json.loads(capsys.readouterr().out)["address"] == shown["signer"]
    assert gatllm("proof", "verify", run, "--dataset", run.parent / "data", "--signer", shown["signer"], "--json") == 4
    result = json.loads(capsys.readouterr().out)
    assert (result["ok"], result["outcome"]) == (False, "inconclusive")
    assert [item["name"] for item in result["items"] if item["verdict"] == "skipped"] == ["seed", "registration"]
    assert gatllm("proof", "show", run) == 0
    assert shown["digest"] in capsys.readouterr().out.replace("\n", "").replace("│", "").replace(" ", "")


def test_a_flipped_byte_gives_exit_code_3_and_the_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gatllm("proof", "write", run) == 0
    path = run / "checkpoints" / "step-00000002" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert gatllm("proof", "verify", run) == 3
    printed = capsys.readouterr()
    assert "checkpoints/step-00000002/model.safetensors: was changed" in printed.out
    assert "verification failed: 2 item(s) failed" in printed.out


@pytest.mark.parametrize("command", ["show", "verify", "export", "write"])
def test_what_is_no_run_is_one_clear_line(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gatllm("proof", command, tmp_path / "nowhere") == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_key_is_never_printed(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
    monkeypatch.setenv("GATLLM_KEY", secret)
    for arguments in (("write", run), ("show", run, "--json"), ("key",), ("verify", run), ("export", run)):
        gatllm("proof", *arguments)
    printed = capsys.readouterr()
    assert secret not in printed.out + printed.err + (run / "proof.json").read_text()
