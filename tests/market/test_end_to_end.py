"""The whole market once, on real parts: code becomes a dataset, is sealed, minted, trained on, sold and unlocked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from eth_account.messages import encode_defunct

from gatllm.data import Dataset, build
from gatllm.errors import VerificationError
from gatllm.market import (
    Chain,
    DatasetTokens,
    Deployment,
    Devnet,
    KeyVault,
    LocalStore,
    Offer,
    ProofRegistry,
    Rewards,
    SignIn,
    Statement,
    Subscriptions,
    Trade,
    Unlocker,
    deploy,
    find_seaport,
    mint_dataset,
    read_document,
    retrieve,
    shares,
)
from gatllm.proof import Key, Proof, verify, write_proof
from gatllm.training import Recipe, train

ETHER = 10**18
CODE = '''
def add{n}(left: int, right: int) -> int:
    """Return the sum of two numbers, and {n}."""
    total = left + right + {n}
    return total


print(add{n}(1, 2))
'''


@pytest.fixture
def contributed(tmp_path: Path) -> Dataset:
    """Step 1: a folder of code becomes a dataset; what does not pass is left out with its reason."""
    code = tmp_path / "code"
    code.mkdir()
    for number in range(8):
        (code / f"module_{number}.py").write_text(CODE.format(n=number))
    (code / "broken.py").write_text("def f(:\n")
    dataset = build(str(code), tmp_path / "dataset")
    assert len(dataset) == 8
    assert [entry["origin"] for entry in dataset.rejected()]
    return dataset


def _trained(dataset: Dataset, folder: Path, key: Key, registry: ProofRegistry) -> Proof:
    recipe = {
        "name": "tiny",
        "objective": "causal",
        "data": {"source": str(dataset.path)},
        "tokenizer": {"kind": "characters"},
        "model": {"layers": 1, "heads": 2, "width": 16, "context": 16, "dropout": 0.0},
        "train": {"steps": 6, "batch": 2, "precision": "fp32", "threads": 1, "evaluations": 2, "samples": 0},
    }
    train(Recipe.of(recipe), folder, commit=registry.commit)
    return write_proof(folder, key, datasets=[dataset.path])


def _unlock(unlocker: Unlocker, root: str, chain: Chain) -> bytes:
    assert chain.account
    message = unlocker.challenge(root, chain.address)
    signature = "0x" + bytes(chain.account.sign_message(encode_defunct(text=message)).signature).hex()
    return unlocker.release(root, message, signature).key


def test_the_whole_market(
    devnet: Devnet, owner: Chain, new_key: Callable[[], Key], contributed: Dataset, tmp_path: Path
) -> None:
    deployment = deploy(owner, tmp_path / "market")
    contributor_key = new_key()
    contributor, buyer, reader = (Chain(devnet.url, key) for key in (contributor_key, new_key(), new_key()))
    tokens = DatasetTokens(contributor, deployment)
    root = contributed.manifest.merkle_root

    # Seal, store, mint.
    store, vault = LocalStore(tmp_path / "store"), KeyVault(tmp_path / "keys")
    minted = mint_dataset(tokens, contributed, store, vault, sealed=True)
    assert minted.token.owner == contributor.address
    assert minted.token.content == minted.published.content.digest.hex()

    # Promise, train, prove, register: the registered data hash is the token's root, and nobody chose the seed.
    registry = ProofRegistry(contributor, deployment)
    proof = _trained(contributed, tmp_path / "run", contributor_key, registry)
    registry.register(proof)
    registered = registry.registration_of(proof)
    assert registered
    assert registered.hashes.data_hash == root
    checked = verify(tmp_path / "run", datasets=[contributed.path], registration=registered)
    checked.raise_on_failure()
    assert {"seed", "commitment"} <= {item.name for item in checked.items if item.verdict == "ok"}

    # Offer, and a third party buys.
    seaport = find_seaport(contributor, deployment, tmp_path / "market")
    (tmp_path / "offer.json").write_text(Trade(tokens, seaport).offer(root, ETHER).to_json())
    Trade(DatasetTokens(buyer, deployment), seaport).buy(Offer.read(tmp_path / "offer.json"))
    assert tokens.owner_of(minted.token.id) == buyer.address

    _check_unlocking(deployment, devnet, vault, store, contributor, buyer, contributed, tmp_path)
    _check_income(deployment, owner, reader, buyer, minted.token.id)


def _check_unlocking(
    deployment: Deployment,
    devnet: Devnet,
    vault: KeyVault,
    store: LocalStore,
    contributor: Chain,
    buyer: Chain,
    sold: Dataset,
    folder: Path,
) -> None:
    """The buyer opens the dataset and checks it against the token; the seller can't any more."""
    root = sold.manifest.merkle_root
    signin = SignIn(folder / "nonces", domain="market.example", uri="https://market.example", chain_id=31337)
    tokens = DatasetTokens(Chain(devnet.url), deployment)
    unlocker = Unlocker(tokens, vault, signin, folder / "releases.jsonl")
    token = tokens.get(root)
    with pytest.raises(VerificationError, match="does not own"):
        _unlock(unlocker, token.id, contributor)
    key = _unlock(unlocker, token.id, buyer)
    document = read_document(store, token.uri)
    mine = retrieve(document, store, folder / "mine", root=root, key=key)
    assert list(mine.records()) == list(sold.records())


def _check_income(deployment: Deployment, owner: Chain, reader: Chain, buyer: Chain, token: str) -> None:
    """Who has paid may ask; a share of it goes to the dataset's new owner."""
    subscriptions = Subscriptions(reader, deployment)
    assert not subscriptions.is_active()
    subscriptions.subscribe(4)
    assert subscriptions.is_active()
    subscriptions.withdraw()
    rewards = Rewards(owner, deployment)
    rewards.fund()
    statement = Statement(rewards.next_epoch(), shares({token: 1.0}, rewards.free()))
    rewards.publish(statement)
    before = buyer.balance()
    receipt = Rewards(buyer, deployment).claim(statement, token)
    assert buyer.balance() == before - receipt.fee + 4 * 3 * 10**15 * 40 // 100
