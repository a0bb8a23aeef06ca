"""What verification says at the end, what it ends with, and that nothing in a run can speak for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.cli import main
from gatllm.errors import GatllmError, InconclusiveError, UsageError, VerificationError
from gatllm.proof import Item, Key, Verification, read_proof, verify, visible, write_proof
from gatllm.proof.history import History, chosen_step, stopping_step
from gatllm.proof.inventory import list_files
from gatllm.training.tables import TrainTable


def gatllm(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


def test_hashes_alone_are_inconclusive_and_the_last_line_says_so(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gatllm("proof", "verify", run) == InconclusiveError.exit_code == 4
    assert capsys.readouterr().out.splitlines()[-1] == "inconclusive: hashes hold; 0 of 4 updates recomputed"
    assert gatllm("proof", "verify", run, "--require-updates", "0") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "intact: hashes hold; 0 of 4 updates recomputed"
    assert gatllm("proof", "verify", run, "--require-updates", "all", "--json") == 4
    assert json.loads(capsys.readouterr().out)["updates"] == {"logged": 4, "redone": 0, "required": 4}


def test_what_is_no_number_of_updates_is_one_clear_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ("-1", "some", "1.5", "²"):
        assert gatllm("proof", "verify", run, f"--require-updates={wrong}") == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert gatllm("proof", "verify", run, "--segments", "2") == 2
    assert "--require-updates" in capsys.readouterr().err


def test_a_sample_takes_a_seed_from_outside(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its author changes the time of the last line until the log's own hash draws around what was made up."""
    with pytest.raises(UsageError, match="nobody knew"):
        verify(run, depth="replay")
    assert gatllm("proof", "replay", run) == 2
    assert "--seed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("items", "redone", "required", "outcome"),
    [
        ([], 0, 0, "failed"),
        ([Item("files", "ok")], 0, 0, "intact"),
        ([Item("files", "ok")], 1, 0, "verified"),
        ([Item("files", "ok")], 0, 1, "inconclusive"),
        ([Item("files", "failed")], 0, 0, "failed"),
        ([Item("files", "ok")], 1, 1, "verified"),
        ([Item("files", "ok")], 5, 6, "inconclusive"),
        ([Item("files", "ok"), Item("replay", "failed")], 6, 6, "failed"),
        ([Item("files", "ok"), Item("environment", "claimed")], 6, 6, "verified"),
        ([Item("final weights", "skipped")], 6, 6, "inconclusive"),
        ([Item("metrics", "skipped")], 6, 6, "inconclusive"),
        ([Item("signer", "skipped")], 6, 6, "verified"),
    ],
)
def test_the_outcome(items: list[Item], redone: int, required: int, outcome: str) -> None:
    result = Verification(Path("run"), "full", items, updates=6, redone=redone, required=required)
    assert result.outcome == outcome
    assert result.ok == (outcome == "verified")
    assert result.exit_code == {"verified": 0, "intact": 0, "failed": VerificationError.exit_code}.get(outcome, 4)
    assert result.as_dict()["outcome"] == outcome


def test_the_words_name_the_first_failure() -> None:
    items = [Item("files", "ok"), Item("log", "failed", "x"), Item("signer", "failed", "y")]
    result = Verification(Path("run"), "full", items, updates=6)
    assert result.reached == "2 item(s) failed, first log; 0 of 6 updates recomputed"
    with pytest.raises(VerificationError, match="run: log: x"):
        result.raise_on_failure()


def test_a_name_can_not_speak_for_the_program(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "x\nok             files: everything\x1b[2J\u202e").write_text("")
    assert gatllm("proof", "verify", run) == 3
    printed = capsys.readouterr().out
    assert not any(line.startswith("ok             files: everything") for line in printed.splitlines())
    assert r"x\nok             files: everything\x1b[2J\u202e: is not covered" in printed
    assert "\x1b[2J" not in printed


