"""A local chain with the contracts on it, shared by the tests that need one."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gatllm.market import Chain, Deployment, Devnet, Kind, Origin, deploy, find_anvil
from gatllm.proof import Key
from gatllm.records import sha256

BUILD = Path(__file__).parents[2] / "contracts" / "build.py"
ABI = Path(__file__).parents[2] / "src" / "gatllm" / "market" / "abi"
_NUMBERS = itertools.count()


def _need_chain() -> None:
    if (BUILD.parent / "node_modules").is_dir():  # nothing is done where the sources are unchanged
        subprocess.run([sys.executable, BUILD], check=True)
    missing = "no anvil: run `make setup`" if find_anvil() is None else ""
    missing = missing or ("" if ABI.is_dir() else "contracts not built: run `python contracts/build.py`")
    if missing and os.environ.get("CI"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="session")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    _need_chain()
    with Devnet(tmp_path_factory.mktemp("devnet")) as running:
        yield running


@pytest.fixture(scope="session")
def owner(devnet: Devnet) -> Chain:
    return Chain(devnet.url, devnet.accounts(1)[0])


@pytest.fixture(scope="session")
def deployment(devnet: Devnet, owner: Chain) -> Deployment:
    return deploy(owner, devnet.folder)


@pytest.fixture
def new_key(devnet: Devnet) -> Callable[[], Key]:
    """Makes keys with ten ether each; the same ones in every run."""

    def make() -> Key:
        from eth_account import Account

        key = Key(Account.from_key(bytes.fromhex(sha256(f"test key {next(_NUMBERS)}".encode()))))
        devnet.fund(key.address)
        return key

    return make


@pytest.fixture
def new_chain(devnet: Devnet, new_key: Callable[[], Key]) -> Callable[[], Chain]:
    return lambda: Chain(devnet.url, new_key())


@pytest.fixture
def new_origin() -> Callable[[], Origin]:
    def make() -> Origin:
        name = f"dataset {next(_NUMBERS)}"
        return Origin(*(sha256(f"{name} {part}".encode()) for part in ("root", "content", "metadata")), Kind.POSITIVE)

    return make
