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


def wei(text: str) -> int:
    """Read an amount of ether, exactly.

    Raises:
        UsageError: it is none.
    """
    from decimal import Decimal, InvalidOperation

    try:
        value = Decimal(text.lower().removesuffix("eth").strip()) * ETHER
        if value != int(value) or value < 0:
            raise InvalidOperation
    except (InvalidOperation, OverflowError, ValueError):
        raise UsageError(f"{text!r} is no amount of ether", "write it like 0.003") from None
    return int(value)


def monthly_price(text: str, *, free: bool) -> int:
    """Read the price of a month, in wei; nothing is given away by a slip.

    Raises:
        UsageError: it is no amount, or 0 without ``free``, or more with it.
    """
    value = wei(text)
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
