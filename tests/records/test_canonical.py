"""One value has one byte string, and what has none is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.records import canonical_bytes, digest, file_sha256, parse, sha256

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=12)


@given(values)
def test_it_reads_back_and_is_stable(value: object) -> None:
    data = canonical_bytes(value)
    again = parse(data)
    assert again == value
    assert canonical_bytes(again) == data


@given(st.dictionaries(keys, scalars, max_size=6))
def test_the_order_of_keys_does_not_count(value: dict[str, object]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


def test_the_example_of_the_standard() -> None:
    # RFC 8785, 3.2.2
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert canonical_bytes(value) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def deep(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53 + 1, b"x", {1: 2}, {"a": {1}}, "\ud800", deep(9999)]
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(GatllmError, match="no canonical JSON form"):
        canonical_bytes(value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 99999])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|decode|deeply"):
        parse(data)


@given(st.binary(max_size=300))
def test_a_file_hashes_like_its_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path: Path = tmp_path_factory.mktemp("file") / "f"
    path.write_bytes(data)
    assert file_sha256(path) == sha256(data)
