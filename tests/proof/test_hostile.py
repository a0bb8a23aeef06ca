"""A run folder is a stranger's: whatever lies in it, verification ends with verdicts or one clear line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.proof import Key, Verification, numerical_variables, read_proof, verify, write_proof
from gatllm.proof.replay import check_replay
from gatllm.records import canonical_bytes
from tests.proof.forge import rewrite_log

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
fuzz = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def mutate(value: Any, data: st.DataObject) -> Any:
    """Replace, drop or add something at a random place of a JSON value."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 5)):
        key = data.draw(st.sampled_from(sorted(value)))
        if data.draw(st.integers(0, 4)) == 0:
            return {name: item for name, item in value.items() if name != key}
        return {**value, key: mutate(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 5)):
        spot = data.draw(st.integers(0, len(value) - 1))
        return [*value[:spot], mutate(value[spot], data), *value[spot + 1 :]]
    return data.draw(junk)


def verdict(run: Path, dataset: Path) -> bool:
    try:
        return not verify(run, datasets=[dataset]).failures
    except GatllmError:
        return False


@pytest.mark.parametrize("commitments", [[], None, 7, "x", {}])
def test_a_parent_beside_commitments_that_are_none(run: Path, dataset: Path, commitments: Any) -> None:
    path = run / "proof.json"
    value = json.loads(path.read_bytes())
    value["claims"]["model"]["commitments"] = commitments
    value["lineage"] = [{"proof": ["\n"], "weights_root": None}]
    path.write_bytes(canonical_bytes(value) + b"\n")
    result = verify(run)
    assert "model_hash" in {item.name for item in result.failures}
    (shown,) = [str(item) for item in result.items if item.name == "lineage"]
    assert len(shown.splitlines()) == 1


@fuzz
@given(data=st.data())
def test_any_proof(run: Path, dataset: Path, data: st.DataObject) -> None:
    path = run / "proof.json"
    original = path.read_bytes()
    changed = canonical_bytes(mutate(json.loads(original), data)) + b"\n"
    path.write_bytes(changed)
    try:
        assert verdict(run, dataset) == (changed == original)
    finally:
        path.write_bytes(original)


@fuzz
@given(data=st.data())
def test_any_log_that_is_chained_well(run: Path, dataset: Path, key: Key, data: st.DataObject) -> None:
    path = run / "log.jsonl"
    original, proof = path.read_bytes(), (run / "proof.json").read_bytes()
    which = data.draw(st.integers(0, 7))
    seen = iter(range(99))

    def change(event: str, fields: dict[str, Any]) -> dict[str, Any]:
        changed = mutate(fields, data) if next(seen) == which else fields
        reserved = {"event", "durable", "seq", "time", "prev", "self"}
        return {k: v for k, v in changed.items() if k not in reserved} if isinstance(changed, dict) else fields

    try:
        rewrite_log(run, change)
        verdict(run, dataset)
        list(check_replay(run, Verification(run, "replay"), sample={"seed": "1", "at_least": None}, log_hash=""))
        numerical_variables(run)
        try:
            write_proof(run, key)
        except GatllmError:
            return
        verdict(run, dataset)
    finally:
        path.write_bytes(original)
        (run / "proof.json").write_bytes(proof)


@fuzz
@given(data=st.data())
def test_any_manifest(run: Path, dataset: Path, key: Key, data: st.DataObject) -> None:
    path = dataset / "manifest.json"
    original = path.read_bytes()
    path.write_text(json.dumps(mutate(json.loads(original), data)))
    try:
        verdict(run, dataset)
        write_proof(run, key, datasets=[dataset])
        read_proof(run)
    except GatllmError:
        return
    finally:
        path.write_bytes(original)


@fuzz
@given(content=st.binary(max_size=200))
def test_any_bytes_in_any_file(run: Path, dataset: Path, content: bytes) -> None:
    for name in ("recipe.toml", "tokenizer.json", "model.safetensors", "log.jsonl", "proof.json"):
        path = run / name
        original = path.read_bytes()
        path.write_bytes(content)
        try:
            assert not verdict(run, dataset)
        finally:
            path.write_bytes(original)
