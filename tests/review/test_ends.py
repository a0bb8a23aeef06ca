"""What two versions share is left out at both ends, and nothing that differs is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.review import ends
from gatllm.review.ends import differences, equal_ends, opcodes

WORDS = st.lists(st.sampled_from("ab"), max_size=6)


@given(WORDS, WORDS)
def test_what_is_left_out_is_equal_and_no_more_could_be(old: list[str], new: list[str]) -> None:
    head, tail = equal_ends(old, new)
    assert head + tail <= min(len(old), len(new))
    assert old[:head] == new[:head]
    assert old[len(old) - tail :] == new[len(new) - tail :]
    left, right = old[head : len(old) - tail], new[head : len(new) - tail]
    assert not left or not right or (left[0] != right[0] and left[-1] != right[-1])


def assert_differences_lead_to(old: list[str], new: list[str]) -> None:
    out, at = [], 0
    for i1, i2, j1, j2 in differences(old, new):
        out += [*old[at:i1], *new[j1:j2]]
        at = i2
    assert [*out, *old[at:]] == new
    assert [line for kind, i1, i2, _, _ in opcodes(old, new) if kind != "insert" for line in old[i1:i2]] == old


@given(WORDS, WORDS)
def test_what_differs_put_in_gives_the_other(old: list[str], new: list[str]) -> None:
    assert_differences_lead_to(old, new)


LINES = st.lists(st.sampled_from(["a", "b", "\n"]), max_size=40)


@given(LINES, LINES)
def test_what_is_compared_by_lines_gives_the_other_as_well(old: list[str], new: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ends, "_MANY", 4)
        assert_differences_lead_to(old, new)


def test_only_lines_that_differ_are_compared_item_by_item() -> None:
    old = [item for n in range(300) for item in ("print", " ", f"a{n}", "\n")]
    new = [item for n in range(300) for item in ("print", "(", f"a{n}", ")", "\n")]
    assert len(list(differences(old, new))) == 600
