"""What marketplaces show of all dataset tokens together: the JSON that ``contractURI`` names (ERC-7572)."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gatllm.market.store.cid import Cid
from gatllm.market.store.metadata import CollectionMetadata, picture, read_collection_metadata, to_json
from gatllm.market.store.stores import Store, read_small
from gatllm.records import canonical_bytes, sha256

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


def read_collection(store: Store, uri: str) -> CollectionMetadata:
    """Fetch and check the metadata that a collection's URI names.

    Raises:
        GatllmError: the store can't give it, or it makes no sense.
        VerificationError: what came is not what the URI says.
    """
    return read_collection_metadata(read_small(store, Cid.parse(uri)))
