"""Minting: what it costs, who can't take it, that it is never done twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gatllm.errors import GatllmError, UsageError
from gatllm.market import Chain, Cid, DatasetTokens, Deployment, Kind, Origin
from gatllm.market.store.cid import RAW
from gatllm.market.trade.tokens import MINT_GAS_BOUND, id_of, token_number

Chains = Callable[[], Chain]
Origins = Callable[[], Origin]


def test_a_minted_dataset_is_read_back(deployment: Deployment, new_chain: Chains, new_origin: Origins) -> None:
    chain, origin = new_chain(), new_origin()
    minted = DatasetTokens(chain, deployment).mint(origin)
    token = minted.token
    assert (token.root, token.content, token.metadata) == (origin.root, origin.content, origin.metadata)
    assert token.owner == token.contributor == chain.address
    assert token.kind is Kind.POSITIVE
    assert token.id == id_of(chain.address, origin.root) == origin.id_for(chain.address)
    function = DatasetTokens(chain, deployment).contract.functions.idOf(chain.address, bytes.fromhex(origin.root))
    assert chain.read(function) == int(token.id, 16)
    assert token.uri == Cid(RAW, bytes.fromhex(origin.metadata)).uri


def test_a_mint_costs_at_most_100000_gas(deployment: Deployment, new_chain: Chains, new_origin: Origins) -> None:
    tokens = DatasetTokens(new_chain(), deployment)
    first, second = tokens.mint(new_origin()), tokens.mint(new_origin())
    assert first.mint
    assert second.mint
    assert first.mint.gas_used <= MINT_GAS_BOUND
    assert second.mint.gas_used <= MINT_GAS_BOUND - 17_000


def test_minting_again_sends_nothing(deployment: Deployment, new_chain: Chains, new_origin: Origins) -> None:
    chain, origin = new_chain(), new_origin()
    tokens = DatasetTokens(chain, deployment)
    tokens.mint(origin)
    sent = chain.web3.eth.get_transaction_count(chain.checksum(chain.address))
    again = tokens.mint(origin)
    assert again.commit is None
    assert again.mint is None
    assert chain.web3.eth.get_transaction_count(chain.checksum(chain.address)) == sent


def test_an_announced_mint_continues(deployment: Deployment, new_chain: Chains, new_origin: Origins) -> None:
    chain, origin = new_chain(), new_origin()
    tokens = DatasetTokens(chain, deployment)
    chain.send(tokens.contract.functions.commit(tokens._commitment(origin)))
    minted = tokens.mint(origin)
    assert minted.commit is None
    assert minted.mint


def test_a_copied_mint_gives_a_thief_nothing(deployment: Deployment, new_chain: Chains, new_origin: Origins) -> None:
    contributor, thief, origin = new_chain(), new_chain(), new_origin()
    copied = DatasetTokens(thief, deployment)
    with pytest.raises(GatllmError, match="not announced by this account"):
        thief.send(copied._mint_call(origin))
    tokens = DatasetTokens(contributor, deployment)
    contributor.send(tokens.contract.functions.commit(tokens._commitment(origin)))
    # The thief knows all of it now, and mints before the contributor does: a token of their own, announced later.
    theirs = copied.mint(origin).token
    hers = tokens.mint(origin).token
    assert (hers.owner, theirs.owner) == (contributor.address, thief.address)
    assert hers.id != theirs.id
    assert hers.announced < theirs.announced
    assert tokens.get(origin.root) == hers
    assert [token.id for token in tokens.of_root(origin.root)] == [hers.id, theirs.id]
    assert tokens.royalty(hers.id, 100)[0] == contributor.address


def test_a_copied_announcement_does_no_harm(deployment: Deployment, new_chain: Chains, new_origin: Origins) -> None:
    contributor, thief, origin = new_chain(), new_chain(), new_origin()
    tokens = DatasetTokens(contributor, deployment)
    call = tokens.contract.functions.commit(tokens._commitment(origin))
    thief.send(call)
    assert contributor.send(call).gas_used > 0  # mined after the copy: it does not fail
    assert tokens.mint(origin).token.contributor == contributor.address


def test_a_quote_sends_nothing_and_bounds_the_cost(
    deployment: Deployment, new_chain: Chains, new_origin: Origins
) -> None:
    chain, origin = new_chain(), new_origin()
    tokens = DatasetTokens(chain, deployment)
    before = chain.balance()
    quote = tokens.quote(origin)
    assert chain.balance() == before
    tokens.mint(origin)
    assert before - chain.balance() <= quote.max_fee


def test_tokens_are_listed_by_contributor(deployment: Deployment, new_chain: Chains, new_origin: Origins) -> None:
    mine, other = (DatasetTokens(new_chain(), deployment) for _ in range(2))
    origins = [new_origin(), new_origin()]
    for origin in origins:
        mine.mint(origin)
    other.mint(new_origin())
    assert [token.root for token in mine.list(contributor=mine.chain.address)] == [o.root for o in origins]
    assert len(list(mine.list())) >= 3


def test_a_transferred_token_has_a_new_owner_and_its_old_contributor(
    deployment: Deployment, new_chain: Chains, new_origin: Origins
) -> None:
    tokens, buyer, origin = DatasetTokens(new_chain(), deployment), new_chain(), new_origin()
    tokens.mint(origin)
    token = tokens.get(origin.root)
    tokens.transfer(token.id, buyer.address)
    token = tokens.get(token.id)
    assert token.owner == buyer.address
    assert token.contributor == tokens.chain.address


def test_royalties_reach_the_contributor(deployment: Deployment, new_chain: Chains, new_origin: Origins) -> None:
    tokens, buyer, origin = DatasetTokens(new_chain(), deployment), new_chain(), new_origin()
    tokens.mint(origin)
    token = tokens.get(origin.root)
    tokens.transfer(token.id, buyer.address)
    assert tokens.royalty(token.id, 10**18) == (tokens.chain.address, 5 * 10**16)


def test_unknown_tokens(deployment: Deployment, new_chain: Chains, new_origin: Origins) -> None:
    tokens = DatasetTokens(new_chain(), deployment)
    assert tokens.find_owner(new_origin().root) is None
    with pytest.raises(GatllmError, match="no such dataset"):
        tokens.owner_of(new_origin().root)
    with pytest.raises(GatllmError, match="no dataset"):
        tokens.get(new_origin().root)


@pytest.mark.parametrize("text", ["", "0x12", "zz" * 32, "ab" * 33])
def test_what_names_no_token(text: str) -> None:
    with pytest.raises(UsageError):
        token_number(text)
