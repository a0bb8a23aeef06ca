"""``gatllm market``: a local chain, the contracts, dataset tokens, the subscription, rewards."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cyclopts import App

from gatllm.cli.console import note, out, print_json, progress_report, table
from gatllm.cli.market_setting import (
    Setting,
    ether,
    file_of,
    receipt_json,
    show_quote,
    wei,
)
from gatllm.errors import GatllmError, UsageError

app = App(name="market", help="Dataset tokens, subscription, rewards: on a local chain or any EVM chain.")
_NO_SETTING = Setting()


@app.command
def devnet(*, port: int = 8545, block_time: float | None = None, setting: Setting = _NO_SETTING) -> None:
    """Run a local chain with the contracts on it until Ctrl-C; its state is kept in a file.

    Parameters
    ----------
    port
        Loopback port; 0 takes a free one.
    block_time
        Seconds between blocks; by default each transaction makes one.
    """
    from gatllm.market import Chain, Devnet, deploy
    from gatllm.proof import load_key

    running = Devnet(setting.folder / "devnet", port=port, block_time=block_time)
    try:
        with running, progress_report() as report:
            mine = load_key(setting.key)
            running.fund(mine.address)
            chain = Chain(running.url, mine, home=setting.folder, report=report)
            deployment = deploy(chain, setting.folder, store=setting.open_store())
            rows = [("address", running.url), ("state", str(running.folder / "state.json")), ("you", mine.address)]
            table("local chain", ("what", "where"), [*rows, *deployment.addresses.items()])
            note("keys of funded accounts are public knowledge here; Ctrl-C stops the chain, its state stays")
            while running.alive:
                time.sleep(0.2)
    except KeyboardInterrupt:
        note("stopped")
        return
    raise GatllmError("the local chain ended", f"see {running.folder / 'anvil.log'}")


@app.command(name="deploy")
def deploy_command(
    *,
    price: str = "0.003",
    royalty_percent: float = 5.0,
    reward_percent: int = 40,
    treasury: str = "",
    reveal_delay: int | None = None,
    dry_run: bool = False,
    json: bool = False,
    setting: Setting = _NO_SETTING,
) -> None:
    """Deploy the contracts; what is there already stays.

    Parameters
    ----------
    price
        Ether a month of the subscription.
    royalty_percent
        Share of every sale of a dataset token that goes to its contributor (0 to 10).
    reward_percent
        Share of the subscriptions that goes to the owners of the datasets behind the answers.
    treasury
        Address that the rest goes to; by default the account.
    reveal_delay
        Blocks between the announcement of a mint and the mint; 1 on a local chain, else 5.
    dry_run
        Show the cost, send nothing.
    json
        Print JSON instead of a table.
    """
    from gatllm.market import Terms, deploy, deploy_quote

    if not 0 < reward_percent < 100:
        raise UsageError(f"{reward_percent} is no share", "--reward-percent is 1 to 99")
    terms = Terms(wei(price), round(royalty_percent * 100), reward_percent, treasury, reveal_delay)
    with progress_report(quiet=json) as report:
        chain = setting.chain(report=report)
        if dry_run:
            show_quote(deploy_quote(chain, terms), json=json)
            return
        deployment = deploy(chain, setting.folder, terms, store=setting.open_store())
    if json:
        print_json({"chain_id": deployment.chain_id, "block": deployment.block, "addresses": deployment.addresses})
    else:
        table(f"chain {deployment.chain_id}", ("contract", "address"), list(deployment.addresses.items()))


@app.command
def collection(
    *,
    name: str | None = None,
    description: str | None = None,
    external_link: str | None = None,
    json: bool = False,
    setting: Setting = _NO_SETTING,
) -> None:
    """Show what marketplaces say of all tokens together (ERC-7572); with an option, change it: the owner only.

    Parameters
    ----------
    name
        What people read.
    description
        What people read about it.
    external_link
        A page about it.
    json
        Print JSON instead of a table.
    """
    from gatllm.market import DatasetTokens, change_collection, read_collection

    given = {"name": name, "description": description, "external_link": external_link}
    wanted = {field: value for field, value in given.items() if value is not None}
    with progress_report(quiet=json) as report:
        chain = setting.chain(account=bool(wanted), report=report)
        tokens, store = DatasetTokens(chain, setting.deployment(chain)), setting.open_store()
        about = (
            change_collection(tokens, store, **wanted) if wanted else read_collection(store, tokens.collection_uri())
        )
    value = {"uri": tokens.collection_uri(), **about.model_dump(exclude_none=True)}
    if json:
        print_json(value)
    else:
        table("collection", ("what", "value"), list(value.items()))


@app.command
def mint(
    dataset: Path,
    *,
    sealed: bool = False,
    name: str = "",
    description: str = "",
    external_url: str | None = None,
    dry_run: bool = False,
    json: bool = False,
    setting: Setting = _NO_SETTING,
) -> None:
    """Put a dataset into the store and mint its token to your account; the same command goes on after a crash.

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
    dry_run
        Show the cost, send nothing.
    json
        Print JSON instead of a table.
    """
    from gatllm.data import Dataset
    from gatllm.market import About, DatasetTokens, new_content_key, publish

    opened = Dataset.open(dataset)
    vault, root = setting.vault(), opened.manifest.merkle_root
    with progress_report(quiet=json) as report:
        chain = setting.chain(report=report)
        tokens = DatasetTokens(chain, setting.deployment(chain))
        key = (vault.find(root) or new_content_key()) if sealed else None
        if key is not None and not dry_run:
            vault.put(root, key)
        about = About(name, description, external_url)
        published = publish(opened, setting.open_store(), key=key, about=about, report=report)
        if dry_run:
            show_quote(tokens.quote(published.origin), json=json)
            return
        minted = tokens.mint(published.origin)
    token = minted.token
    if json:
        receipts = {"commit": receipt_json(minted.commit), "mint": receipt_json(minted.mint)}
        print_json(_token_json(token) | {"content": published.content.uri, "sealed": sealed} | receipts)
        return
    rows = [("token", token.root), ("owner", token.owner), ("metadata", token.uri), ("content", published.content.uri)]
    if minted.mint:
        rows.append(("gas", f"{minted.mint.gas_used:,} to mint"))
    if minted.commit:
        rows.append(("", f"{minted.commit.gas_used:,} to announce"))
    table("minted" if minted.mint else "minted before", ("what", "value"), rows)
    if sealed:
        note(f"the content's key lies in {vault.folder}; keep a copy: without it nobody can open the dataset")


@app.command(name="list")
def list_command(
    root: str = "",
    *,
    price: str = "",
    days: float = 30,
    out: Path | None = None,
    contributor: str | None = None,
    json: bool = False,
    setting: Setting = _NO_SETTING,
) -> None:
    """List the dataset tokens; with a token and --price, offer it for sale.

    Parameters
    ----------
    root
        The token to offer: its dataset's Merkle root.
    price
        Ether that the buyer pays, royalty included.
    days
        How long the offer stands.
    out
        The offer's file; offer-ROOT.json by default. Whoever has it can buy.
    contributor
        Only tokens that this address minted.
    json
        Print JSON instead of a table.
    """
    from gatllm.market import DatasetTokens

    if bool(root) != bool(price):
        raise UsageError("an offer needs a token and a price", "gatllm market list ROOT --price 0.5")
    chain = setting.chain(account=bool(root))
    tokens = DatasetTokens(chain, setting.deployment(chain))
    if not root:
        found = list(tokens.list(contributor=contributor))
        if json:
            print_json([_token_json(token) for token in found])
        else:
            rows = [(token.root[:16] + "…", token.kind.name.lower(), token.owner, token.block) for token in found]
            table("dataset tokens", ("token", "kind", "owner", "block"), rows)
        return
    from gatllm.market import Trade, find_seaport
    from gatllm.records import write_file

    trade = Trade(tokens, find_seaport(chain, setting.deployment(chain), setting.folder))
    offer = trade.offer(root, wei(price), days=days)
    file = out or Path(f"offer-{offer.root[:16]}.json")
    write_file(file, offer.to_json())
    if json:
        print_json({"offer": str(file), "root": offer.root, "price_wei": str(offer.price)})
    else:
        table("offered", ("what", "value"), [("token", offer.root), ("price", ether(offer.price)), ("file", str(file))])


@app.command
def buy(offer: Path, *, dry_run: bool = False, json: bool = False, setting: Setting = _NO_SETTING) -> None:
    """Buy a dataset token: you pay and receive it in one transaction.

    Parameters
    ----------
    offer
        The offer's file.
    dry_run
        Show the cost, send nothing.
    json
        Print JSON instead of a table.
    """
    from gatllm.market import DatasetTokens, Offer, Trade

    wanted = Offer.read(offer)
    with progress_report(quiet=json) as report:
        chain = setting.chain(report=report)
        trade = Trade(DatasetTokens(chain, setting.deployment(chain)), wanted.seaport)
        if dry_run:
            show_quote(trade.quote(wanted), json=json)
            return
        receipt = trade.buy(wanted)
        owner = trade.tokens.owner_of(wanted.root)
    if json:
        print_json(
            {"root": wanted.root, "owner": owner, "price_wei": str(wanted.price), **(receipt_json(receipt) or {})}
        )
    else:
        rows = [("token", wanted.root), ("owner", owner), ("paid", ether(wanted.price)), ("fee", ether(receipt.fee))]
        table("bought", ("what", "value"), rows)


@app.command
def subscribe(
    *,
    months: int = 1,
    user: str | None = None,
    max_price: str | None = None,
    dry_run: bool = False,
    json: bool = False,
    setting: Setting = _NO_SETTING,
) -> None:
    """Pay for the use of the chat, for yourself or as a gift.

    Parameters
    ----------
    months
        1 to 12; they are added to what is paid already.
    user
        The address to pay for; by default your own.
    max_price
        The most to pay a month, in ether; by default the price of this moment.
    dry_run
        Show the cost, send nothing.
    json
        Print JSON instead of a table.
    """
    from gatllm.market import Subscriptions

    limit = wei(max_price) if max_price else None
    with progress_report(quiet=json) as report:
        chain = setting.chain(report=report)
        subscriptions = Subscriptions(chain, setting.deployment(chain))
        if dry_run:
            show_quote(subscriptions.quote(months, user=user, max_price=limit), json=json)
            return
        receipt = subscriptions.subscribe(months, user=user, max_price=limit)
        until = subscriptions.paid_until(user)
    if json:
        print_json({"user": user or chain.address, "paid_until": until, **(receipt_json(receipt) or {})})
    else:
        table("paid", ("what", "value"), [("user", user or chain.address), ("until", _day(until))])


@app.command
def status(address: str | None = None, *, json: bool = False, setting: Setting = _NO_SETTING) -> None:
    """Show the chain, the contracts, and what an account has and owns.

    Parameters
    ----------
    address
        By default your own.
    json
        Print JSON instead of a table.
    """
    from gatllm.market import DatasetTokens, ProofRegistry, Rewards, Subscriptions

    chain = setting.chain(account=address is None)
    who = str(chain.checksum(address or chain.address))
    deployment = setting.deployment(chain)
    subscriptions = Subscriptions(chain, deployment)
    until = subscriptions.paid_until(who)
    owned = [token for token in DatasetTokens(chain, deployment).list() if token.owner == who]
    runs = list(ProofRegistry(chain, deployment).by_trainer(who))
    value: dict[str, Any] = {
        "chain_id": chain.chain_id,
        "rpc": chain.rpc_url,
        "block": chain.head(),
        "account": who,
        "balance_wei": str(chain.balance(who)),
        "price_wei": str(subscriptions.price()),
        "paid_until": until,
        "datasets": [_token_json(token) for token in owned],
        "runs": [run.run for run in runs],
        "rewards_free_wei": str(Rewards(chain, deployment).free()),
        "open_transactions": chain.resume() if chain.account else [],
        "contracts": deployment.addresses,
    }
    if json:
        print_json(value)
        return
    rows: list[tuple[str, object]] = [
        ("chain", f"{chain.chain_id} at {chain.rpc_url}, block {value['block']:,}"),
        ("account", who),
        ("balance", ether(int(value["balance_wei"]))),
        ("subscription", f"{ether(int(value['price_wei']))} a month; paid until {_day(until)}"),
        *(("dataset", f"{token.root} ({token.kind.name.lower()})") for token in owned),
        *(("run", run.run) for run in runs),
        ("rewards", f"{ether(int(value['rewards_free_wei']))} for the next epoch"),
        *(("open transaction", hashed) for hashed in value["open_transactions"]),
    ]
    table("market", ("what", "value"), rows)


@app.command
def unlock(
    root: str,
    *,
    out: Path | None = None,
    server: str | None = None,
    wrapped: Path | None = None,
    setting: Setting = _NO_SETTING,
) -> None:
    """Fetch a dataset by its token, open it if it is sealed, and check it against the token.

    The content's key is kept in --home afterwards, so that you can wrap it for whom you sell to.

    Parameters
    ----------
    root
        The token: the dataset's Merkle root.
    out
        The dataset folder to make; datasets/ROOT by default.
    server
        Address of the service that keeps the content's key; by default the key is looked for in --home.
    wrapped
        The file in which the seller wrapped the content's key for you (`gatllm market wrap`).
    """
    from gatllm.market import DatasetTokens, read_document, request_key, retrieve, unwrap
    from gatllm.proof import load_key

    if server is not None and wrapped is not None:
        raise UsageError("the key comes from one place", "give --server or --wrapped")
    chain = setting.chain(account=server is not None)
    tokens = DatasetTokens(chain, setting.deployment(chain))
    token, store = tokens.get(root), setting.open_store()
    document = read_document(store, token.uri)
    key = None
    if document.properties.sealed:
        if server is not None:
            key = request_key(server, token.root, chain)
        elif wrapped is not None:
            key = unwrap(tokens, token.root, file_of(wrapped), load_key(setting.key, create=False))
        else:
            key = setting.vault().get(token.root)
    target = out or Path("datasets") / token.root[:16]
    with progress_report() as report:
        dataset = retrieve(document, store, target, root=token.root, key=key, report=report)
    if key is not None:
        setting.vault().put(token.root, key)
    note(f"verified: {len(dataset):,} records with the Merkle root {token.root}")
    _print_path(target)


@app.command
def card(*, out: Path = Path("key-card.json"), setting: Setting = _NO_SETTING) -> None:
    """Write your key card: with it the seller of a sealed dataset can wrap its key for you, without a server.

    Parameters
    ----------
    out
        The file to write; send it to the seller, it holds no secret.
    """
    from gatllm.market import KeyCard
    from gatllm.proof import load_key
    from gatllm.records import write_file

    made = KeyCard.of(load_key(setting.key))
    write_file(out, made.to_bytes())
    note(f"the key card of {made.owner}")
    _print_path(out)


@app.command
def wrap(root: str, card: Path, *, out: Path | None = None, setting: Setting = _NO_SETTING) -> None:
    """Wrap a sealed dataset's key for the token's owner, who then needs no server to unlock it.

    Parameters
    ----------
    root
        The token: the dataset's Merkle root.
    card
        The owner's key card (`gatllm market card`).
    out
        The file to write; wrapped-ROOT.json by default. Nobody but the owner can open it.
    """
    from gatllm.market import DatasetTokens, KeyCard
    from gatllm.market import wrap as wrap_key
    from gatllm.records import write_file

    given = KeyCard.from_bytes(file_of(card))
    chain = setting.chain(account=False)
    tokens = DatasetTokens(chain, setting.deployment(chain))
    token = tokens.get(root)
    key = setting.vault().get(token.root)
    file = out or Path(f"wrapped-{token.root[:16]}.json")
    write_file(file, wrap_key(tokens, token.root, key, given, behind=chain.policy.confirmations - 1))
    note(f"only {given.owner} can open it: gatllm market unlock {token.root} --wrapped {file}")
    _print_path(file)


@app.command
def claim(statement: Path, root: str, *, json: bool = False, setting: Setting = _NO_SETTING) -> None:
    """Take a dataset's share of an epoch's rewards; its current owner only.

    Parameters
    ----------
    statement
        The epoch's published statement.
    root
        The token: the dataset's Merkle root.
    json
        Print JSON instead of a table.
    """
    from gatllm.market import Rewards, Statement

    shares = Statement.from_bytes(file_of(statement))
    chain = setting.chain()
    receipt = Rewards(chain, setting.deployment(chain)).claim(shares, root)
    amount = shares.amounts[root]
    if json:
        print_json({"root": root, "epoch": shares.epoch, "amount_wei": str(amount), **(receipt_json(receipt) or {})})
    else:
        table("claimed", ("what", "value"), [("token", root), ("amount", ether(amount)), ("fee", ether(receipt.fee))])


@app.command
def reward(weights: Path, *, out: Path, setting: Setting = _NO_SETTING) -> None:
    """Move the subscriptions' income on and open an epoch of rewards; the contracts' owner only.

    Parameters
    ----------
    weights
        JSON: how much of the answers came from each dataset, {"ROOT": number}.
    out
        The statement to write; publish it, owners claim with it.
    """
    import json as json_module

    from gatllm.market import Rewards, Statement, Subscriptions, shares
    from gatllm.records import write_file

    try:
        given = {str(root): float(weight) for root, weight in json_module.loads(file_of(weights)).items()}
    except (ValueError, TypeError, AttributeError):
        raise GatllmError(f"{weights} holds no weights", 'it is JSON like {"ROOT": 12.5}') from None
    with progress_report() as report:
        chain = setting.chain(report=report)
        deployment = setting.deployment(chain)
        rewards, subscriptions = Rewards(chain, deployment), Subscriptions(chain, deployment)
        if chain.balance(deployment["Subscription"]):
            subscriptions.withdraw()
        if rewards.due():
            rewards.fund()
        statement = Statement(rewards.next_epoch(), shares(given, rewards.free()))
        # Written first: an epoch whose statement is lost could never be claimed.
        write_file(out, statement.to_bytes())
        rewards.publish(statement)
    note(f"epoch {statement.epoch}: {ether(statement.total)} for {len(statement.amounts)} datasets")
    _print_path(out)


@app.command(name="pin")
def pin_command(cid: str, *, service: str, name: str = "", json: bool = False) -> None:
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
    json
        Print JSON instead of one line.
    """
    import os

    from gatllm.market import Cid, pin

    token = os.environ.get("GATLLM_PINNING_TOKEN")
    if not token:
        raise UsageError("a pinning service asks for a token", "set GATLLM_PINNING_TOKEN")
    content = Cid.parse(cid)
    request = pin(service, token, content, name or str(content))
    if json:
        print_json({"cid": str(content), "request": request})
    else:
        note(f"{content} is pinned (request {request})")


def _print_path(path: Path) -> None:
    out.print(str(path), markup=False)


def _token_json(token: Any) -> dict[str, Any]:
    return {
        "root": token.root,
        "kind": token.kind.name.lower(),
        "owner": token.owner,
        "contributor": token.contributor,
        "content_digest": token.content,
        "metadata": token.uri,
        "block": token.block,
    }


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC" if seconds else "never"
