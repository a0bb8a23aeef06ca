"""What two versions share is left out at both ends, and nothing that differs is."""

from hypothesis import given
from hypothesis import strategies as st

from gatllm.review.ends import equal_ends

WORDS = st.lists(st.sampled_from("ab"), max_size=6)


@given(WORDS, WORDS)
def test_what_is_left_out_is_equal_and_no_more_could_be(old: list[str], new: list[str]) -> None:
    head, tail = equal_ends(old, new)
    assert head + tail <= min(len(old), len(new))
    assert old[:head] == new[:head]
    assert old[len(old) - tail :] == new[len(new) - tail :]
    left, right = old[head : len(old) - tail], new[head : len(new) - tail]
    assert not left or not right or (left[0] != right[0] and left[-1] != right[-1])
