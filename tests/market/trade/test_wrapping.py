"""Content keys wrapped for a new owner: opened by that account only, and only whole and unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import VerificationError
from gatllm.market import (
    Chain,
    DatasetTokens,
    Deployment,
    Devnet,
    KeyCard,
    Origin,
    Policy,
    unwrap,
    wrap,
)
from gatllm.proof import Key
from gatllm.records import canonical_bytes

Keys = Callable[[], Key]
CONTENT = bytes(range(32))


@pytest.fixture
def sold(
    devnet: Devnet, deployment: Deployment, new_key: Keys, new_origin: Callable[[], Origin]
) -> tuple[DatasetTokens, str, Key]:
    """The tokens, a token, and its new owner."""
    seller, buyer = new_key(), new_key()
    tokens = DatasetTokens(Chain(devnet.url, seller), deployment)
    token = tokens.mint(new_origin()).token.id
    tokens.transfer(token, buyer.address)
    return tokens, token, buyer


def test_the_owner_opens_it_and_nobody_else(sold: tuple[DatasetTokens, str, Key], new_key: Keys) -> None:
    tokens, token, buyer = sold
    card = KeyCard.from_bytes(KeyCard.of(buyer).to_bytes())
    wrapped = wrap(tokens, token, CONTENT, card)
    assert unwrap(tokens, token, wrapped, buyer) == CONTENT
    assert unwrap(tokens, "0x" + token, wrapped, buyer) == CONTENT
    assert CONTENT.hex().encode() not in wrapped
    assert wrap(tokens, token, CONTENT, card) != wrapped  # a fresh key each time
    with pytest.raises(VerificationError, match="another account"):
        unwrap(tokens, token, wrapped, new_key())
    with pytest.raises(VerificationError, match="another token"):
        unwrap(tokens, "ab" * 32, wrapped, buyer)


def test_only_for_who_owns_the_token_now(
    sold: tuple[DatasetTokens, str, Key], devnet: Devnet, deployment: Deployment, new_key: Keys
) -> None:
    tokens, token, buyer = sold
    for key in (new_key(), Key(devnet.accounts(1)[0])):
        with pytest.raises(VerificationError, match="does not own"):
            wrap(tokens, token, CONTENT, KeyCard.of(key))
    third = new_key()
    slow = DatasetTokens(Chain(devnet.url, policy=Policy(confirmations=2)), deployment)
    DatasetTokens(Chain(devnet.url, buyer), deployment).transfer(token, third.address)
    with pytest.raises(VerificationError, match="does not own"):
        wrap(tokens, token, CONTENT, KeyCard.of(buyer))
    with pytest.raises(VerificationError, match="once the sale is final"):
        wrap(slow, token, CONTENT, KeyCard.of(third))
    devnet.rpc("anvil_mine", "0x1")
    assert unwrap(tokens, token, wrap(slow, token, CONTENT, KeyCard.of(third)), third) == CONTENT


def test_a_card_is_its_wallets_own(new_key: Keys) -> None:
    mine, thief = new_key(), new_key()
    card = KeyCard.of(mine)
    assert KeyCard.from_bytes(card.to_bytes()) == card
    swapped = replace(card, x25519=thief.x25519_public)  # the thief would read what is wrapped for me
    with pytest.raises(VerificationError, match="not signed by"):
        KeyCard.from_bytes(swapped.to_bytes())
    with pytest.raises(VerificationError, match="not signed by"):
        KeyCard.from_bytes(replace(KeyCard.of(thief), owner=mine.address).to_bytes())
    assert len({mine.x25519_public, mine.ed25519_public, mine.address.lower()[2:]}) == 3


def changes(whole: dict[str, Any]) -> list[dict[str, Any]]:
    raw = whole["wrapped"]
    flipped = ("A" if raw[0] != "A" else "B") + raw[1:]
    tag = raw[:-3] + ("A" if raw[-3] != "A" else "B") + raw[-2:]
    return [
        whole | {"wrapped": flipped},
        whole | {"wrapped": tag},
        whole | {"wrapped": raw[:-4]},
        whole | {"wrapped": ""},
        whole | {"wrapped": "?" + raw},
        whole | {"extra": "1"},
        {name: value for name, value in whole.items() if name != "contract"},
    ]


def test_tampered_and_cut_off(sold: tuple[DatasetTokens, str, Key], new_origin: Callable[[], Origin]) -> None:
    tokens, token, buyer = sold
    wrapped = wrap(tokens, token, CONTENT, KeyCard.of(buyer))
    for changed in changes(json.loads(wrapped)):
        with pytest.raises(VerificationError):
            unwrap(tokens, token, canonical_bytes(changed), buyer)
    # What was wrapped for one token does not open as another's, whatever the file says.
    other = tokens.mint(new_origin()).token.id
    with pytest.raises(VerificationError, match="damaged, cut off"):
        unwrap(tokens, other, canonical_bytes({**json.loads(wrapped), "token": other}), buyer)
    short = wrap(tokens, token, CONTENT[:16], KeyCard.of(buyer))
    with pytest.raises(VerificationError, match="damaged, cut off"):
        unwrap(tokens, token, short, buyer)


def test_another_chain_or_contract_is_another_key(sold: tuple[DatasetTokens, str, Key]) -> None:
    tokens, token, buyer = sold
    wrapped = wrap(tokens, token, CONTENT, KeyCard.of(buyer))
    other = DatasetTokens(tokens.chain, Deployment(31337, 0, {"DatasetToken": "0x" + "11" * 20}))
    with pytest.raises(VerificationError, match="another chain"):
        unwrap(other, token, wrapped, buyer)
    # Nor when the file is made to name that contract: it is bound into the key.
    changed = canonical_bytes({**json.loads(wrapped), "contract": other.address})
    with pytest.raises(VerificationError, match="another chain"):
        unwrap(other, token, changed, buyer)


_JSON = st.recursive(st.none() | st.text(), st.lists)


@given(st.one_of(st.binary(max_size=60), _JSON.map(canonical_bytes)))
def test_nonsense_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(VerificationError, match="is not a key card"):
        KeyCard.from_bytes(data)


@pytest.mark.parametrize("field", ["owner", "x25519", "signature"])
@pytest.mark.parametrize("value", ["", "zz", "0x12", "AB" * 32, 7, None])
def test_a_card_with_a_nonsense_field_is_refused(new_key: Keys, field: str, value: object) -> None:
    card = json.loads(KeyCard.of(new_key()).to_bytes()) | {field: value}
    with pytest.raises(VerificationError):
        KeyCard.from_bytes(canonical_bytes(card))
