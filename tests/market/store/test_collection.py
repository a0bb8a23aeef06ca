"""The collection's metadata: what ``contractURI`` names is in the store, and valid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gatllm.errors import GatllmError, VerificationError
from gatllm.market import (
    Chain,
    Cid,
    DatasetTokens,
    LocalStore,
    Terms,
    change_collection,
    deploy,
    publish_collection,
    read_collection,
)
from gatllm.market.store.metadata import collection_metadata, read_collection_metadata
from gatllm.records import parse, sha256

NAMED = collection_metadata(name="Ours", description="About them.", external_link="https://example.org/x")


def test_deploying_makes_what_contract_uri_names(owner: Chain, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "elsewhere")
    tokens = DatasetTokens(owner, deploy(owner, tmp_path, Terms(collection=NAMED), store=store))
    uri = tokens.collection_uri()
    raw = store.read(Cid.parse(uri))
    assert Cid.parse(uri).digest.hex() == sha256(raw)
    assert parse(raw)["name"] == "Ours"
    about = read_collection(store, uri)
    assert about.image
    assert about.model_copy(update={"image": None}) == NAMED
    assert store.read(Cid.parse(about.image)).startswith(b"<svg")
    # Deploying again changes nothing, whatever the terms.
    assert DatasetTokens(owner, deploy(owner, tmp_path, store=store)).collection_uri() == uri


def test_by_default_it_lies_in_the_store_beside_the_addresses(owner: Chain, tmp_path: Path) -> None:
    tokens = DatasetTokens(owner, deploy(owner, tmp_path))
    assert read_collection(LocalStore(tmp_path / "store"), tokens.collection_uri()).name == "gatllm datasets"


def test_the_owner_changes_it_and_nobody_else(owner: Chain, new_chain: Callable[[], Chain], tmp_path: Path) -> None:
    deployment, store = deploy(owner, tmp_path), LocalStore(tmp_path / "store")
    tokens = DatasetTokens(owner, deployment)
    before = read_collection(store, tokens.collection_uri())
    changed = change_collection(tokens, store, description="New words.")
    assert changed == before.model_copy(update={"description": "New words."})
    assert tokens.set_collection(Cid.parse(tokens.collection_uri())) is None
    with pytest.raises(GatllmError, match="only the contract's owner"):
        change_collection(DatasetTokens(new_chain(), deployment), store, description="Mine now.")
    with pytest.raises(GatllmError, match="external_link"):
        change_collection(tokens, store, external_link="no address")
    assert read_collection(store, tokens.collection_uri()) == changed
    # Metadata that are lost can be made anew.
    empty = LocalStore(tmp_path / "empty")
    assert change_collection(tokens, empty, name="Again").name == "Again"


def test_a_damaged_file_is_not_taken(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    cid = publish_collection(store, NAMED)
    raw = bytearray(store.car(cid).read_bytes())
    raw[-2] ^= 1
    store.car(cid).write_bytes(raw)
    with pytest.raises((VerificationError, GatllmError)):
        read_collection(store, cid.uri)


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"name": ""}', b'{"name": "x", "seller_fee_basis_points": 500}'])
def test_what_marketplaces_would_not_understand_is_refused(raw: bytes) -> None:
    with pytest.raises(GatllmError, match="makes no sense"):
        read_collection_metadata(raw)
