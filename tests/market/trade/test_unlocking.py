"""Who gets a dataset's key: its owner of this moment, with a fresh signature, and nobody else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from eth_account.messages import encode_defunct

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.market import Chain, DatasetTokens, Deployment, Devnet, Origin, Policy
from gatllm.market.store.sealing import new_content_key
from gatllm.market.trade.signin import SignIn
from gatllm.market.trade.unlocking import KeyVault, Unlocker
from gatllm.records import read_log

Chains = Callable[[], Chain]
Make = Callable[[int], Unlocker]


def _sign(chain: Chain, message: str) -> str:
    assert chain.account
    return "0x" + bytes(chain.account.sign_message(encode_defunct(text=message)).signature).hex()


@pytest.fixture
def signin(tmp_path: Path) -> SignIn:
    return SignIn(tmp_path / "nonces", domain="market.example", uri="https://market.example/unlock", chain_id=31337)


@pytest.fixture
def seller(
    deployment: Deployment, new_chain: Chains, new_origin: Callable[[], Origin], tmp_path: Path
) -> DatasetTokens:
    tokens = DatasetTokens(new_chain(), deployment)
    token = tokens.mint(new_origin()).token.id
    KeyVault(tmp_path / "vault").put(token, new_content_key())
    return tokens


@pytest.fixture
def token(seller: DatasetTokens) -> str:
    return next(iter(seller.list(contributor=seller.chain.address))).id


@pytest.fixture
def make(devnet: Devnet, deployment: Deployment, signin: SignIn, tmp_path: Path) -> Callable[[int], Unlocker]:
    """Makes an unlocker that waits for this many confirmations."""

    def unlocker(confirmations: int = 1) -> Unlocker:
        tokens = DatasetTokens(Chain(devnet.url, policy=Policy(confirmations=confirmations)), deployment)
        return Unlocker(tokens, KeyVault(tmp_path / "vault"), signin, tmp_path / "log")

    return unlocker


def _try(unlocker: Unlocker, token: str, chain: Chain) -> bytes:
    message = unlocker.challenge(token, chain.address)
    return unlocker.release(token, message, _sign(chain, message)).key


def test_the_owner_gets_the_key_and_loses_it_with_the_token(
    make: Make, devnet: Devnet, signin: SignIn, seller: DatasetTokens, token: str, new_chain: Chains
) -> None:
    unlocker, buyer = make(1), new_chain()
    key = unlocker.vault.get(token)
    assert _try(unlocker, token, seller.chain) == key
    with pytest.raises(VerificationError, match="does not own"):
        _try(unlocker, token, buyer)
    seller.transfer(token, buyer.address)
    assert _try(unlocker, token, buyer) == key
    with pytest.raises(VerificationError, match="does not own"):
        _try(unlocker, token, seller.chain)
    assert [entry["owner"] for entry in read_log(unlocker.log)] == [seller.chain.address, buyer.address]


def test_a_sale_counts_when_it_is_final_and_ends_the_sellers_right_at_once(
    make: Make, devnet: Devnet, signin: SignIn, seller: DatasetTokens, token: str, new_chain: Chains
) -> None:
    unlocker, buyer = make(3), new_chain()
    devnet.rpc("anvil_mine", "0x3")
    seller.transfer(token, buyer.address)
    for chain in (buyer, seller.chain):
        with pytest.raises(VerificationError, match="does not own"):
            _try(unlocker, token, chain)
    devnet.rpc("anvil_mine", "0x2")
    assert _try(unlocker, token, buyer) == unlocker.vault.get(token)


def test_a_signature_is_good_once_for_one_purpose(
    make: Make, devnet: Devnet, signin: SignIn, seller: DatasetTokens, token: str, new_chain: Chains
) -> None:
    unlocker = make(1)
    message = unlocker.challenge(token, seller.chain.address)
    signature = _sign(seller.chain, message)
    unlocker.release(token, message, signature)
    with pytest.raises(VerificationError, match="not open"):
        unlocker.release(token, message, signature)
    login = signin.challenge(seller.chain.address, "Sign in to the chat")
    with pytest.raises(VerificationError, match="another purpose"):
        unlocker.release(token, login, _sign(seller.chain, login))
    message = unlocker.challenge(token, seller.chain.address)
    with pytest.raises(VerificationError, match="does not hold"):
        unlocker.release(token, message, _sign(new_chain(), message))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("market.example wants", "evil.example wants"),
        ("https://market.example/unlock", "https://evil.example/unlock"),
        ("Chain ID: 31337", "Chain ID: 1"),
    ],
)
def test_a_message_for_another_site_or_chain_is_refused(
    make: Make, seller: DatasetTokens, token: str, old: str, new: str
) -> None:
    unlocker = make(1)
    message = unlocker.challenge(token, seller.chain.address).replace(old, new)
    with pytest.raises(VerificationError, match="does not hold"):
        unlocker.release(token, message, _sign(seller.chain, message))


def test_an_old_challenge_is_refused(make: Make, signin: SignIn, seller: DatasetTokens, token: str) -> None:
    unlocker = make(1)
    message = unlocker.challenge(token, seller.chain.address)
    for path in signin.folder.iterdir():
        os.utime(path, (time.time() - 301,) * 2)
    with pytest.raises(VerificationError, match="too old"):
        unlocker.release(token, message, _sign(seller.chain, message))


@pytest.mark.parametrize("text", ["", "hello", "market.example wants you to sign in", "../../etc/passwd"])
def test_what_is_no_message(signin: SignIn, text: str) -> None:
    with pytest.raises(VerificationError):
        signin.check(text, "0x")


def test_what_can_not_be_challenged(signin: SignIn) -> None:
    with pytest.raises(UsageError):
        signin.challenge("alice", "x")
    with pytest.raises(UsageError):
        signin.challenge("0x" + "12" * 20, "two\nlines")


def test_the_vault(tmp_path: Path) -> None:
    vault, key, token = KeyVault(tmp_path / "vault"), new_content_key(), "ab" * 32
    assert vault.find(token) is None
    vault.put(token, key)
    vault.put(token, key)
    assert vault.get(token) == vault.find("0x" + token) == key
    path = next(vault.folder.iterdir())
    assert path.stat().st_mode & 0o77 == 0
    with pytest.raises(GatllmError, match="another key"):
        vault.put(token, new_content_key())
    with pytest.raises(GatllmError, match="not kept here"):
        vault.get("cd" * 32)
    path.write_text("{}")
    with pytest.raises(GatllmError, match="damaged"):
        vault.get(token)
    with pytest.raises(UsageError):
        vault.get("../../etc/passwd")


def test_the_vault_is_encrypted_under_a_password(tmp_path: Path) -> None:
    folder, key, token = tmp_path / "vault", new_content_key(), "ab" * 32
    KeyVault(folder, "open sesame").put(token, key)
    KeyVault(folder, "open sesame").put(token, key)
    assert all(key.hex() not in path.read_text() for path in folder.iterdir())
    assert all(path.stat().st_mode & 0o77 == 0 for path in folder.iterdir())
    assert KeyVault(folder, "open sesame").get(token) == key
    with pytest.raises(UsageError, match="GATLLM_KEY_PASSWORD"):
        KeyVault(folder).get(token)
    with pytest.raises(GatllmError, match="can't open the key"):
        KeyVault(folder, "open says me").get(token)
    with pytest.raises(GatllmError, match="can't open the key"):
        KeyVault(folder, "open says me").put(token, key)
    # A file moved to another dataset's name, a flipped digit, a lost salt.
    kept = folder / f"{token}.json"
    (folder / f"{'cd' * 32}.json").write_text(kept.read_text())
    with pytest.raises(GatllmError, match="can't open the key"):
        KeyVault(folder, "open sesame").get("cd" * 32)
    text = kept.read_text()
    kept.write_text(text[:-6] + ("0" if text[-6] != "0" else "1") + text[-5:])
    with pytest.raises(GatllmError, match="can't open the key"):
        KeyVault(folder, "open sesame").get(token)
    kept.write_text(text)
    (folder / "salt").write_text("salt")
    with pytest.raises(GatllmError, match="salt is damaged"):
        KeyVault(folder, "open sesame").get(token)


def test_keys_from_before_the_password_are_encrypted_when_they_are_read(tmp_path: Path) -> None:
    key, token = new_content_key(), "ab" * 32
    KeyVault(tmp_path).put(token, key)
    path = tmp_path / f"{token}.json"
    assert key.hex() in path.read_text()
    assert KeyVault(tmp_path, "secret").get(token) == key
    assert key.hex() not in path.read_text()
    assert path.stat().st_mode & 0o77 == 0
    assert KeyVault(tmp_path, "secret").get(token) == key
