"""On a local Ray of two workers a build gives the root of the local build."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatllm.data import build
from gatllm.data.cluster import ray_judging

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray warns about much that is not ours


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
        yield
        ray.shutdown()


@pytest.mark.usefixtures("cluster")
def test_the_root_is_that_of_the_local_build(project: Path, tmp_path: Path) -> None:
    for number in range(40):
        (project / f"more{number}.py").write_text(f"VALUE_{number} = {number}\n" * 6)
    (project / "bad2.py").write_text("x = (\n")
    local = build(project, tmp_path / "local")
    spread = build(project, tmp_path / "spread", judging=ray_judging(workers=2, files_per_task=7))
    assert spread.manifest.merkle_root == local.manifest.merkle_root
    assert spread.manifest.rejected == local.manifest.rejected
    assert [entry["origin"] for entry in spread.rejected()] == [entry["origin"] for entry in local.rejected()]
    (tmp_path / "qa.json").write_text('{"a": "b", "c": "d"}')
    pairs = [
        build(tmp_path / "qa.json", tmp_path / name, judging=judging)
        for name, judging in (("one", None), ("two", ray_judging(workers=2)))
    ]
    assert pairs[0].manifest.merkle_root == pairs[1].manifest.merkle_root
