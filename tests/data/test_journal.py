"""Resuming: what was judged before a stop is not judged again, and the finished dataset is untouched."""

from pathlib import Path

import pytest

from gatllm.data import Dataset, build
from gatllm.data.verdicts.syntax import Compiler
from gatllm.progress import Progress


class StopError(Exception):
    """What a user's Ctrl-C stands for here."""


def many(root: Path, count: int) -> None:
    root.mkdir()
    for number in range(count):
        (root / f"m{number:04d}.py").write_text("\n".join(f"value_{number}_{i} = {i}" for i in range(8)))


def test_a_stopped_build_continues_and_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many(tmp_path / "code", 700)
    whole = build(tmp_path / "code", tmp_path / "whole")

    def stop(progress: Progress) -> None:
        if progress.done > 600:
            raise StopError

    out = tmp_path / "out"
    with pytest.raises(StopError):
        build(tmp_path / "code", out, report=stop)
    assert not out.exists()
    asked: list[int] = []
    judge = Compiler.judge

    def counting(self: Compiler, files: object) -> object:
        answers = judge(self, files)  # type: ignore[arg-type]
        asked.append(len(answers))
        return answers

    monkeypatch.setattr(Compiler, "judge", counting)
    made = build(tmp_path / "code", out)
    assert sum(asked) < 700
    assert made.manifest.merkle_root == whole.manifest.merkle_root
    assert sorted(path.name for path in tmp_path.iterdir()) == ["code", "out", "whole"]


def test_a_failed_rebuild_leaves_the_last_dataset(tmp_path: Path) -> None:
    many(tmp_path / "code", 3)
    before = build(tmp_path / "code", tmp_path / "out").manifest.merkle_root

    def stop(_: Progress) -> None:
        raise StopError

    with pytest.raises(StopError):
        build(tmp_path / "code", tmp_path / "out", replace=True, report=stop)
    kept = Dataset.open(tmp_path / "out")
    kept.verify()
    assert kept.manifest.merkle_root == before


def test_a_torn_journal_is_no_trouble(tmp_path: Path) -> None:
    many(tmp_path / "code", 3)
    for content in (b"\xff\xfe", b"{}\n{", b'{"rules": "0"}\n{"sha256": "x", "reasons": []}\n', b"[]\n1\n"):
        (tmp_path / ".out.progress.jsonl").write_bytes(content)
        build(tmp_path / "code", tmp_path / "out", replace=True).verify()
