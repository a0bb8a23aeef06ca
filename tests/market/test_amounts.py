"""Amounts of ether: read exactly, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.cli.amounts import ether
from gatllm.errors import UsageError
from gatllm.market.amounts import parse_ether


@pytest.mark.parametrize(("text", "amount"), [("0.003", 3 * 10**15), (" 1 ETH", 10**18), ("0", 0), ("1e-18", 1)])
def test_amounts(text: str, amount: int) -> None:
    assert parse_ether(text) == amount


@given(st.integers(0, 2**128 - 1))
def test_what_is_written_is_read_exactly(amount: int) -> None:
    assert parse_ether(ether(amount)) == amount


@pytest.mark.parametrize("text", ["", "x", "-1", "1e-19", "nan", "inf", "1e21", "1." + 70 * "0" + "1", "9" * 5000])
def test_what_is_not_an_amount(text: str) -> None:
    with pytest.raises(UsageError):
        parse_ether(text)


def test_less_than_the_least() -> None:
    with pytest.raises(UsageError):
        parse_ether("0", least=1)
