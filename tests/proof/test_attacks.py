"""The table of tamperings and forgeries: none passes as more than it is, at any depth, and each has its name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from benchmarks.proof_attacks import CASES, DEPTHS, Bench, Case, bench, passes_as_more, tried

from gatllm.proof import verify


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    before = torch.get_num_threads()
    yield bench(tmp_path_factory.mktemp("attacks"))
    torch.set_num_threads(before)


def test_there_are_many() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 80


def test_what_is_attacked_is_verified_whole(made: Bench) -> None:
    result = verify(made.honest, depth="full", datasets=[made.text], signer=made.key.address)
    assert result.ok, result.items
    assert (result.redone, result.updates, result.exit_code) == (12, 12, 0)
    assert result.reached == "hashes hold; 12 of 12 updates recomputed"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_passes_as_no_more_than_it_is(case: Case, made: Bench) -> None:
    for depth in DEPTHS[DEPTHS.index(case.at) :]:
        assert passes_as_more(tried(case, made, made.folder / "tried", depth), case, depth) == ""
