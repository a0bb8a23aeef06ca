"""The least replacements between two texts, and places as editors name them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gatllm.editor.edits import edits
from gatllm.editor.positions import Lines, Replacement, replaced

_TEXT = st.text(alphabet="ab(), :\n\r\t'\"é😀\x0c", max_size=60)


@given(_TEXT, _TEXT)
def test_edits_turn_one_text_into_the_other(before: str, after: str) -> None:
    found = edits(before, after)
    assert replaced(before, found) == after
    assert all(one.end <= other.start for one, other in pairwise(found))


def test_a_bracket_is_one_character() -> None:
    before = "import os\n\n\ndef f(a, b:\n    return os.path.join(a, b)\n"
    after = before.replace("b:", "b):")
    assert edits(before, after) == [Replacement(before.index("b:") + 1, before.index("b:") + 1, ")")]


@given(_TEXT, st.integers(0, 60))
def test_positions_and_offsets_are_inverse(text: str, at: int) -> None:
    lines = Lines(text)
    at = min(at, len(text))
    if text[at - 1 : at + 1] != "\r\n":  # inside a line break there is no position
        assert lines.offset(lines.position(at)) == at
        line, column = lines.row_and_column(at)
        assert lines.place(line, column) == at


def test_positions_out_of_reach_are_the_nearest() -> None:
    lines = Lines("a😀b\r\nc")
    assert lines.offset({"line": 0, "character": 2}) == 1  # inside the smile's pair: before it
    assert lines.offset({"line": 0, "character": 99}) == 3
    assert lines.offset({"line": 9, "character": 0}) == 6
    assert lines.position(3) == {"line": 0, "character": 4}
