"""``gatllm market``: mint, list, sell, buy and transfer dataset tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm.cli.amounts import ether, receipt_json
from gatllm.cli.console import note, print_json, table
from gatllm.cli.market_options import READ_OPTIONS, SEND_OPTIONS, ReadOptions, SendOptions
from gatllm.errors import GatllmError, UsageError

if TYPE_CHECKING:
    from gatllm.market import Offer, Token, Trade


def mint(
    dataset: Path,
    *,
    sealed: bool = False,
    name: str = "",
    description: str = "",
    external_url: str | None = None,
    setting: SendOptions = SEND_OPTIONS,
) -> None:
    """Put a dataset into the store and mint its token to your account; the same command resumes after a crash.

    Parameters
    ----------
    dataset
        The dataset folder.
    sealed
        Encrypt it: only the token's current owner can unlock it.
    name
        What people read; the dataset's own name by default.
    description
        What people read about it.
    external_url
        A page about it; for sealed datasets the one that unlocks it.
    """
    from gatllm.data import Dataset
    from gatllm.market import About, mint_dataset, quote_mint

    opened, about = Dataset.open(dataset), About(name, description, external_url)
    with setting.working() as report:
        tokens = setting.tokens(report=report)
        if setting.dry_run:
            setting.show_quote(quote_mint(tokens, opened, sealed=sealed, about=about))
            return
        vault = setting.vault()
        minted = mint_dataset(tokens, opened, setting.open_store(), vault, sealed=sealed, about=about, report=report)
    token, content = minted.token, minted.published.content.uri
    rows = [("token", token.id), ("dataset", token.root), ("owner", token.owner), ("metadata", token.uri)]
    rows += [("content", content)]
    rows += [("gas", f"{sent.gas_used:,}") for sent in (minted.commit, minted.mint) if sent]
    receipts = {"commit": receipt_json(minted.commit), "mint": receipt_json(minted.mint)}
    value = token_json(token) | {"content": content, "sealed": sealed} | receipts
    setting.show(value, "minted" if minted.mint else "minted before", rows)
    if sealed:
        note(f"the content's key lies in {vault.folder}; keep a copy: without it nobody can open the dataset")


def list_tokens(
    token: str = "",
    *,
    price: str = "",
    days: float = 30,
    out: Path | None = None,
    contributor: str | None = None,
    setting: ReadOptions = READ_OPTIONS,
) -> None:
    """List the dataset tokens; with a token and --price, offer it for sale.

    Parameters
    ----------
    token
        The token to offer: its id, or its dataset's Merkle root.
    price
        Ether that the buyer pays, royalty included.
    days
        How long the offer stands.
    out
        The offer's file; offer-TOKEN.json by default. Whoever has it can buy.
    contributor
        Only tokens that this address minted.
    """
    from gatllm.market import Trade, find_seaport
    from gatllm.market.amounts import parse_ether
    from gatllm.records import write_file

    if bool(token) != bool(price):
        raise UsageError("an offer needs a token and a price", "gatllm market list TOKEN --price 0.5")
    tokens = setting.tokens(account=bool(token))
    if not token:
        found = list(tokens.list(contributor=contributor))
        if setting.json:
            print_json([token_json(one) for one in found])
        else:
            rows = [(one.id, one.kind.name.lower(), one.owner, one.block) for one in found]
            table("dataset tokens", ("token", "kind", "owner", "block"), rows)
        return
    amount = parse_ether(price)
    trade = Trade(tokens, find_seaport(tokens.chain, setting.deployment(tokens.chain), setting.folder))
    offer = trade.offer(token, amount, days=days)
    file = out or Path(f"offer-{offer.token[:16]}.json")
    write_file(file, offer.to_json())
    value = {"offer": str(file), "token": offer.token, "price_wei": str(offer.price)}
    setting.show(value, "offered", [("token", offer.token), ("price", ether(offer.price)), ("file", str(file))])


def buy(offer: Path, *, setting: SendOptions = SEND_OPTIONS) -> None:
    """Buy a dataset token: you pay and receive it in one transaction.

    Parameters
    ----------
    offer
        The offer's file.
    """
    with setting.working() as report:
        trade, wanted = _trade(offer, setting, report)
        if setting.dry_run:
            setting.show_quote(trade.quote(wanted))
            return
        receipt = trade.buy(wanted)
        owner = trade.tokens.owner_of(wanted.token)
    rows = [("owner", owner), ("paid", ether(wanted.price))]
    setting.show_sent("bought", wanted.token, receipt, rows, owner=owner, price_wei=str(wanted.price))


def cancel(offer: Path, *, setting: ReadOptions = READ_OPTIONS) -> None:
    """Take an offer back; its seller only.

    Parameters
    ----------
    offer
        The offer's file.
    """
    with setting.working() as report:
        trade, given = _trade(offer, setting, report)
        receipt = trade.cancel(given)
    setting.show_sent("cancelled", given.token, receipt)


def transfer(token: str, to: str, *, setting: ReadOptions = READ_OPTIONS) -> None:
    """Give a token away; the right to unlock its dataset goes with it.

    Parameters
    ----------
    token
        The token's id, or its dataset's Merkle root.
    to
        The address of its new owner.
    """
    with setting.working() as report:
        tokens = setting.tokens(report=report)
        found = tokens.get(token)
        receipt = tokens.transfer(found.id, to)
    owner = tokens.owner_of(found.id)
    setting.show_sent("transferred", found.id, receipt, [("owner", owner)], owner=owner)


def pin_content(cid: str, *, service: str, name: str = "", setting: ReadOptions = READ_OPTIONS) -> None:
    """Ask a pinning service to keep content, and wait until it does; its token is read from GATLLM_PINNING_TOKEN.

    The service fetches the bytes itself: a node must offer them (--store kubo:URL).

    Parameters
    ----------
    cid
        The content, as `mint` prints it (with or without ipfs://).
    service
        The address of the service's IPFS pinning API.
    name
        What the service calls it.
    """
    import os

    from gatllm.market import Cid, pin

    token = os.environ.get("GATLLM_PINNING_TOKEN")
    if not token:
        raise UsageError("a pinning service asks for a token", "set GATLLM_PINNING_TOKEN")
    content = Cid.parse(cid)
    request = pin(service, token, content, name or str(content))
    setting.show({"cid": str(content), "request": request}, "pinned", [("content", content), ("request", request)])


def _trade(path: Path, setting: ReadOptions, report: Any) -> tuple[Trade, Offer]:
    """Return where an offer is traded, and the offer: the deployment says where Seaport lies, never the offer."""
    from gatllm.market import Offer, Trade, known_seaport

    offer = Offer.read(path)
    tokens = setting.tokens(report=report)
    seaport = known_seaport(tokens.chain, setting.deployment(tokens.chain))
    if seaport is None:
        raise GatllmError("the address book names no Seaport on this chain", "take the seller's address book anew")
    return Trade(tokens, seaport), offer


def token_json(token: Token) -> dict[str, Any]:
    """Return a token as JSON."""
    return {
        "token": token.id,
        "root": token.root,
        "kind": token.kind.name.lower(),
        "owner": token.owner,
        "contributor": token.contributor,
        "content_digest": token.content,
        "metadata": token.uri,
        "block": token.block,
        "announced": token.announced,
    }


COMMANDS = {
    "mint": mint,
    "list": list_tokens,
    "buy": buy,
    "cancel": cancel,
    "transfer": transfer,
    "pin": pin_content,
}
