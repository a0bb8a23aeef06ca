"""Building: what passes is kept, the rest is rejected with its reason, the same input gives the same root."""

import json
from pathlib import Path

import pytest

from gatllm.data import Dataset, build, build_negative, check_paths, split_of
from gatllm.errors import GatllmError, UsageError, VerificationError


def test_a_positive_dataset_keeps_what_passes_and_says_why_not(project: Path, tmp_path: Path) -> None:
    made = build(str(project), tmp_path / "positive")
    origins = [record["origin"] for record in made.records()]
    assert origins == ["project:good.py", "project:inner/other.py"]
    assert {record["licence"] for record in made.records()} == {"MIT"}
    reasons = {entry["origin"].removeprefix("project:"): entry["reasons"][0]["rule"] for entry in made.rejected()}
    assert reasons == {
        "broken.py": "syntax",
        "undefined.py": "F821",
        "empty.py": "empty",
        "latin.py": "encoding",
        "null.py": "syntax",
        "twice.py": "duplicate",
    }
    assert made.manifest.rejected == {"F821": 1, "duplicate": 1, "empty": 1, "encoding": 1, "syntax": 2}
    made.verify()


def test_the_same_input_has_the_same_root(project: Path, tmp_path: Path) -> None:
    first, second = (build(str(project), tmp_path / name) for name in ("one", "two"))
    assert first.manifest.merkle_root == second.manifest.merkle_root
    negatives = [build_negative(first, tmp_path / name, seed=3) for name in ("three", "four")]
    assert negatives[0].manifest.merkle_root == negatives[1].manifest.merkle_root
    assert build_negative(first, tmp_path / "five", seed=4).manifest.merkle_root != negatives[0].manifest.merkle_root


def test_a_negative_dataset_mends_to_the_originals(project: Path, tmp_path: Path) -> None:
    positive = build(str(project), tmp_path / "positive")
    negative = build_negative(positive, tmp_path / "negative")
    assert negative.manifest.parent == positive.manifest.merkle_root
    texts = {record["id"]: record["text"] for record in positive.records()}
    for record in negative.records():
        text = record["broken"]
        for start, end, replacement in reversed(record["edits"]):
            text = text[:start] + replacement + text[end:]
        assert text == record["text"] != record["broken"]
        assert record["source"] in texts
        assert record["families"]
    assert len(negative) >= 4


def test_a_changed_byte_is_found_and_the_shard_named(project: Path, tmp_path: Path) -> None:
    made = build(str(project), tmp_path / "positive")
    shard = made.path / "shards" / "00000.jsonl"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    with pytest.raises(VerificationError, match="shards/00000"):
        made.verify()
    shard.unlink()
    with pytest.raises(GatllmError, match="shards/00000"):
        Dataset.open(made.path)


def test_a_changed_manifest_is_found(project: Path, tmp_path: Path) -> None:
    made = build(str(project), tmp_path / "positive")
    file = made.path / "manifest.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps({**manifest, "merkle_root": "0" * 64}))
    with pytest.raises(VerificationError):
        Dataset.open(made.path).verify()
    file.write_text(json.dumps({**manifest, "surprise": 1}))
    with pytest.raises(GatllmError, match="surprise"):
        Dataset.open(made.path)


def test_nothing_is_left_of_a_build_that_fails(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "bad.py").write_text("(")
    with pytest.raises(GatllmError, match="nothing passed"):
        build(str(tmp_path / "bad"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["bad"]


def test_a_dataset_is_never_overwritten_unasked(project: Path, tmp_path: Path) -> None:
    build(str(project), tmp_path / "out")
    with pytest.raises(GatllmError, match="already there"):
        build(str(project), tmp_path / "out")
    build(str(project), tmp_path / "out", replace=True).verify()


@pytest.mark.parametrize("source", ["nowhere", "dist:no-such-package-at-all"])
def test_unknown_sources_are_one_clear_error(source: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        build(source, tmp_path / "out")


def test_check_gives_every_file_a_verdict(project: Path) -> None:
    verdicts = {verdict.file.path.name: verdict.good for verdict in check_paths([project])}
    assert verdicts == {
        "broken.py": False,
        "empty.py": False,
        "good.py": True,
        "latin.py": False,
        "null.py": False,
        "other.py": True,
        "twice.py": True,
        "undefined.py": False,
    }


def test_odd_names_and_link_loops_are_read(tmp_path: Path) -> None:
    root = tmp_path / "odd"
    root.mkdir()
    (root / "line\nbreak.py").write_text("x = 1\n")
    (root / "loop").symlink_to(root)
    (root / "lost.py").symlink_to(tmp_path / "nowhere")
    verdicts = {verdict.file.path.name: [reason.rule for reason in verdict.reasons] for verdict in check_paths([root])}
    assert verdicts == {"line\nbreak.py": [], "lost.py": ["unreadable"]}


def test_the_split_never_divides_a_module() -> None:
    assert split_of("stdlib:json/decoder.py#a") == split_of("stdlib:json/decoder.py#b")
    shares = [split_of(f"stdlib:module{index}.py") for index in range(2000)]
    assert 0.07 < shares.count("validation") / len(shares) < 0.13
