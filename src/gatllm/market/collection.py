"""What marketplaces show of all dataset tokens together: the JSON that ``contractURI`` names (ERC-7572)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gatllm.errors import GatllmError
from gatllm.market.cid import Cid
from gatllm.market.metadata import CollectionMetadata, collection_metadata, picture, read_collection_metadata, to_json
from gatllm.market.stores import Store, read_small
from gatllm.records import canonical_bytes, sha256

if TYPE_CHECKING:
    from gatllm.market.tokens import DatasetTokens

DEFAULT = CollectionMetadata(
    name="gatllm datasets",
    symbol="GATD",
    description=(
        "Datasets that code models are trained on, owned by whoever holds the token. A token's id is the Merkle root "
        "of its dataset; its holder can unlock the data and receives a share of what answers from it earn."
    ),
)


def publish_collection(store: Store, about: CollectionMetadata = DEFAULT) -> Cid:
    """Put the collection's metadata into a store, with a picture where it has none; return what to deploy with.

    Raises:
        GatllmError: the store refuses.
    """
    with tempfile.TemporaryDirectory() as scratch:
        if about.image is None:
            drawn = Path(scratch) / "image.svg"
            drawn.write_text(picture(sha256(about.name.encode())), encoding="utf-8")
            about = about.model_copy(update={"image": store.add(drawn).uri})
        file = Path(scratch) / "collection.json"
        file.write_bytes(canonical_bytes(to_json(about)))
        return store.add(file)


def change_collection(tokens: DatasetTokens, store: Store, **fields: str) -> CollectionMetadata:
    """Change fields of the collection's metadata; where the present ones can't be had, the others get their defaults.

    Raises:
        GatllmError: a field does not follow the schema, the store refuses, or the account is not the contracts' owner.
    """
    try:
        before = read_collection(store, tokens.collection_uri())
    except GatllmError:
        before = DEFAULT
    about = collection_metadata(**{**before.model_dump(exclude_none=True), **fields})
    tokens.set_collection(publish_collection(store, about))
    return read_collection(store, tokens.collection_uri())


def read_collection(store: Store, uri: str) -> CollectionMetadata:
    """Fetch and check the metadata that a collection's URI names.

    Raises:
        GatllmError: the store can't give it, or it makes no sense.
        VerificationError: what came is not what the URI says.
    """
    return read_collection_metadata(read_small(store, Cid.parse(uri)))
