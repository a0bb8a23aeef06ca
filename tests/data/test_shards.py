"""Token files: what went in comes out, and a damaged file is named."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.data import Shards, ShardWriter, build, tokenize
from gatllm.errors import GatllmError, VerificationError
from gatllm.tokenizers import train_bpe

KEY = "ab" * 32


def make(
    folder: Path, documents: list[list[int]], vocabulary: int = 1000, limit: int = 64, masked: bool = False
) -> Shards:
    folder.mkdir()
    with ShardWriter(folder, KEY, vocabulary, masked=masked, shard_tokens=limit) as writer:
        for document in documents:
            writer.add(document, [token % 2 == 0 for token in document] if masked else None)
        writer.finish("root")
    return Shards.open(folder, KEY)


@settings(max_examples=40)
@given(
    documents=st.lists(st.lists(st.integers(0, 70_000), max_size=30), min_size=1, max_size=20),
    limit=st.integers(1, 100),
    masked=st.booleans(),
)
def test_documents_come_back(documents: list[list[int]], limit: int, masked: bool) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        shards = make(Path(place) / "tokens", documents, 70_001, limit, masked)
        assert [ids.tolist() for ids, _ in shards] == documents
        row = [token for document in documents for token in document]
        ids, learnt = shards.read(0, len(row) + 5)
        assert ids.tolist() == row
        assert learnt.tolist() == [token % 2 == 0 if masked else True for token in row]
        if row:
            wrapped, _ = shards.read(len(row) - 1, 3, wrap=True)
            assert wrapped.tolist() == [row[-1], row[0], (row * 2)[1]]
        shards.verify()


def test_small_vocabularies_take_two_bytes(tmp_path: Path) -> None:
    small = make(tmp_path / "small", [[1] * 1000], 1 << 16, 10_000)
    large = make(tmp_path / "large", [[1] * 1000], (1 << 16) + 1, 10_000)
    size = [next(shards.path.glob("*.tokens")).stat().st_size for shards in (small, large)]
    assert size[1] - size[0] == 2000


@pytest.mark.parametrize("damage", ["cut", "magic", "version", "count", "longer", "missing", "offsets"])
def test_a_damaged_file_is_named(damage: str, tmp_path: Path) -> None:
    make(tmp_path / "tokens", [[1, 2, 3], [4]])
    file = tmp_path / "tokens" / "00000.tokens"
    data = bytearray(file.read_bytes())
    match damage:
        case "cut":
            del data[-1]
        case "magic":
            data[6:8] = b"\n\n"
        case "version":
            data[8] = 9
        case "count":
            data[16] = 200
        case "longer":
            data += b"\0"
        case "offsets":
            data[-16] = 255
    file.unlink()
    if damage != "missing":
        file.write_bytes(data)
    with pytest.raises(VerificationError, match="00000"):
        Shards.open(tmp_path / "tokens", KEY)


def test_a_changed_token_is_found_by_its_hash(tmp_path: Path) -> None:
    shards = make(tmp_path / "tokens", [[1, 2, 3]])
    file = tmp_path / "tokens" / "00000.tokens"
    data = bytearray(file.read_bytes())
    data[96] ^= 1
    file.write_bytes(data)
    with pytest.raises(VerificationError, match="00000"):
        shards.verify()


def test_another_tokenizer_and_a_missing_index_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "tokens", [[1]])
    with pytest.raises(GatllmError, match="another tokenizer"):
        Shards.open(tmp_path / "tokens", "cd" * 32)
    (tmp_path / "tokens" / "tokens.json").write_text("{}")
    with pytest.raises(GatllmError, match="damaged"):
        Shards.open(tmp_path / "tokens")
    with pytest.raises(GatllmError, match=r"tokens\.json"):
        Shards.open(tmp_path)


def test_ids_outside_the_vocabulary_and_wrong_masks_are_refused(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, KEY, 10, masked=True) as writer:
        for ids, mask in (([10], [True]), ([-1], [True]), ([1], None), ([1], [])):
            with pytest.raises(ValueError, match=r"vocabulary|mark"):
                writer.add(ids, mask)


def test_a_dataset_becomes_tokens(project: Path, tmp_path: Path) -> None:
    dataset = build(project, tmp_path / "positive")
    tokenizer = train_bpe([record["text"] for record in dataset.records()], 300)
    shards = tokenize(dataset, tokenizer, tmp_path / "tokens")
    assert shards.index.data == dataset.manifest.merkle_root
    texts = [record["text"] for record in dataset.records()]
    assert [tokenizer.decode(ids.tolist()) for ids, _ in shards] == texts
    assert all(ids[-1] == tokenizer.end_id for ids, _ in shards)
    (tmp_path / "qa.json").write_text('{"a question": "an answer"}')
    pairs = tokenize(build(tmp_path / "qa.json", tmp_path / "pairs"), tokenizer, tmp_path / "pair-tokens")
    ids, learnt = pairs.document(0)
    assert tokenizer.decode(ids[learnt].tolist()) == "an answer"
    assert np.count_nonzero(~learnt) == len(tokenizer.encode("a question")) + 1
