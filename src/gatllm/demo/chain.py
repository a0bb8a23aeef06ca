"""Step 4: on a local chain, the dataset becomes a token, a subscription is paid, and the proofs are registered."""

from __future__ import annotations

from datetime import UTC, datetime

from gatllm.demo.data import NEGATIVE, POSITIVE
from gatllm.demo.proof import KEY
from gatllm.demo.stage import Outcome, Session, Stage, skipped
from gatllm.demo.training import DISCRIMINATOR, GENERATOR
from gatllm.errors import GatllmError

CHAIN, STORE = "chain", "store"
_EIGHTEEN = 10**18


def register_on_chain(session: Session, stage: Stage) -> Outcome:
    """Deploy, mint, subscribe, register; then read all of it back and compare."""
    from gatllm.data import Dataset
    from gatllm.market import (
        Chain,
        DatasetTokens,
        Devnet,
        LocalStore,
        ProofRegistry,
        Subscriptions,
        deploy,
        find_anvil,
        publish,
    )
    from gatllm.proof import load_key, read_proof, verify

    if find_anvil() is None:
        return skipped("no local chain: anvil is neither in contracts/node_modules nor on PATH")
    trainer = load_key(session.folder(KEY))
    gas: dict[str, int] = {}
    with Devnet(session.folder(CHAIN)) as devnet:
        stage.say(f"  anvil listens on {devnet.url}, chain {Chain(devnet.url).chain_id}")
        owner, user = devnet.accounts(2)
        deployment = deploy(Chain(devnet.url, owner), devnet.folder)
        for name, address in deployment.addresses.items():
            stage.say(f"    {name:<16} {address}")
        devnet.fund(trainer.address)
        chain = Chain(devnet.url, trainer, state_dir=devnet.folder)
        tokens, registry = DatasetTokens(chain, deployment), ProofRegistry(chain, deployment)
        for folder in (POSITIVE, NEGATIVE):
            dataset = Dataset.open(session.folder(folder))
            published = publish(dataset, LocalStore(session.folder(STORE)), report=stage.report)
            minted = tokens.mint(published.origin)
            if minted.mint is not None:
                gas["mint"] = minted.mint.gas_used
            token = tokens.get(dataset.manifest.merkle_root)
            _same(f"the token of {dataset.path.name}", (token.root, token.owner),
                  (dataset.manifest.merkle_root, trainer.address))  # fmt: skip
            stage.say(f"  token {token.root[:16]}… of {dataset.path.name} belongs to {token.owner}")
            stage.say(f"    {published.content.uri}")
        customer = Subscriptions(Chain(devnet.url, user, state_dir=devnet.folder), deployment)
        if not customer.is_active():
            gas["subscribe"] = customer.subscribe(1).gas_used
        _same("the subscription", customer.is_active(), True)
        until = datetime.fromtimestamp(customer.paid_until(), UTC)
        stage.say(f"  {user.address} paid {customer.price() / _EIGHTEEN} ETH, until {until:%Y-%m-%d %H:%M} UTC")
        for run in (DISCRIMINATOR, GENERATOR):
            proof = read_proof(session.folder(run))
            receipt = registry.register(proof)
            if receipt is not None:
                gas["register"] = receipt.gas_used
            verify(session.folder(run), registration=registry.registration_of(proof)).raise_on_failure()
            block = registry.get(proof).registered_block
            stage.say(f"  {run.rpartition('/')[2]}: its four hashes stand in block {block}, "
                      "the same as in the signed proof")  # fmt: skip
        if gas:  # a repeated step finds everything done
            stage.say("  gas: " + ", ".join(f"{name} {used:,}" for name, used in gas.items()))
        height = chain.head()
    numbers = {"tokens": 2, "proofs": 2, "blocks": height, **{f"gas to {name}": used for name, used in gas.items()}}
    return Outcome(
        "done", numbers, made={"local chain": str(session.folder(CHAIN)), "content": str(session.folder(STORE))}
    )


def _same(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise GatllmError(
            f"the chain says {found} of {what}, not {expected}", "remove the chain's folder and run again"
        )
