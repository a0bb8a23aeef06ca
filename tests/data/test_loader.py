"""The loader: every policy, exact restoration, padding only after the input."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.data import Loader, Sampling, Shards
from gatllm.errors import GatllmError, UsageError
from tests.data.test_shards import make

PAD = 999
POLICIES = ("random", "chunks", "sequential", "documents")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    documents = [list(range(start, start + 1 + start % 23)) for start in range(0, 600, 20)]
    return make(tmp_path_factory.mktemp("loader") / "tokens", documents, 1000, 50)


@settings(max_examples=60)
@given(
    policy=st.sampled_from(POLICIES),
    wrap=st.booleans(),
    context=st.integers(1, 40),
    batch=st.integers(1, 4),
    minimum=st.integers(0, 5),
    seed=st.integers(0, 100),
    before=st.integers(0, 7),
)
def test_a_restored_cursor_gives_what_came_next(
    shards: Shards, policy: str, wrap: bool, context: int, batch: int, minimum: int, seed: int, before: int
) -> None:
    sampling = Sampling(context, batch, policy, wrap, min(minimum, context), seed)  # type: ignore[arg-type]
    loader = Loader(shards, sampling, PAD)
    for _ in range(before):
        next(loader)
    state = loader.state()
    wanted = [next(loader) for _ in range(8)]
    again = Loader(shards, sampling, PAD).restore(state)
    for inputs, targets in wanted:
        more = next(again)
        np.testing.assert_array_equal(inputs, more[0])
        np.testing.assert_array_equal(targets, more[1])


@settings(max_examples=60)
@given(policy=st.sampled_from(POLICIES), wrap=st.booleans(), minimum=st.integers(0, 8), number=st.integers(0, 200))
def test_targets_follow_inputs_and_padding_comes_after(
    shards: Shards, policy: str, wrap: bool, minimum: int, number: int
) -> None:
    loader = Loader(shards, Sampling(8, 3, policy, wrap, minimum, 5), PAD)  # type: ignore[arg-type]
    inputs, targets = loader.batch(number)
    assert inputs.shape == targets.shape == (3, 8)
    for row, wanted in zip(inputs, targets, strict=True):
        real = int(np.count_nonzero(row != PAD))
        assert (row[real:] == PAD).all()
        assert (wanted[real:] == -100).all()
        assert (wanted[: max(0, real)] != -100).all()
        np.testing.assert_array_equal(row[1:real], wanted[: max(0, real - 1)])
        if policy != "documents":
            assert real >= (minimum or 8)


def test_sequential_reads_everything_once(shards: Shards) -> None:
    loader = Loader(shards, Sampling(10, 1, "sequential"), PAD)
    rows = [loader.batch(number)[1][0] for number in range((len(shards) - 1) // 10)]
    whole, _ = shards.read(0, len(shards))
    np.testing.assert_array_equal(np.concatenate(rows), whole[1 : len(rows) * 10 + 1])


def test_chunks_go_on_where_the_last_ended(shards: Shards) -> None:
    loader = Loader(shards, Sampling(7, 4, "chunks", wrap=True, seed=3), PAD)
    first, second = loader.batch(4), loader.batch(5)
    np.testing.assert_array_equal(first[1][:, -1], second[0][:, 0])


def test_documents_come_once_each_time_round(shards: Shards) -> None:
    loader = Loader(shards, Sampling(30, 5, "documents"), PAD)
    firsts = [int(row[0]) for number in range(6) for row in loader.batch(number)[0] if row[0] != PAD]
    starts = [int(ids[0]) for ids, _ in shards if len(ids) > 1]
    assert sorted(firsts) == sorted(starts)


def test_another_cursor_is_refused(shards: Shards) -> None:
    state = Loader(shards, Sampling(8, 2), PAD).state()
    with pytest.raises(GatllmError, match="sampling"):
        Loader(shards, Sampling(8, 3), PAD).restore(state)
    with pytest.raises(GatllmError, match="position"):
        Loader(shards, Sampling(8, 2), PAD).restore({**state, "position": -1})
    with pytest.raises(GatllmError, match="tokens"):
        Loader(shards, Sampling(8, 2), PAD).restore({**state, "tokens": []})


def test_impossible_sampling_is_refused(shards: Shards, tmp_path: Path) -> None:
    for wrong in ({"context": 0}, {"minimum": 9}, {"policy": "best"}):
        with pytest.raises(UsageError):
            Sampling(**{"context": 8, "batch": 1, **wrong})  # type: ignore[arg-type]
    with pytest.raises(GatllmError, match="too few"):
        Loader(make(tmp_path / "few", [[1, 2]]), Sampling(8, 1), PAD)
