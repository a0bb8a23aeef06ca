"""Random-substring sampling: where rows begin, what they hold, what is padding."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.training.objectives.data_tables import TextTable
from gatllm.training.objectives.windows import IGNORED, Windows

TEXT = np.arange(100, dtype=np.int64)
PAD = 777


def table(**values: Any) -> TextTable:
    return TextTable(source="text", **values)


@given(
    window=st.sampled_from(["random", "chunks", "sequential"]),
    wrap=st.booleans(),
    minimum=st.integers(0, 8),
    index=st.integers(0, 10_000),
    count=st.integers(1, 5),
    size=st.integers(10, 40),
)
def test_a_row_is_a_piece_of_the_text_with_targets_one_further(
    window: Any, wrap: bool, minimum: int, index: int, count: int, size: int
) -> None:
    text = np.arange(size, dtype=np.int64)
    rows = Windows(text, 8, table(window=window, wrap=wrap, minimum=minimum), 7, PAD)
    inputs, targets = rows.rows(index, count)
    assert inputs.shape == targets.shape == (count, 8)
    supervised = targets != IGNORED
    assert supervised[:, max(minimum, 1) - 1].all()  # no row without a target, none shorter than the minimum
    assert (targets[supervised] == ((inputs + 1) % size)[supervised]).all()
    assert (np.diff(supervised.astype(int), axis=1) <= 0).all()  # padding comes after the text only
    assert (inputs[~supervised] == PAD).all()
    if not minimum:
        assert supervised.all()
    if not wrap:
        inside = supervised[:, 1:] & supervised[:, :-1]
        assert (np.diff(inputs, axis=1)[inside] == 1).all()
    again = rows.rows(index, count)
    assert (inputs == again[0]).all()
    assert (targets == again[1]).all()


def test_sequential_reads_the_text_from_the_first_token_on() -> None:
    rows = Windows(TEXT, 8, table(window="sequential"), 0, PAD)
    read = np.concatenate([rows.rows(index, 3)[0].ravel() for index in range(4)])
    assert read.tolist() == list(range(96))  # twelve whole rows, then from the beginning again
    assert rows.rows(4, 3)[0][0].tolist() == list(range(8))


def test_sequential_with_wrap_goes_over_the_end() -> None:
    rows = Windows(TEXT, 8, table(window="sequential", wrap=True), 0, PAD)
    assert rows.rows(12, 1)[0][0].tolist() == [96, 97, 98, 99, 0, 1, 2, 3]


def test_chunks_follow_each_other_from_a_random_start() -> None:
    rows = Windows(TEXT, 8, table(window="chunks", wrap=True), 3, PAD)
    first, second = rows.rows(0, 4)[0], rows.rows(1, 4)[0]
    assert ((first[:, -1] + 1) % 100 == second[:, 0]).all()
    assert len({int(row[0]) for row in first}) > 1


def test_random_starts_reach_the_whole_text() -> None:
    rows = Windows(TEXT, 8, table(), 0, PAD)
    seen = {int(token) for index in range(300) for token in rows.rows(index, 4)[1].ravel()}
    assert seen == set(range(1, 100))


def test_a_text_shorter_than_a_row_is_an_error_that_says_so() -> None:
    with pytest.raises(GatllmError, match=r"9 tokens, a row needs 10.*lower model\.context"):
        Windows(TEXT[:9], 8, table(), 0, PAD)
    with pytest.raises(GatllmError, match=r"data\.minimum 9"):
        Windows(TEXT, 8, table(minimum=9), 0, PAD)
