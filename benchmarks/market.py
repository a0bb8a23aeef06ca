"""What the market's transactions cost, from receipts on a local chain, and how fast content is sealed and named.

python benchmarks/market.py
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path

from gatllm.cli.console import table
from gatllm.market import (
    Chain,
    DatasetTokens,
    Devnet,
    Kind,
    Origin,
    Rewards,
    Statement,
    Subscriptions,
    Trade,
    deploy,
    find_seaport,
)
from gatllm.market.store.car import write_car
from gatllm.market.store.sealing import new_content_key, seal, unseal
from gatllm.records import sha256

MIB = 1 << 20


def _origin(name: str) -> Origin:
    return Origin(*(sha256(f"{name} {part}".encode()) for part in ("root", "content", "metadata")), Kind.POSITIVE)


def gas(folder: Path) -> dict[str, int]:
    """Return the gas of each transaction."""
    used: dict[str, int] = {}
    with Devnet(folder) as devnet:
        owner, contributor, buyer = (Chain(devnet.url, account) for account in devnet.accounts(3))
        deployment = deploy(owner, folder)
        tokens = DatasetTokens(contributor, deployment)
        for name in ("first", "next"):
            minted = tokens.mint(_origin(name))
            assert minted.commit
            assert minted.mint
            used[f"announce a mint ({name})"] = minted.commit.gas_used
            used[f"mint ({name} of an owner)"] = minted.mint.gas_used
        first, following = (_origin(name).id_for(contributor.address) for name in ("first", "next"))
        used["transfer"] = tokens.transfer(following, buyer.address).gas_used
        trade = Trade(tokens, find_seaport(contributor, deployment, folder))
        offer = trade.offer(first, 10**18)
        bought = Trade(DatasetTokens(buyer, deployment), deployment["Seaport"]).buy(offer)
        used["buy (Seaport 1.6, royalty paid)"] = bought.gas_used
        subscriptions, rewards = Subscriptions(buyer, deployment), Rewards(owner, deployment)
        used["subscribe"] = subscriptions.subscribe(12).gas_used
        used["renew"] = subscriptions.subscribe(1).gas_used
        used["withdraw to the splitter"] = subscriptions.withdraw().gas_used
        used["release the rewards' share"] = rewards.fund().gas_used
        statement = Statement(0, {first: 1000, following: 2000})
        used["publish an epoch"] = rewards.publish(statement).gas_used
        used["claim"] = Rewards(buyer, deployment).claim(statement, first).gas_used
        registry = contributor.contract("ProofRegistry", deployment["ProofRegistry"]).functions
        plan, salt, *hashes = [bytes.fromhex(sha256(str(n).encode())) for n in range(10)]
        promise = registry.commitmentOf(contributor.address, hashes[0], plan, salt).call()
        used["commit to a run"] = contributor.send(registry.commitTraining(promise)).gas_used
        devnet.rpc("anvil_mine", "0x2")  # the block that gives the seed must be over
        used["register it"] = contributor.send(registry.registerCommittedProof(plan, salt, *hashes[:4])).gas_used
        used["register without commitment"] = contributor.send(registry.registerTrainingProof(*hashes[4:])).gas_used
    return used


def content(folder: Path, size: int = 128) -> dict[str, float]:
    """Return MiB a second of each step that content goes through."""
    plain = folder / "plain"
    plain.write_bytes(random.Random(0).randbytes(size * MIB))  # equal blocks would be written once
    key, speed = new_content_key(), {}

    def timed(name: str, started: float) -> None:
        speed[name] = size / (time.perf_counter() - started)

    started = time.perf_counter()
    write_car(plain, folder / "x.car")
    timed("CAR file with its CID", started)
    started = time.perf_counter()
    seal(plain, folder / "sealed", key)
    timed("seal", started)
    started = time.perf_counter()
    unseal(folder / "sealed", folder / "open", key)
    timed("unseal", started)
    return speed


def main() -> None:
    """Print two tables and one line of JSON."""
    with tempfile.TemporaryDirectory() as name:
        used, speed = gas(Path(name) / "chain"), content(Path(name))
    table("gas", ("transaction", "gas"), list(used.items()))
    table("content", ("step", "MiB/s"), [(step, round(rate)) for step, rate in speed.items()])
    print(json.dumps({"gas": used, "mib_per_second": {step: round(rate) for step, rate in speed.items()}}))


if __name__ == "__main__":
    main()
