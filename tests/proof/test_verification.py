"""What a proof catches: each attack is made on an honest run and must fail under its own name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.proof import Key, Registration, load_key, read_proof, verify, write_proof
from gatllm.records import canonical_bytes
from tests.proof.forge import rewrite_log
from tests.proof.runs import make_dataset, make_run


def failed(run: Path, **options: object) -> list[str]:
    return [item.name for item in verify(run, **options).failures]  # type: ignore[arg-type]


def test_an_honest_run_passes(run: Path, dataset: Path, key: Key) -> None:
    proof = read_proof(run)
    registration = Registration(proof.hashes, key.address)
    result = verify(run, datasets=[dataset], signer=key.address, registration=registration)
    assert [item.name for item in result.items if item.verdict != "ok"] == ["time", "seed"]
    assert not result.ok
    assert (result.outcome, result.exit_code) == ("inconclusive", 4)
    result.raise_on_failure()


def test_what_nobody_could_check_is_skipped_and_said(run: Path) -> None:
    result = verify(run)
    assert not result.failures
    assert [item.name for item in result.items if item.verdict == "skipped"] == [
        "seed",
        "data",
        "signer",
        "registration",
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_flipped_bit_anywhere_is_caught_and_named(run: Path, data: st.DataObject) -> None:
    files = sorted(path for path in run.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    original = path.read_bytes()
    position = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(changed)
    try:
        # A flipped digit of proof.json may hit the signature or what is signed; anything else is named by its path.
        assert failed(run) if path.name == "proof.json" else path.relative_to(run).as_posix() in failed(run)
    finally:
        path.write_bytes(original)


def test_a_missing_a_longer_and_an_added_file_are_named(run: Path) -> None:
    (run / "tokenizer.json").unlink()
    assert "tokenizer.json" in failed(run)
    (run / "tokenizer.json").write_text('{"version": "1.0"} ')
    assert "tokenizer.json" in failed(run)
    (run / "checkpoints" / "step-00000099").mkdir()
    (run / "checkpoints" / "step-00000099" / "model.safetensors").write_bytes(b"x")
    assert "checkpoints/step-00000099/model.safetensors" in failed(run)


def test_a_link_in_the_run_is_refused(run: Path, key: Key, tmp_path: Path) -> None:
    (run / "tokenizer.json").rename(tmp_path / "elsewhere")
    (run / "tokenizer.json").symlink_to(tmp_path / "elsewhere")
    assert "files" in failed(run)
    with pytest.raises(GatllmError, match="not a plain file"):
        write_proof(run, key)


def test_swapped_checkpoints_are_named(run: Path) -> None:
    first, second = (run / "checkpoints" / f"step-{step:08d}" / "model.safetensors" for step in (2, 4))
    content = first.read_bytes()
    shutil.copy(second, first)
    second.write_bytes(content)
    assert failed(run)[:2] == [path.relative_to(run).as_posix() for path in (first, second)]


@pytest.mark.parametrize("attack", ["reorder", "drop", "truncate", "cut"])
def test_a_log_that_was_edited_is_caught(run: Path, attack: str) -> None:
    path = run / "log.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    if attack == "reorder":
        lines[2], lines[3] = lines[3], lines[2]
    elif attack == "drop":
        del lines[3]
    elif attack == "truncate":
        lines = lines[:-1]
    else:
        lines[-1] = lines[-1][:-5]
    path.write_bytes(b"".join(lines))
    assert {"log.jsonl", "log"} <= set(failed(run))


def better_metrics(event: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "metrics": {"val_loss": 0.01}} if event == "end" else fields


def test_metrics_edited_in_a_rechained_log_are_caught(run: Path) -> None:
    rewrite_log(run, better_metrics)
    assert {"log.jsonl", "output_hash", "log_hash"} <= set(failed(run))


def test_another_hyper_parameter_is_caught(run: Path) -> None:
    path = run / "recipe.toml"
    path.write_text(path.read_text().replace("0.001", "0.001001"))
    assert {"recipe.toml", "model_hash"} <= set(failed(run))


def test_a_proof_by_another_key_is_caught(run: Path, key: Key, tmp_path: Path) -> None:
    thief = load_key(tmp_path / "thief.key")
    rewrite_log(run, better_metrics)
    write_proof(run, thief)
    assert failed(run) == []  # consistent in itself, so it takes a word from outside:
    assert failed(run, signer=key.address) == ["signer"]


def test_an_edited_signer_is_caught(run: Path, key: Key, tmp_path: Path) -> None:
    thief = load_key(tmp_path / "thief.key")
    path = run / "proof.json"
    path.write_text(path.read_text().replace(key.address, thief.address))
    assert failed(run) == ["signature"]


def test_a_proof_without_signature_is_caught(run: Path) -> None:
    path = run / "proof.json"
    document = json.loads(path.read_bytes())
    document["signatures"] = []
    path.write_bytes(canonical_bytes(document) + b"\n")
    assert failed(run) == ["signature"]


@pytest.mark.parametrize("spelling", ["upper", "high_s", "v", "extra"])
def test_a_signature_has_one_spelling(run: Path, spelling: str) -> None:
    path = run / "proof.json"
    document = json.loads(path.read_bytes())
    entry = document["signatures"][0]
    raw = bytes.fromhex(entry["signature"][2:])
    r, s, v = raw[:32], int.from_bytes(raw[32:64]), raw[64]
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    if spelling == "upper":
        entry["signature"] = "0x" + raw.hex().upper()
    elif spelling == "high_s":
        entry["signature"] = "0x" + (r + (order - s).to_bytes(32) + bytes([55 - v])).hex()
    elif spelling == "v":
        entry["signature"] = "0x" + (raw[:64] + bytes([v - 27])).hex()
    else:
        entry["note"] = "hello"
    path.write_bytes(canonical_bytes(document) + b"\n")
    assert failed(run) == ["signature"]


def test_the_registration_of_another_run_is_caught(run: Path, dataset: Path, key: Key, tmp_path: Path) -> None:
    other = write_proof(make_run(tmp_path / "other", dataset, lr=0.002), key)
    assert failed(run, registration=Registration(other.hashes, key.address)) == ["registration"]
    stranger = Registration(read_proof(run).hashes, "0x" + "11" * 20)
    assert failed(run, registration=stranger) == ["registration"]


def test_data_changed_by_one_byte_is_caught(run: Path, dataset: Path) -> None:
    shard = dataset / "shards" / "00001.jsonl"
    shard.write_bytes(shard.read_bytes().replace(b"x = 3", b"x = 4"))
    assert failed(run, datasets=[dataset]) == ["data data", "data"]


def test_another_contributor_in_the_manifest_is_caught_but_not_a_new_place(run: Path, dataset: Path) -> None:
    path = dataset / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "cid": "bafy"}))
    assert failed(run, datasets=[dataset]) == []
    path.write_text(json.dumps({**manifest, "contributor": {"name": "Mallory", "wallet": ""}}))
    assert failed(run, datasets=[dataset]) == ["data data"]


def test_another_dataset_is_caught(run: Path, tmp_path: Path) -> None:
    assert failed(run, datasets=[make_dataset(tmp_path / "other", records=6)]) == ["data"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"null", b"\xff", b'{"type": "gatllm/training-proof/v1"}'])
def test_a_damaged_proof_is_a_failed_item(run: Path, content: bytes) -> None:
    (run / "proof.json").write_bytes(content)
    assert failed(run) == ["proof.json"]


def test_an_unfinished_run_is_not_proven(tmp_path: Path, dataset: Path, key: Key) -> None:
    folder = make_run(tmp_path / "half", dataset, finished=False)
    with pytest.raises(GatllmError, match="not finished"):
        write_proof(folder, key)


def test_nothing_to_verify_is_one_clear_line(tmp_path: Path, run: Path) -> None:
    with pytest.raises(GatllmError, match="no run folder"):
        verify(tmp_path / "nowhere")
    (run / "proof.json").unlink()
    with pytest.raises(GatllmError, match="no proof"):
        verify(run)
    with pytest.raises(UsageError):
        verify(run, depth="deep")  # type: ignore[arg-type]


def test_the_first_failure_is_raised_with_its_name(run: Path) -> None:
    (run / "tokenizer.json").write_text("{}")
    with pytest.raises(VerificationError, match=r"tokenizer\.json"):
        verify(run).raise_on_failure()


def test_a_run_names_the_proof_it_continues(run: Path, dataset: Path, key: Key, tmp_path: Path) -> None:
    parent = read_proof(run)
    child = write_proof(make_run(tmp_path / "child", dataset), key, parents=[run])
    assert child.lineage == [
        {"proof": parent.digest(), "signer": key.address, "weights_root": parent.claims.output["weights_root"]}
    ]


def test_the_proof_names_datasets_and_contributors(run: Path) -> None:
    (dataset,) = read_proof(run).datasets
    assert dataset["contributor"] == {"name": "Ada", "wallet": ""}
    assert dataset["merkle_root"] == read_proof(run).hashes.data_hash
