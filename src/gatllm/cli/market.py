"""``gatllm market``: a local chain, the contracts, the account; tokens and income have files of their own."""

from __future__ import annotations

import time
from dataclasses import asdict

from cyclopts import App

from gatllm.cli import market_access, market_income, market_tokens
from gatllm.cli.amounts import day, ether, monthly_price
from gatllm.cli.console import note, progress_report, table
from gatllm.cli.market_options import OPTIONS, READ_OPTIONS, SEND_OPTIONS, MarketOptions, ReadOptions, SendOptions
from gatllm.errors import GatllmError

app = App(name="market", help="Dataset tokens, subscription, rewards: on a local chain or any EVM chain.")
for _module in (market_tokens, market_access, market_income):
    for _name, _command in _module.COMMANDS.items():
        app.command(_command, name=_name)


@app.command
def devnet(*, port: int = 8545, block_time: float | None = None, setting: MarketOptions = OPTIONS) -> None:
    """Run a local chain with the contracts on it until Ctrl-C; its state is kept in a file.

    Parameters
    ----------
    port
        Loopback port; 0 takes a free one.
    block_time
        Seconds between blocks; by default each transaction makes one.
    """
    from gatllm.market import Chain, Devnet, deploy, find_seaport

    running = Devnet(setting.folder / "devnet", port=port, block_time=block_time)
    try:
        with running, progress_report() as report:
            mine = setting.account()
            running.fund(mine.address)
            chain = Chain(running.url, mine, state_dir=setting.folder, report=report)
            deployment = deploy(chain, setting.folder, store=setting.open_store())
            find_seaport(chain, deployment, setting.folder)  # where datasets are sold
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
    free: bool = False,
    royalty_percent: float = 5.0,
    reward_percent: int = 40,
    treasury: str = "",
    owner: str = "",
    reveal_delay: int | None = None,
    setting: SendOptions = SEND_OPTIONS,
) -> None:
    """Deploy the contracts; what is there already stays. Addresses and verification files go to --state-dir.

    Parameters
    ----------
    price
        Ether a month of the subscription.
    free
        Needed for a price of 0.
    royalty_percent
        Part of every sale of a dataset token that goes to its contributor (0 to 10).
    reward_percent
        Part of the subscriptions that goes to the owners of the datasets behind the answers.
    treasury
        Address that the rest goes to; by default the account.
    owner
        Address that may change the price and publish rewards, best a multisig; by default the account.
    reveal_delay
        Blocks between the announcement of a mint and the mint; 1 on a local chain, else 5.
    """
    from gatllm.market import Terms, deploy, deploy_quote, deployment_path

    royalty = round(royalty_percent * 100)
    terms = Terms(monthly_price(price, free=free), royalty, reward_percent, treasury, reveal_delay, owner=owner)
    with setting.working() as report:
        chain = setting.chain(report=report)
        if setting.dry_run:
            setting.show_quote(deploy_quote(chain, terms))
            return
        deployment = deploy(chain, setting.folder, terms, store=setting.open_store())
    setting.show(asdict(deployment), f"chain {deployment.chain_id}", list(deployment.addresses.items()))
    note(f"the address book for buyers: {deployment_path(setting.folder, deployment.chain_id)}")
    note(f"for block explorers: {setting.folder / f'verification-{deployment.chain_id}'}")


@app.command
def collection(
    *,
    name: str | None = None,
    description: str | None = None,
    external_link: str | None = None,
    setting: ReadOptions = READ_OPTIONS,
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
    """
    from gatllm.market import change_collection, read_collection

    given = {"name": name, "description": description, "external_link": external_link}
    wanted = {field: value for field, value in given.items() if value is not None}
    with setting.working() as report:
        tokens, store = setting.tokens(account=bool(wanted), report=report), setting.open_store()
        about = (
            change_collection(tokens, store, **wanted) if wanted else read_collection(store, tokens.collection_uri())
        )
    value = {"uri": tokens.collection_uri(), **about.model_dump(exclude_none=True)}
    setting.show(value, "collection", list(value.items()))


@app.command
def status(address: str | None = None, *, setting: ReadOptions = READ_OPTIONS) -> None:
    """Show the chain, the contracts, and what an account has and owns.

    Parameters
    ----------
    address
        By default your own.
    """
    from gatllm.market import overview

    chain = setting.chain(account=address is None)
    deployment = setting.deployment(chain)
    found = overview(chain, deployment, address or chain.address)
    value = {
        "chain_id": chain.chain_id,
        "rpc": chain.rpc_url,
        "block": found.block,
        "account": found.account,
        "balance_wei": str(found.balance),
        "price_wei": str(found.price),
        "paid_until": found.paid_until,
        "datasets": [market_tokens.token_json(token) for token in found.tokens],
        "runs": found.runs,
        "rewards_free_wei": str(found.rewards_free),
        "open_transactions": found.open_transactions,
        "contracts": deployment.addresses,
    }
    rows: list[tuple[str, object]] = [
        ("chain", f"{chain.chain_id} at {chain.rpc_url}, block {found.block:,}"),
        ("account", found.account),
        ("balance", ether(found.balance)),
        ("subscription", f"{ether(found.price)} a month; paid until {day(found.paid_until)}"),
        *(("dataset", f"{token.id} ({token.kind.name.lower()})") for token in found.tokens),
        *(("run", run) for run in found.runs),
        ("rewards", f"{ether(found.rewards_free)} for the next epoch"),
        *(("open transaction", hashed) for hashed in found.open_transactions),
    ]
    setting.show(value, "market", rows)
