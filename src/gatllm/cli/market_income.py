"""``gatllm market``: the subscription's price and payment, the rewards of the datasets behind the answers."""

from __future__ import annotations

from pathlib import Path

from gatllm.cli.amounts import day, ether, monthly_price, receipt_json
from gatllm.cli.console import note, progress_report
from gatllm.cli.market_options import (
    OPTIONS,
    READ_OPTIONS,
    SEND_OPTIONS,
    MarketOptions,
    ReadOptions,
    SendOptions,
    file_of,
    print_path,
)
from gatllm.errors import GatllmError


def price(new: str | None = None, *, free: bool = False, setting: SendOptions = SEND_OPTIONS) -> None:
    """Show what a month of the chat costs; with a new price, change it: the contracts' owner only.

    What is paid stays paid. A payment that is on its way at the old price takes nothing if the new one is higher.

    Parameters
    ----------
    new
        Ether a month, like 0.003.
    free
        Needed for a price of 0.
    """
    with setting.working() as report:
        amount = None if new is None else monthly_price(new, free=free)
        subscriptions = setting.subscriptions(report)
        if amount is not None and setting.dry_run:
            setting.show_quote(subscriptions.quote_price(amount))
            return
        receipt = None if amount is None else subscriptions.set_price(amount)
        now = subscriptions.price()
    value = {"price_wei": str(now), "receipt": receipt_json(receipt)}
    setting.show(value, "price", [("a month", ether(now))])


def subscribe(
    *,
    months: int = 1,
    user: str | None = None,
    max_price: str | None = None,
    setting: SendOptions = SEND_OPTIONS,
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
    """
    from gatllm.market.amounts import parse_ether

    limit = parse_ether(max_price) if max_price else None
    with setting.working() as report:
        subscriptions = setting.subscriptions(report)
        if setting.dry_run:
            setting.show_quote(subscriptions.quote(months, user=user, max_price=limit))
            return
        receipt = subscriptions.subscribe(months, user=user, max_price=limit)
        until = subscriptions.paid_until(user)
    who = user or subscriptions.chain.address
    value = {"user": who, "paid_until": until, **(receipt_json(receipt) or {})}
    setting.show(value, "paid", [("user", who), ("until", day(until))])


def claim(statement: Path, token: str, *, setting: ReadOptions = READ_OPTIONS) -> None:
    """Take a dataset's part of an epoch's rewards; its current owner only.

    Parameters
    ----------
    statement
        The epoch's published statement.
    token
        The token's id, or its dataset's Merkle root.
    """
    from gatllm.market import Rewards, Statement

    published = Statement.from_bytes(file_of(statement))
    tokens = setting.tokens()
    found = tokens.get(token).id
    receipt = Rewards(tokens.chain, setting.deployment(tokens.chain)).claim(published, found)
    amount = published.amounts[found]
    rows = [("amount", ether(amount))]
    setting.show_sent("claimed", found, receipt, rows, epoch=published.epoch, amount_wei=str(amount))


def reward(weights: Path, *, out: Path, setting: MarketOptions = OPTIONS) -> None:
    """Move the subscriptions' income on and open an epoch of rewards; the contracts' owner only.

    Parameters
    ----------
    weights
        A folder of transcripts (`gatllm ask --transcript`), whose sources are counted; or JSON that says how much of
        the answers came from each dataset, {"TOKEN or ROOT": number}.
    out
        The statement to write; publish it, owners claim with it.
    """
    import json

    from gatllm.market import Statement, open_epoch, weights_of
    from gatllm.records import write_file

    given = {}
    if weights.is_dir():
        counted = weights_of(sorted(weights.rglob("*.jsonl")))
    else:
        try:
            given = {str(token): float(weight) for token, weight in json.loads(file_of(weights)).items()}
        except (ValueError, TypeError, AttributeError):
            raise GatllmError(f"{weights} holds no weights", 'it is JSON like {"TOKEN": 12.5}') from None
    with progress_report() as report:
        tokens = setting.tokens(report=report)
        deployment = setting.deployment(tokens.chain)
        if weights.is_dir():
            given = {root: weight for root, weight in counted.items() if tokens.of_root(root)}
            if left := sum(counted.values()) - sum(given.values()):
                note(f"{left:.2f} answers came from datasets without a token: they earn nothing")

        def keep(made: Statement) -> None:
            for place in (out, setting.folder / "statements" / f"epoch-{made.epoch}.json"):  # the second for the page
                write_file(place, made.to_bytes())

        statement = open_epoch(tokens, deployment, given, keep)
    note(f"epoch {statement.epoch}: {ether(statement.total)} for {len(statement.amounts)} datasets")
    print_path(out)


COMMANDS = {"price": price, "subscribe": subscribe, "claim": claim, "reward": reward}
