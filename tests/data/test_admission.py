"""Admission: licences, privacy and repetition decide, each with its reason."""

import json
from pathlib import Path

import pytest

from gatllm.data import Contributor, Options, build
from gatllm.errors import UsageError


def test_only_allowed_licences_pass(project: Path, tmp_path: Path) -> None:
    (project / "tagged.py").write_text("# SPDX-License-Identifier: GPL-3.0-only\nANSWER = 42\n")
    made = build(project, tmp_path / "out", options=Options(licence_allow=["MIT", "BSD-*"]))
    assert made.manifest.rejected["licence"] == 1
    assert set(made.manifest.licences) == {"MIT"}


def test_contributor_and_redactions_are_on_record(project: Path, tmp_path: Path) -> None:
    (project / "mail.py").write_text("# written by jane@corp.org\nANSWER = 42\n")
    contributor = Contributor(name="Jane", wallet="0x" + "1" * 40)
    made = build(project, tmp_path / "out", options=Options(contributor=contributor))
    assert made.manifest.contributor == contributor
    (record,) = [record for record in made.records() if record["origin"].endswith("mail.py")]
    assert record["redacted"] == 1
    assert "jane" not in record["text"]
    assert made.manifest.made_with["redacted"] == 1


def test_another_dataset_is_not_repeated(project: Path, tmp_path: Path) -> None:
    build(project, tmp_path / "first")
    (project / "new.py").write_text("ANSWER = 42\n")
    made = build(project, tmp_path / "second", options=Options(against=[tmp_path / "first"]))
    assert [record["origin"] for record in made.records()] == ["project:new.py"]


def test_rules_can_be_switched(project: Path, tmp_path: Path) -> None:
    made = build(project, tmp_path / "out", options=Options(rules={"F821": "score"}))
    assert "project:undefined.py" in {record["origin"] for record in made.records()}
    with pytest.raises(UsageError, match="F821"):
        build(project, tmp_path / "other", options=Options(rules={"F821": "terrible"}))


def test_pairs_and_conversations_become_records(tmp_path: Path) -> None:
    (tmp_path / "qa.json").write_text(json.dumps({"a": "b", " ": "c", "d": "\ud800", "e": "f"}))
    pairs = build(tmp_path / "qa.json", tmp_path / "pairs")
    assert [(record["prompt"], record["text"]) for record in pairs.records()] == [("a", "b"), ("e", "f")]
    assert pairs.manifest.rejected == {"encoding": 1, "shape": 1}
    (tmp_path / "chat.jsonl").write_text(json.dumps({"messages": [{"role": "user", "content": "x"}]}))
    chat = build(tmp_path / "chat.jsonl", tmp_path / "chat")
    assert chat.manifest.kind == "conversation"
    assert next(chat.records())["messages"] == [{"role": "user", "content": "x"}]
    with pytest.raises(UsageError, match="don't mix"):
        build([tmp_path / "qa.json", tmp_path / "chat.jsonl"], tmp_path / "both")


def test_a_limit_draws_by_seed(project: Path, tmp_path: Path) -> None:
    chosen = {
        next(iter(build(project, tmp_path / f"out{seed}", limit=1, seed=seed).records()))["origin"] for seed in range(8)
    }
    assert len(chosen) > 1
