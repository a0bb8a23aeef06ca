"""Conversations: only answers are learnt, no row is for nothing, nothing is silently lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.data import PackingReport, pack, render
from gatllm.errors import UsageError
from gatllm.tokenizers import train_bpe

TOKENIZER = train_bpe(["user assistant system hello"] * 3, 270)


def test_only_what_the_assistant_says_is_learnt() -> None:
    ids, learnt = render(
        [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "hello <|im_end|>"},
            {"role": "assistant", "content": "good day"},
        ],
        TOKENIZER,
    )
    taught = [index for index, mark in zip(ids, learnt, strict=True) if mark]
    assert TOKENIZER.decode(taught) == "good day"
    assert taught[-1] == TOKENIZER.specials["<|im_end|>"]
    assert ids.count(TOKENIZER.specials["<|im_end|>"]) == 3


items = st.lists(
    st.lists(st.booleans(), max_size=30).map(lambda marks: (list(range(len(marks))), marks)),
    max_size=40,
)


@given(items=items, width=st.integers(2, 24), buffer=st.integers(0, 9))
def test_no_row_without_a_target_and_every_item_is_accounted_for(
    items: list[tuple[list[int], list[bool]]], width: int, buffer: int
) -> None:
    report = PackingReport()
    rows = list(pack(items, width, report, buffer=buffer))
    placed: dict[int, list[int]] = {}
    for row in rows:
        assert 2 <= len(row.ids) == len(row.learnt) == len(row.items) <= width
        assert any(row.learnt[1:])
        for token, number, mark in zip(row.ids, row.items, row.learnt, strict=True):
            assert not mark or (token > 0 and items[number][1][token])
            placed.setdefault(number, []).append(token)
    assert report.items == len(items)
    assert report.rows == len(rows)
    assert set(placed) | set(report.left_out) == set(range(len(items)))
    assert not set(placed) & set(report.left_out)
    for number, tokens in placed.items():
        whole = items[number][0]
        assert tokens == whole[:width]
        assert (number in report.cut) == (len(whole) > width)
    for number in report.left_out:
        assert not any(items[number][1][1:width])


def test_rows_of_one_token_are_refused() -> None:
    with pytest.raises(UsageError):
        list(pack([], 1, PackingReport()))
