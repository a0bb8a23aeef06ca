"""How people write what the chain counts: ether, a moment, a receipt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gatllm.errors import UsageError

if TYPE_CHECKING:
    from gatllm.market import Receipt

ETHER = 10**18  # wei


def ether(wei: int) -> str:
    """Return an amount as people write it: ``0.003 ETH``."""
    whole, rest = divmod(wei, ETHER)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".") + " ETH"


def monthly_price(text: str, *, free: bool) -> int:
    """Read the price of a month, in wei; nothing is given away by a slip.

    Raises:
        UsageError: it is not an amount, or 0 without ``free``, or more with it.
    """
    from gatllm.market.amounts import parse_ether

    value = parse_ether(text)
    if value == 0 and not free:
        raise UsageError("a price of 0 lets everybody in for nothing", "add --free if that is wanted")
    if value and free:
        raise UsageError(f"{text} is not free", "leave out --free, or give a price of 0")
    return value


def day(seconds: int) -> str:
    """Return a moment (seconds since 1970; 0: never) as people write it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC" if seconds else "never"


def receipt_json(receipt: Receipt | None) -> dict[str, object] | None:
    """Return a receipt as JSON."""
    if receipt is None:
        return None
    return {"hash": receipt.hash, "block": receipt.block, "gas_used": receipt.gas_used, "fee_wei": str(receipt.fee)}