@given(st.text())
def test_visible_text_is_one_printable_line(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert all(character.isprintable() for character in shown)
    assert shown.encode("ascii", "backslashreplace").decode("unicode_escape") == text.encode(
        "utf-16", "surrogatepass"
    ).decode("utf-16", "surrogatepass")


def test_two_names_never_look_the_same() -> None:
    assert visible("a\n") != visible("a\\n")


def test_harmless_files_are_passed_over_where_they_are_named(run: Path) -> None:
    for name in (".gitattributes", ".DS_Store", "checkpoints/.DS_Store", ".git/config", ".git/hooks/x", "README.md"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("x")
    assert len(verify(run).failures) == 6
    names = [".gitattributes", ".git/", "README.md"]
    # A bare name counts at any depth, but not among a run's own parts: there a file may stand for a checkpoint.
    assert {item.name for item in verify(run, ignore=[*names, ".DS_Store"]).failures} == {"checkpoints/.DS_Store"}
    (run / "checkpoints/.DS_Store").unlink()
    result = verify(run, ignore=[*names, ".DS_Store"])
    assert not result.failures
    passed = {item.name: item.detail for item in result.items if "passed over" in item.detail}
    assert set(passed) == {".DS_Store", ".git/", ".gitattributes", "README.md"}
    assert set(passed.values()) == {"passed over: ignored by name"}


def test_what_is_ignored_is_recorded_in_the_proof(run: Path, key: Key) -> None:
    (run / "README.md").write_text("about this run")
    proof = write_proof(run, key, ignore=["README.md"])
    assert "README.md" not in proof.files
    assert read_proof(run).ignored == ["README.md"]
    assert not verify(run).failures
    (run / "README.md").unlink()
    assert not verify(run).failures


@pytest.mark.parametrize("name", ["log.jsonl", "recipe.toml", "tokenizer.json", "model.safetensors", "checkpoints"])
def test_nothing_that_a_run_consists_of_can_be_ignored(run: Path, key: Key, name: str) -> None:
    proof = write_proof(run, key, ignore=[name, f"{name}/"])
    assert {file.split("/", maxsplit=1)[0] for file in proof.files} >= {name}
    (run / "checkpoints" / "step-00000099").mkdir()
    (run / "checkpoints" / "step-00000099" / "model.safetensors").write_bytes(b"x")
    assert verify(run, ignore=["checkpoints", "model.safetensors", "step-00000099"]).failures


def test_leftovers_and_empty_folders_are_listed(run: Path) -> None:
    (run / ".partial-model.safetensors-12345678").write_bytes(b"payload")
    (run / "empty" / "inner").mkdir(parents=True)
    result = verify(run)
    assert not result.failures
    assert {item.name for item in result.items if "passed over" in item.detail} == {
        ".partial-model.safetensors-12345678",
        "empty/inner/",
    }
    assert list_files(run).passed_over["empty/inner/"] == "an empty folder"


def test_a_changed_file_says_what_probably_happened(run: Path) -> None:
    log = run / "log.jsonl"
    log.write_bytes(log.read_bytes().replace(b"\n", b"\r\n"))
    (run / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    details = {item.name: item.detail for item in verify(run).failures}
    assert "CRLF" in details["log.jsonl"]
    assert "git lfs pull" in details["model.safetensors"]
    assert "CRLF" not in details["model.safetensors"]


def test_the_environment_and_the_times_are_claims(run: Path) -> None:
    shown = {item.name: item for item in verify(run).items}
    assert shown["time"].verdict == "claimed"
    assert "by the trainer's clock" in shown["time"].detail


def test_the_best_update_is_the_first_of_the_least_loss() -> None:
    losses = {2: 0.5, 4: 0.25, 6: 0.25, 8: 0.75}
    history = History(8, {}, {}, {step: {"loss": loss} for step, loss in losses.items()}, {})
    last, best = TrainTable(steps=8), TrainTable(steps=8, select="best")
    assert (chosen_step(history, best), chosen_step(history, last)) == (4, 8)
    assert chosen_step(History(8, {}, {}, {}, {}), best) == 8


def test_the_best_update_by_a_measure_is_the_first_of_the_greatest() -> None:
    shares = {2: 0.25, 4: 0.75, 6: 0.75, 8: 0.5}
    history = History(8, {}, {}, {step: {"loss": step, "exact": share} for step, share in shares.items()}, {})
    assert chosen_step(history, TrainTable(steps=8, select="best", measure="exact")) == 4
    assert chosen_step(history, TrainTable(steps=8, select="best")) == 2
    with pytest.raises(GatllmError, match="no such"):
        chosen_step(history, TrainTable(steps=8, select="best", measure="no such"))


@pytest.mark.parametrize(
    ("options", "step"),
    [
        ({}, None),
        ({"until": {"exact": 0.75}}, 4),
        ({"until": {"exact": 0.8}}, None),
        ({"until": {"exact": 0.5, "loss": 6.0}}, 4),
        ({"until": {"exact": 0.5, "loss": 3.5}}, None),
        ({"until": {"loss": 6.0}}, 2),
        ({"patience": 1}, 4),  # by the loss, which only rises here
        ({"patience": 3}, 8),
        ({"patience": 4}, None),
        ({"patience": 2, "measure": "exact"}, 8),
        ({"patience": 1, "measure": "exact"}, 6),
    ],
)
def test_what_ends_a_run_early(options: dict[str, Any], step: int | None) -> None:
    shares = {2: 0.25, 4: 0.75, 6: 0.75, 8: 0.5}
    validations = {step: {"loss": float(step), "exact": share} for step, share in shares.items()}
    assert stopping_step(History(8, {}, {}, validations, {}), TrainTable(steps=8, **options)) == step


def test_a_run_of_the_future_is_not_signed(run: Path, key: Key) -> None:
    from benchmarks.proof_attacks import chained

    from gatllm.records import read_log

    entries = read_log(run / "log.jsonl")
    entries[-1]["time"] = "2999-01-01T00:00:00.000+00:00"
    chained(run, entries)
    with pytest.raises(GatllmError, match="in the future"):
        write_proof(run, key)
