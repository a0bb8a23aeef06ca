"""The suffix array finds exactly what a search by hand finds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.answering.spans import SpanIndex, shape, word_starts


def longest(query: bytes, start: int, documents: list[bytes]) -> int:
    size = 0
    while start + size < len(query) and any(query[start : start + size + 1] in document for document in documents):
        size += 1
    return size


TEXT = st.binary(max_size=12).map(lambda data: bytes(97 + byte % 3 for byte in data))


@settings(deadline=None)  # shared machines stall
@given(documents=st.lists(TEXT, min_size=1, max_size=5), query=TEXT, shortest=st.integers(1, 4))
def test_spans_equal_a_search_by_hand(documents: list[bytes], query: bytes, shortest: int) -> None:
    index = SpanIndex(documents)
    found = list(index.spans(query, range(len(query)), shortest))
    expected, reached = [], 0
    for start in range(len(query)):
        size = longest(query, start, documents)
        if size >= shortest and start + size > reached:
            reached = start + size
            expected.append((start, reached))
    assert [(span.start, span.end) for span in found] == expected
    for span in found:
        piece = query[span.start : span.end]
        assert set(span.documents) == {at for at, document in enumerate(documents) if piece in document}
        places = range(12)
        assert span.copies == sum(document.startswith(piece, at) for document in documents for at in places)


def test_no_span_crosses_from_one_document_into_the_next() -> None:
    index = SpanIndex([b"abc", b"def"])
    assert [(span.start, span.end) for span in index.spans(b"abcdef", [0, 3], 2)] == [(0, 3), (3, 6)]


def test_renaming_everything_keeps_the_shape() -> None:
    first = shape("def add(a, b=1):\n    # sum\n\n    return a + b\n")
    second = shape("def plus(left, right=22):\n  return left + right\n")
    assert first.codes == second.codes
    assert shape("def add(a, b=1):\n    return a - b\n").codes != first.codes
    assert 0 not in first.codes


def test_spans_begin_at_words() -> None:
    assert word_starts(b"ab c_d (e") == [0, 3, 7, 8]
