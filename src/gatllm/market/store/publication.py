"""A dataset made ready for its token: content in a store, open or sealed, and the metadata that names it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gatllm.data import Dataset
from gatllm.errors import GatllmError, VerificationError
from gatllm.market.store.car import CarFile, write_car
from gatllm.market.store.cid import PROFILE, RAW, Cid
from gatllm.market.store.metadata import (
    Content,
    TokenMetadata,
    Trait,
    picture,
    read_token_metadata,
    to_json,
    token_metadata,
)
from gatllm.market.store.sealing import seal, unseal
from gatllm.market.store.stores import Store, read_small
from gatllm.market.trade.tokens import Kind, Origin
from gatllm.progress import Report, silent
from gatllm.records import canonical_bytes

_NOTHING = Cid.of(RAW, b"")


@dataclass(frozen=True, slots=True)
class Publication:
    """What was put into the store, and what to mint."""

    origin: Origin
    content: Cid
    metadata: Cid
    document: TokenMetadata


@dataclass(frozen=True, slots=True)
class About:
    """What people read about a dataset; ``external_url`` is the page on which owners unlock it."""

    name: str = ""
    description: str = ""
    external_url: str | None = None


def publish(
    dataset: Dataset,
    store: Store,
    *,
    key: bytes | None = None,
    about: About | None = None,
    checked: Callable[[], None] = lambda: None,
    report: Report = silent,
) -> Publication:
    """Put a dataset folder into a store, sealed with ``key`` where one is given, and return what to mint.

    Dataset and words are checked before anything is written: what is minted is what its manifest says. ``checked`` is
    called in between, to keep the key: content whose key is lost is lost.

    Raises:
        VerificationError: the dataset differs from its manifest.
        GatllmError: the words do not follow the metadata's schema, or the store refuses.
    """
    about = about or About()
    sealed = key is not None
    dataset.verify()
    _document(dataset, about, sealed=sealed, content=_NOTHING, image=_NOTHING, size=0)  # nothing is written in vain
    checked()
    manifest = dataset.manifest
    with tempfile.TemporaryDirectory() as scratch:
        content, size = _put_content(dataset.path, store, key, Path(scratch), report)
        drawn = Path(scratch) / "image.svg"
        drawn.write_text(picture(manifest.merkle_root), encoding="utf-8")
        document = _document(dataset, about, sealed=sealed, content=content, image=store.add(drawn), size=size)
        file = Path(scratch) / "metadata.json"
        file.write_bytes(canonical_bytes(to_json(document)))
        metadata = store.add(file)
    kind = Kind[manifest.kind.upper()]
    origin = Origin(manifest.merkle_root, content.digest.hex(), metadata.digest.hex(), kind)
    return Publication(origin, content, metadata, document)


def _document(dataset: Dataset, about: About, *, sealed: bool, content: Cid, image: Cid, size: int) -> TokenMetadata:
    manifest = dataset.manifest
    return token_metadata(
        name=about.name or manifest.name,
        description=about.description or _description(dataset, sealed=sealed),
        image=image.uri,
        external_url=about.external_url,
        attributes=_traits(dataset, sealed=sealed),
        properties=Content(
            merkle_root=manifest.merkle_root,
            kind=manifest.kind,
            cid=str(content),
            profile=PROFILE.name,
            sealed=sealed,
            size=size,
            records=manifest.records,
            licences=manifest.licences,
        ),
    )


def _put_content(folder: Path, store: Store, key: bytes | None, scratch: Path, report: Report) -> tuple[Cid, int]:
    """Return the identifier of what is in the store, and its bytes there."""
    if key is None:
        return store.add(folder, report), sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    car, sealed = scratch / "content.car", scratch / "content.sealed"
    plaintext = write_car(folder, car, report=report)
    seal(car, sealed, key, report, content=bytes(plaintext))
    car.unlink()
    return store.add(sealed, report), sealed.stat().st_size


def _description(dataset: Dataset, *, sealed: bool) -> str:
    manifest = dataset.manifest
    access = "Its current owner can unlock it." if sealed else "It is open to everybody."
    return f"A {manifest.kind} dataset of {manifest.records:,} records for code models. {access}"


def _traits(dataset: Dataset, *, sealed: bool) -> tuple[Trait, ...]:
    manifest = dataset.manifest
    traits = [
        Trait(trait_type="Kind", value=manifest.kind),
        Trait(trait_type="Access", value="unlockable" if sealed else "open"),
        Trait(trait_type="Records", value=manifest.records, display_type="number"),
        *(Trait(trait_type="Licence", value=licence) for licence in sorted(manifest.licences)),
    ]
    if manifest.contributor.name:
        traits.append(Trait(trait_type="Contributor", value=manifest.contributor.name))
    return tuple(traits)


def read_document(store: Store, uri: str) -> TokenMetadata:
    """Fetch and check the metadata that a token's URI names.

    Raises:
        GatllmError: the store can't give it, or it makes no sense.
        VerificationError: what came is not what the URI says.
    """
    return read_token_metadata(read_small(store, Cid.parse(uri)))


def retrieve(
    document: TokenMetadata,
    store: Store,
    target: Path,
    *,
    root: str,
    key: bytes | None = None,
    report: Report = silent,
) -> Dataset:
    """Fetch a token's dataset, open it with ``key`` where it is sealed, and check it against the token id ``root``.

    Raises:
        VerificationError: the metadata is another token's, or the content is damaged or not what was minted.
        GatllmError: the store can't give it, or ``target`` is there already.
    """
    content = document.properties
    if content.merkle_root != root:
        raise VerificationError("this metadata belongs to another dataset", "look the token's URI up again")
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=_parent(target)) as scratch:
        folder = Path(scratch) / "dataset"
        if content.sealed:
            sealed, car = Path(scratch) / "content.sealed", Path(scratch) / "content.car"
            store.fetch(Cid.parse(content.cid), sealed)
            unseal(sealed, car, key or b"", report)
            CarFile(car).extract(folder)
        else:
            store.fetch(Cid.parse(content.cid), folder)
        dataset = Dataset.open(folder)
        dataset.verify()
        if dataset.manifest.merkle_root != root:
            raise VerificationError("the content is not the dataset that was minted", "ask the contributor")
        folder.rename(target)
    return Dataset.open(target)


def _parent(target: Path) -> Path:
    if target.exists():
        raise GatllmError(f"{target} is already there", "name another folder or remove it")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.parent
