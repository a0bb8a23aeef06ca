"""From a dataset folder to its token: published for its contributor, sealed or open, announced, minted."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from gatllm.data import Dataset
from gatllm.errors import GatllmError
from gatllm.market.chain.client import Quote, Receipt
from gatllm.market.store.publication import About, Publication, publish
from gatllm.market.store.sealing import new_content_key
from gatllm.market.store.stores import LocalStore, Store
from gatllm.market.trade.tokens import DatasetTokens, Token, id_of
from gatllm.market.trade.unlocking import KeyVault
from gatllm.progress import Report, silent


@dataclass(frozen=True, slots=True)
class MintedDataset:
    """A dataset with its token; the receipts are None for what was done before."""

    token: Token
    published: Publication
    sealed: bool
    commit: Receipt | None
    mint: Receipt | None


def publish_for(
    contributor: str,
    dataset: Dataset,
    store: Store,
    vault: KeyVault,
    *,
    sealed: bool,
    about: About | None = None,
    report: Report = silent,
) -> Publication:
    """Put a dataset into the store for the token that ``contributor`` will mint; its key is kept in the vault first.

    Raises:
        VerificationError: the dataset differs from its manifest.
        GatllmError: it was sealed before and is to be published in plain, the words do not follow the metadata's
            schema, or the store refuses.
    """
    token = id_of(contributor, dataset.manifest.merkle_root)
    known = vault.find(token)
    if known is not None and not sealed:
        raise GatllmError("this dataset was sealed before: it is not published in plain", "publish it sealed")
    if not sealed:
        return publish(dataset, store, about=about, report=report)
    key = known or new_content_key()
    return publish(dataset, store, key=key, about=about, checked=lambda: vault.put(token, key), report=report)


def mint_dataset(
    tokens: DatasetTokens,
    dataset: Dataset,
    store: Store,
    vault: KeyVault,
    *,
    sealed: bool,
    about: About | None = None,
    report: Report = silent,
) -> MintedDataset:
    """Publish a dataset and mint its token to the account; the same call resumes after a crash.

    Raises:
        VerificationError: the dataset differs from its manifest.
        GatllmError: see `publish_for`; or the account can't pay.
    """
    published = publish_for(tokens.chain.address, dataset, store, vault, sealed=sealed, about=about, report=report)
    minted = tokens.mint(published.origin)
    return MintedDataset(minted.token, published, sealed, minted.commit, minted.mint)


def quote_mint(tokens: DatasetTokens, dataset: Dataset, *, sealed: bool, about: About | None = None) -> Quote:
    """Return what `mint_dataset` would cost; nothing is sent, and nothing is written but a scratch folder.

    Raises:
        VerificationError: the dataset differs from its manifest.
        GatllmError: the words do not follow the metadata's schema, or the account can't pay.
    """
    with tempfile.TemporaryDirectory() as scratch:
        key = new_content_key() if sealed else None
        return tokens.quote(publish(dataset, LocalStore(Path(scratch)), key=key, about=about).origin)
