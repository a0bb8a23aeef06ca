"""Amounts of ether as people write them."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext

from gatllm.errors import UsageError

_LIMIT = 2**128  # wei; the contracts keep amounts in 128 bits


def parse_ether(text: str, *, least: int = 0) -> int:
    """Return the wei of an amount such as ``0.003`` or ``0.003 ETH``, exactly.

    Raises:
        UsageError: ``text`` is not an amount, is below ``least`` wei, or has parts of a wei.
    """
    try:
        # The usual 28 digits would round large amounts; what even 60 would round is refused.
        with localcontext(Context(prec=60, traps=[Inexact, InvalidOperation])):
            value = Decimal(text.strip().lower().removesuffix("eth").strip()) * 10**18
            if value != int(value) or not least <= value < _LIMIT:
                raise InvalidOperation
    except (ArithmeticError, ValueError):
        raise UsageError(f"{text[:40]!r} is not an amount of ether", "write it like 0.003") from None
    return int(value)
