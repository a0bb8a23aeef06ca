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
    # The answer is over as soon as one stop string is whole: a longer one that began before it never comes to its end.
    stops = [stop for stop in stops if stop]
    grown = next((g for n in range(len(text) + 1) if any(stop in (g := text[:n]) for stop in stops)), None)
    cut = len(text) if grown is None else min(grown.find(stop) for stop in stops if stop in grown)
    assert "".join(pieces) == reader.text == text[:cut]
    assert reader.stopped == (grown is not None)


def test_the_stop_string_that_is_whole_first_ends_the_answer() -> None:
    reader = Detokenizer(decode, ["b", "abc"])
    assert [reader.add(byte) for byte in b"ab"] == ["", "a"]
    assert reader.stopped


def test_bytes_that_never_become_a_character_are_not_lost() -> None:
    reader = Detokenizer(decode)
    assert reader.add(0xF0) == ""
    assert reader.flush() == "\ufffd"


def test_what_could_begin_a_stop_string_is_held_back() -> None:
    reader = Detokenizer(decode, ["end"])
    assert [reader.add(byte) for byte in b"an e"] == ["a", "n", " ", ""]
    assert reader.add(ord("x")) == "ex"


@given(text=st.text(alphabet=st.sampled_from("a ü\n"), max_size=8))
def test_what_stands_before_an_answer_is_no_part_of_it(text: str) -> None:
    reader = Detokenizer(decode, ["\na"], " ")
    pieces = []
    for token in f" {text}".encode():
        pieces.append(reader.add(token))
        if reader.stopped:
            break
    pieces.append(reader.flush())
    assert "".join(pieces) == reader.text == text.partition("\na")[0]
