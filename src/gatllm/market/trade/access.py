"""From a token to its dataset: fetched, opened with the key that its owner has, checked against the token."""

from __future__ import annotations

from pathlib import Path

from gatllm.data import Dataset
from gatllm.errors import UsageError, VerificationError
from gatllm.market.store.publication import read_document, retrieve
from gatllm.market.store.stores import Store
from gatllm.market.trade.tokens import DatasetTokens, Token
from gatllm.market.trade.unlocking import KeyVault, request_key
from gatllm.market.trade.wrapping import unwrap
from gatllm.progress import Report, silent
from gatllm.proof import Key


def unlock_dataset(
    tokens: DatasetTokens,
    token: str,
    store: Store,
    vault: KeyVault,
    target: Path,
    *,
    key: Key | None = None,
    server: str | None = None,
    wrapped: bytes | None = None,
    report: Report = silent,
) -> Dataset:
    """Fetch a token's dataset to ``target`` and check it; the key of a sealed one is kept in the vault afterwards.

    It comes from ``server`` (signed for with ``key``), from ``wrapped`` (what the seller wrapped for ``key``), or from
    the vault, which opens for the token's owner only.

    Raises:
        VerificationError: ``key`` is not the owner's, or what comes is not what was minted.
        GatllmError: the token, the content or the key can't be had, or ``target`` is there already.
    """
    found = tokens.get(token)
    document = read_document(store, found.uri)
    content_key = None
    if document.properties.sealed:
        content_key = _content_key(tokens, found, vault, key, server, wrapped)
    dataset = retrieve(document, store, target, root=found.root, key=content_key, report=report)
    if content_key is not None:
        vault.put(found.id, content_key)
    return dataset


def _content_key(
    tokens: DatasetTokens, token: Token, vault: KeyVault, key: Key | None, server: str | None, wrapped: bytes | None
) -> bytes:
    if key is None:
        raise UsageError("this dataset is sealed", "set GATLLM_KEY or name the owner's key file with --key")
    if server is not None:
        return request_key(server, token.id, tokens.chain)
    if wrapped is not None:
        return unwrap(tokens, token.id, wrapped, key)
    if token.owner != key.address:
        raise VerificationError(
            f"{key.address} does not own token {token.id[:16]}…, {token.owner} does",
            "use the owner's key; a buyer gets the content's key with --server or --wrapped",
        )
    return vault.get(token.id)
