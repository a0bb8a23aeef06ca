"""The training page: runs as they are, curves, and proofs that are verified in one click, each check with its line."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI

from gatllm.answering import Assistant, FakeGenerator
from gatllm.review import Reviewer
from gatllm.service import create_app, training_runs
from tests.service.conftest import Connect


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def app(runs: Path) -> FastAPI:
    return create_app(Assistant(FakeGenerator("Hello."), Reviewer()), runs=[runs])


def _get(app: FastAPI, connect: Connect, *paths: str) -> list[str]:
    async def go() -> list[str]:
        async with connect(app) as client:
            return [(await client.get(path)).text for path in paths]

    return asyncio.run(go())


def test_runs_and_their_numbers(app: FastAPI, connect: Connect, runs: Path) -> None:
    (runs / "broken").mkdir()
    (runs / "broken" / "log.jsonl").write_text("no log\n")
    index, page, broken = _get(app, connect, "/training", "/training/tiny", "/training/broken")
    assert '<a href="/training/tiny">tiny</a>' in index
    assert "finished" in index
    assert "signed" in index
    assert '<a href="/training" aria-current="page">Training</a>' in index
    assert "<dt>Updates</dt><dd>6</dd>" in page
    assert "Verify now" in page
    assert "not a run folder" in broken


def test_curves_are_a_picture(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            answer = await client.get("/training/tiny/curves.png")
            assert answer.headers["content-type"] == "image/png"
            assert answer.content.startswith(b"\x89PNG")
            for name in ("none", "..", "%2e%2e%2fetc"):
                assert (await client.get(f"/training/{name}/curves.png")).status_code == 404

    asyncio.run(go())


def test_one_click_checks_every_hash_and_names_what_does_not_hold(app: FastAPI, connect: Connect, runs: Path) -> None:
    async def go() -> None:
        async with connect(app) as client:
            page = (await client.post("/training/tiny/verify")).text
            assert "All hashes hold" in page
            assert "0 of 6 updates recomputed" in page
            assert "signature" in page
            assert "does not hold" not in page
            assert "All hashes hold" in (await client.get("/training/tiny")).text  # remembered while nothing changes
            weights = runs / "tiny" / "model.safetensors"
            damaged = bytearray(weights.read_bytes())
            damaged[-1] ^= 1
            weights.write_bytes(damaged)
            assert "All hashes hold" not in (await client.get("/training/tiny")).text
            page = (await client.post("/training/tiny/verify")).text
            assert "Does not hold" in page
            assert "model.safetensors" in page
            (runs / "tiny" / "proof.json").unlink()
            assert (await client.post("/training/tiny/verify")).status_code == 400

    asyncio.run(go())


def test_datasets_are_looked_at_in_the_order_of_the_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash of several depends on it: in any other order an honest run would be accused."""
    roots = [f"{number:064x}" for number in range(8)]
    folders = {tmp_path / str(number): root for number, root in enumerate(roots)}
    proof = SimpleNamespace(datasets=[{"merkle_root": root} for root in roots])
    monkeypatch.setattr(training_runs, "read_proof", lambda path: proof)
    opened = {path: SimpleNamespace(manifest=SimpleNamespace(merkle_root=root)) for path, root in folders.items()}
    monkeypatch.setattr(training_runs, "Dataset", SimpleNamespace(open=opened.__getitem__))
    runs = training_runs.TrainingRuns(datasets=list(folders)[::-1])
    assert runs._trained_on(tmp_path) == list(folders)
    assert training_runs.TrainingRuns(datasets=list(folders)[1:])._trained_on(tmp_path) == []
