"""What is damaged or missing where a proof is read: each has one answer, and none is a pass."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.proof import Key, read_proof, verification, verify, write_envelope
from gatllm.proof.commitments import read_recipe
from gatllm.proof.datasets import read_manifest
from gatllm.proof.history import check_times, moment
from gatllm.proof.inventory import likely_cause
from gatllm.proof.signature import verify_ed25519
from gatllm.training import seeds

TIME = "2026-11-27T10:00:00.000+00:00"


@pytest.mark.parametrize("required", ["some", -1, 1.5])
def test_a_number_of_updates_is_one(run: Path, required: object) -> None:
    with pytest.raises(UsageError, match="is not a number of updates"):
        verify(run, depth="full", require_updates=required)  # type: ignore[arg-type]


def test_nothing_is_replayed_where_the_hashes_fail(run: Path, dataset: Path) -> None:
    weights = run / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    result = verify(run, depth="full", datasets=[dataset])
    assert result.outcome == "failed"
    assert [item.verdict for item in result.items if item.name == "replay"] == ["skipped"]


@pytest.mark.parametrize("text", ["2026-02-30T10:00:00.000+00:00", "yesterday", "", None, 3])
def test_a_time_that_is_not_one(text: object) -> None:
    with pytest.raises(VerificationError, match="a time in the log is invalid"):
        moment(text)


@pytest.mark.parametrize("created", ["", "soon", "2026-11-27T10:00:00"])
def test_the_proofs_own_time_is_invalid(created: str) -> None:
    with pytest.raises(VerificationError, match="the proof's time is invalid"):
        check_times([{"seq": 0, "time": TIME}], created)


def test_an_envelope_about_a_file_that_is_gone(run: Path, key: Key) -> None:
    write_envelope(run, read_proof(run), key)
    (run / "model.safetensors").unlink()
    said = {item.name: item.detail for item in verify(run).failures}
    assert "missing" in said["proof.intoto.json"]


def test_an_envelope_with_another_type(run: Path, key: Key) -> None:
    path = write_envelope(run, read_proof(run), key)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"payloadType": "text/plain"}))
    assert [item.name for item in verify(run).failures] == ["proof.intoto.json"]


def test_nobody_knows_what_happened_to_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    assert likely_cause(tmp_path / "gone", {"size": 1, "sha256": "0" * 64}) == ""


@pytest.mark.parametrize(
    ("public", "signature"),
    [(None, "0" * 128), ("0" * 64, 1), ("0" * 63, "0" * 128), ("A" * 64, "0" * 128), ("0" * 64, "0" * 127)],
)
def test_what_is_not_a_signature_is_not_one_of_anything(public: object, signature: object) -> None:
    assert not verify_ed25519(public, signature, b"message")


def test_a_recipe_that_is_missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(GatllmError, match="is missing"):
        read_recipe(tmp_path)
    (tmp_path / "recipe.toml").write_bytes(b"\xff")
    with pytest.raises(VerificationError, match="is damaged"):
        read_recipe(tmp_path)


@pytest.mark.parametrize("content", ["", "[", "[]", "3"])
def test_a_manifest_that_is_damaged(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(GatllmError, match=r"not a dataset|is damaged"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(("seed", "verdict"), [(5, "ok"), (4, "failed"), (6, "failed"), (None, "failed")])
def test_a_committed_seed_is_exactly_the_derived_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int | None, verdict: str
) -> None:
    recipe = {"determinism": {"seed": "committed"}, "seed": seed}
    monkeypatch.setattr(verification, "read_recipe", lambda run: recipe)
    monkeypatch.setattr(seeds, "committed_seed", lambda *given: 5)
    claims = SimpleNamespace(seed_block=None, seed_trainer=None, plan_hash=lambda: "plan")
    proof: Any = SimpleNamespace(claims=claims, hashes=SimpleNamespace(data_hash="data"), signer="0xabc")
    assert [item.verdict for item in verification._check_seed(tmp_path, proof)] == [verdict]
