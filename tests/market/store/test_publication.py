"""From a dataset folder to what is minted, and back to the same folder, open or sealed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from gatllm.data import Dataset, DatasetWriter
from gatllm.errors import GatllmError, VerificationError
from gatllm.market.store.cid import Cid
from gatllm.market.store.metadata import CollectionMetadata, Trait, picture, read_token_metadata, to_json
from gatllm.market.store.publication import About, publish, read_document, retrieve
from gatllm.market.store.sealing import new_content_key
from gatllm.market.store.stores import LocalStore
from gatllm.market.trade.tokens import Kind
from gatllm.records import new_folder, sha256


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return _dataset(tmp_path / "dataset")


def _dataset(folder: Path, count: int = 3) -> Dataset:
    with new_folder(folder) as partial:
        writer = DatasetWriter(partial, kind="positive", name="tiny")
        for number in range(count):
            text = f"x = {number}\n"
            digest = sha256(text.encode())
            writer.add(
                {"id": digest[:16], "text": text, "sha256": digest, "licence": "Apache-2.0", "origin": f"{number}.py"}
            )
        writer.finish()
    return Dataset.open(folder)


@pytest.mark.parametrize("sealed", [False, True])
def test_a_dataset_comes_back_the_same(tmp_path: Path, dataset: Dataset, sealed: bool) -> None:
    store = LocalStore(tmp_path / "store")
    key = new_content_key() if sealed else None
    published = publish(dataset, store, key=key)
    assert published.origin.root == dataset.manifest.merkle_root
    assert published.origin.kind is Kind.POSITIVE
    document = read_document(store, published.metadata.uri)
    assert document == published.document
    again = retrieve(document, store, tmp_path / "again", root=dataset.manifest.merkle_root, key=key)
    assert list(again.records()) == list(dataset.records())
    assert again.manifest == dataset.manifest
    assert {path.name for path in tmp_path.iterdir()} == {"dataset", "store", "again"}


@pytest.mark.parametrize("sealed", [False, True])
def test_publishing_again_gives_the_same(tmp_path: Path, dataset: Dataset, sealed: bool) -> None:
    key = new_content_key() if sealed else None
    one = publish(dataset, LocalStore(tmp_path / "one"), key=key)
    assert publish(dataset, LocalStore(tmp_path / "two"), key=key) == one


def test_sealed_content_shows_nothing_and_opens_with_its_key_only(tmp_path: Path, dataset: Dataset) -> None:
    store = LocalStore(tmp_path / "store")
    published = publish(dataset, store, key=new_content_key())
    assert b"x = 1" not in store.car(published.content).read_bytes()
    for key in (None, new_content_key()):
        with pytest.raises(GatllmError):
            retrieve(published.document, store, tmp_path / "again", root=published.origin.root, key=key)
    assert not (tmp_path / "again").exists()


def test_metadata_of_another_token_is_refused(tmp_path: Path, dataset: Dataset) -> None:
    store = LocalStore(tmp_path / "store")
    published = publish(dataset, store)
    with pytest.raises(VerificationError, match="belongs to another"):
        retrieve(published.document, store, tmp_path / "again", root="ab" * 32)


def test_content_that_is_not_what_was_minted_is_refused(tmp_path: Path, dataset: Dataset) -> None:
    store = LocalStore(tmp_path / "store")
    mine, other = publish(dataset, store), publish(_dataset(tmp_path / "other", 5), store)
    forged = mine.document.model_copy(
        update={"properties": mine.document.properties.model_copy(update={"cid": str(other.content)})}
    )
    with pytest.raises(VerificationError, match="not the dataset that was minted"):
        retrieve(forged, store, tmp_path / "again", root=mine.origin.root)


def test_a_changed_dataset_is_not_published(tmp_path: Path, dataset: Dataset) -> None:
    shard = dataset.path / dataset.manifest.shards[0].name
    shard.write_bytes(shard.read_bytes().replace(b"x = 1", b"x = 9"))
    with pytest.raises(VerificationError):
        publish(dataset, LocalStore(tmp_path / "store"))


def test_the_metadata_is_what_marketplaces_read(tmp_path: Path, dataset: Dataset) -> None:
    store = LocalStore(tmp_path / "store")
    about = About("My data", "Words.", "https://market.example/unlock")
    published = publish(dataset, store, about=about, key=new_content_key())
    value = json.loads(store.read(published.metadata))
    assert (value["name"], value["description"], value["external_url"]) == ("My data", "Words.", about.external_url)
    assert store.read(Cid.parse(value["image"])).startswith(b"<svg ")
    assert {"trait_type": "Records", "value": 3, "display_type": "number"} in value["attributes"]
    assert {"trait_type": "Access", "value": "unlockable"} in value["attributes"]


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"image": "file:///etc/passwd"}, {"unknown": 1}, {"attributes": [{"value": 1}]}, {"properties": {}}],
)
def test_metadata_that_marketplaces_would_drop_is_an_error(
    tmp_path: Path, dataset: Dataset, change: dict[str, object]
) -> None:
    value = to_json(publish(dataset, LocalStore(tmp_path / "store")).document)
    with pytest.raises(GatllmError, match="makes no sense"):
        read_token_metadata(json.dumps(value | change).encode())


def test_collection_metadata() -> None:
    good = CollectionMetadata(name="gatllm", external_link="https://market.example", collaborators=("0x" + "12" * 20,))
    assert to_json(good)["collaborators"] == ["0x" + "12" * 20]
    with pytest.raises(ValidationError):
        CollectionMetadata(name="gatllm", external_link="market.example")
    with pytest.raises(ValidationError):
        Trait(trait_type="Records", value=1, display_type="numbers")  # type: ignore[arg-type]


def test_pictures_differ() -> None:
    assert picture("00" * 32) != picture("11" * 32)
    assert picture("00" * 32) == picture("00" * 32)
