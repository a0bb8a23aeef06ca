"""Text from tokens: whatever the split, the pieces are the text, whole characters, cut at the first stop string."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.models.detokenizer import Detokenizer


def decode(tokens: Sequence[int]) -> str:
    """Bytes as tokens: the hardest case for whole characters."""
    return bytes(tokens).decode(errors="replace")


@settings(deadline=None)  # shared machines stall
@given(text=st.text(alphabet=st.sampled_from("ab \nüé€🐍"), max_size=30), stops=st.lists(st.text("ab ü", max_size=3)))
def test_pieces_join_to_the_text_before_the_first_stop(text: str, stops: list[str]) -> None:
    reader = Detokenizer(decode, stops)
    pieces = []
    for token in text.encode():
        pieces.append(reader.add(token))
        if reader.stopped:
            break
    pieces.append(reader.flush())
    ends = [text.find(stop) for stop in stops if stop and stop in text]
    assert "".join(pieces) == reader.text == text[: min(ends, default=len(text))]
    assert reader.stopped == bool(ends)


def test_bytes_that_never_become_a_character_are_not_lost() -> None:
    reader = Detokenizer(decode)
    assert reader.add(0xF0) == ""
    assert reader.flush() == "\ufffd"


def test_what_could_begin_a_stop_string_is_held_back() -> None:
    reader = Detokenizer(decode, ["end"])
    assert [reader.add(byte) for byte in b"an e"] == ["a", "n", " ", ""]
    assert reader.add(ord("x")) == "ex"
