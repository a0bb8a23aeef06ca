"""An index of datasets: the same on the disk as in memory, exact cosines, damage told in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.answering.library import Library, as_context
from gatllm.answering.library.fingerprints import SHINGLE, WINDOW, Fingerprints, winnow
from gatllm.answering.library.rarity import ORDER, Rarity, bits
from gatllm.answering.library.tokens import tokenize, windows
from gatllm.answering.library.words import WordIndex, count_words, split_words
from gatllm.data import Dataset
from gatllm.errors import GatllmError
from gatllm.records import canonical_bytes, verify_inclusion

WORDS = st.text(alphabet="bdf ", min_size=1, max_size=12)


def index_of(texts: list[str]) -> WordIndex:
    split = [split_words(text.encode()) for text in texts]
    parts = [
        count_words(words, np.full(len(words.places), at, np.int32), np.zeros(len(words.places), np.bool_))
        for at, words in enumerate(split)
    ]
    return WordIndex.build(parts, len(texts))


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(WORDS, min_size=1, max_size=6), query=WORDS)
def test_cosines_equal_a_reference(texts: list[str], query: str) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    def analyzer(text: str) -> list[str]:
        return [str(place) for place in split_words(text.encode()).places]

    ours = np.array([index_of(texts).cosines(text) for text in texts])
    if any(analyzer(text) for text in texts):
        vectorizer = TfidfVectorizer(analyzer=analyzer, sublinear_tf=True).fit(texts)
        theirs = (vectorizer.transform(texts) @ vectorizer.transform(texts).T).toarray()
        assert np.allclose(ours, theirs, atol=1e-5)
    assert (index_of(texts).cosines(query) <= 1 + 1e-5).all()


def test_unknown_words_make_a_prompt_less_alike() -> None:
    index = index_of(["parse json text", "open a socket", "parse xml text"])
    near = [index.cosines(text)[0] for text in ("parse json text", "parse json text tiramisu zabaglione")]
    assert near[0] == pytest.approx(1, abs=1e-5)
    assert near[1] < 0.8
    assert index.known("parse text") == 1
    assert index.known("socket") == 0  # one passage only
    assert index.known("tiramisu") == index.known("") == 0
    assert index.nearest("tiramisu", 3) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=60, max_size=120), st.integers(0, 20))
def test_a_shared_passage_leaves_a_common_fingerprint(numbers: list[int], at: int) -> None:
    width = SHINGLE["verbatim"] + WINDOW - 1
    first = tokenize(" ".join(f"w{number}" for number in numbers).encode())["verbatim"].hashes
    second = tokenize((b"other words here " * 3) + b" ".join(f"w{n}".encode() for n in numbers[at : at + width]))
    index = Fingerprints.merge([winnow(first, np.zeros(len(first), np.int32), "verbatim")])
    found = index.passages_with(windows(second["verbatim"].hashes, SHINGLE["verbatim"]))
    assert any(len(passages) for passages in found)


def test_common_tokens_carry_few_bits_and_own_ones_are_left_out() -> None:
    common = tokenize(b"for i in range ( n ) : total += i\n" * 200)["verbatim"].hashes
    own = tokenize(b"zebra = quagga @ okapi if gnu else kudu")["verbatim"].hashes
    rarity = Rarity.empty([1 << 14] * ORDER["verbatim"])
    rarity.add(common)
    rarity.add(own)
    nothing = own[:0]
    assert bits(common[:12], "verbatim", [rarity], nothing).sum() < 30
    assert bits(own, "verbatim", [rarity], nothing).sum() < bits(own, "verbatim", [rarity], own).sum()
    assert bits(own, "verbatim", [rarity], own).sum() > 100


def test_an_index_is_mapped_and_says_what_the_datasets_hold(dataset: Path, tmp_path: Path) -> None:
    first, again = (Library.open([dataset], tmp_path / "index") for _ in range(2))
    records = list(Dataset.open(dataset).records())
    assert len(again) == len(records) == len(first)
    assert again.roots == [Dataset.open(dataset).manifest.merkle_root]
    for number, expected in enumerate(records):
        record = again.record(number)
        assert again.text(number).decode() == expected["text"]
        assert (record.record_id, record.origin, record.licence) == tuple(
            str(expected[name]) for name in ("id", "origin", "licence")
        )
        line = canonical_bytes(expected)
        assert verify_inclusion(line, record.leaf, len(records), again.proof(record), again.roots[0])
    assert isinstance(again.index.documents, np.memmap)
    for query in ("choose a random element", "write rows to a CSV file"):
        assert first.nearest(query) == again.nearest(query)
    for passage in again.nearest("Remove common leading whitespace from every line", 2):
        text = again.text(passage.document)[passage.start : passage.end].decode()
        assert text == passage.text
    assert again.nearest("Remove common leading whitespace from every line", 1)[0].name == "dedent"


def test_a_damaged_index_is_built_again(dataset: Path, tmp_path: Path) -> None:
    Library.open([dataset], tmp_path / "index")
    (place,) = (tmp_path / "index").iterdir()
    for name in ("index.json", "verbatim-hashes.npy", "text.bin"):
        (place / name).write_bytes((place / name).read_bytes()[:50])
        assert len(Library.open([dataset], tmp_path / "index")) > 15
        assert (place / name).stat().st_size > 50


def test_changed_bytes_are_told_in_one_line(dataset: Path, tmp_path: Path) -> None:
    Library.open([dataset], tmp_path / "index")
    (place,) = (tmp_path / "index").iterdir()
    data = bytearray((place / "text.bin").read_bytes())
    data[10] ^= 1
    (place / "text.bin").write_bytes(data)
    with pytest.raises(GatllmError, match=r"the index in .* is damaged"):
        Library.open([dataset], tmp_path / "index").text(0)


def test_no_data_is_one_clear_line(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "empty" / "shards").mkdir(parents=True)
    manifest = json.loads((dataset / "manifest.json").read_text())
    manifest |= {"records": 0, "shards": [], "accepted": 0}
    (tmp_path / "empty" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(GatllmError, match="hold no records"):
        Library.open([tmp_path / "empty"], tmp_path / "index")
    assert list((tmp_path / "index").iterdir()) == []


def test_only_near_passages_within_the_budget_are_retrieved(library: Library) -> None:
    prompt = "remove any common leading whitespace from every line in a text"
    found = library.retrieve(prompt, 600)
    assert found[0].name == "dedent"
    assert sum(passage.end - passage.start for passage in found) <= 2400
    assert library.retrieve(prompt, 5) == []
    assert library.retrieve("Which wine goes with roast duck?", 400) == []
    assert found[0].text.rstrip() in as_context(found)
    # Its regular expressions stand outside it: without them it would be copied into code that names nothing.
    assert "_whitespace_only_re = " in as_context(found)
