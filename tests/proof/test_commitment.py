"""Nobody chooses the seed: data and plan are promised first, a later block decides, and every way around is caught."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gatllm.errors import GatllmError, UsageError
from gatllm.proof import Commitment, Key, Registration, load_key, read_proof, verify, write_proof
from gatllm.records import canonical_bytes, digest, sha256
from gatllm.training import Recipe, Run, train
from gatllm.training.promise import Promised
from gatllm.training.seeds import committed_seed, plan_of
from tests.proof.forge import rewrite_log

TRAINER = "0x" + "ab" * 20


class FakeChain:
    """Holds promises as the registry does: each lies in a block, and nobody knows the hash of the next one before."""

    def __init__(self, trainer: str = TRAINER) -> None:
        self.height = 0
        self.trainer = trainer
        self.promises: dict[tuple[str, str, str], int] = {}

    @property
    def promised(self) -> set[tuple[str, str]]:
        return {(data_root, plan) for data_root, plan, _ in self.promises}

    def block_hash(self, number: int) -> str:
        assert number <= self.height
        return sha256(f"block {number}".encode())

    def commit(self, data_root: str, plan: str, salt: str) -> Promised:
        assert len(bytes.fromhex(salt)) == 32
        if (data_root, plan, salt) not in self.promises:
            self.height += 1
            self.promises[data_root, plan, salt] = self.height
            self.height += 1
        return Promised(self.block_hash(self.promises[data_root, plan, salt] + 1), self.trainer)

    def registration(self, run: Path) -> Registration:
        proof = read_proof(run)
        block = self.promises.get((proof.hashes.data_hash, proof.claims.plan_hash(), proof.claims.salt or ""))
        found = None if block is None else Commitment(block, self.block_hash(block + 1))
        return Registration(proof.hashes, proof.signer, found)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return load_key(tmp_path / "trainer.key")


@pytest.fixture
def chain(key: Key) -> FakeChain:
    return FakeChain(key.address)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    words = ["the cat sat on the mat. ", "a dog ran to me. ", "no bird sings at noon. "]
    path.write_text("".join(random.Random(1).choices(words, k=200)))
    return path


def recipe(text: Path, **overrides: Any) -> Recipe:
    tables = {
        "name": "tiny",
        "objective": "causal",
        "data": {"source": str(text)},
        "tokenizer": {"kind": "characters"},
        "model": {"layers": 1, "heads": 2, "width": 16, "context": 16, "dropout": 0.1},
        "train": {"steps": 6, "batch": 4, "precision": "fp32", "threads": 1, "evaluations": 2, "samples": 0},
    }
    return Recipe.of(tables, {"train.checkpoints": 2, **overrides})


def trained(recipe: Recipe, out: Path, chain: FakeChain, key: Key) -> Run:
    run = train(recipe, out, commit=chain.commit)
    write_proof(run.path, key)
    return run


def failures(run: Path, chain: FakeChain) -> list[str]:
    return [item.name for item in verify(run, registration=chain.registration(run)).failures]


def claiming(run: Run, key: Key, **overrides: Any) -> None:
    """Rewrite recipe, log and proof of a run so that they agree with another recipe."""
    claimed = run.recipe.replace(overrides)
    (run.path / "recipe.toml").write_text(claimed.to_toml())

    def claim(event: str, fields: dict[str, Any]) -> dict[str, Any]:
        if event != "start":
            return fields
        return {**fields, "commitments": {**fields["commitments"], "recipe": claimed.digest()}}

    rewrite_log(run.path, claim)
    write_proof(run.path, key)


def test_a_promised_run_holds_to_the_bit(text: Path, tmp_path: Path, chain: FakeChain, key: Key) -> None:
    run = trained(recipe(text), tmp_path / "run", chain, key)
    result = verify(run.path, depth="full", datasets=[text], registration=chain.registration(run.path))
    verdicts = {item.name: item.verdict for item in result.items}
    assert result.ok, result.failures
    assert [verdicts[name] for name in ("seed", "commitment", "registration", "replay")] == ["ok"] * 4
    assert run.recipe.determinism
    assert run.recipe.determinism.block == chain.block_hash(2)
    ((data_root, plan, salt),) = chain.promises
    kept = json.loads((run.path / "plan.json").read_bytes())
    assert (kept["data_root"], digest(kept["plan"]), kept["salt"]) == (data_root, plan, salt)
    assert read_proof(run.path).claims.salt == salt
    assert (read_proof(run.path).hashes.data_hash, read_proof(run.path).claims.plan_hash()) == (data_root, plan)


def test_without_a_chain_the_promise_is_said_to_be_unchecked(
    text: Path, tmp_path: Path, chain: FakeChain, key: Key
) -> None:
    run = trained(recipe(text), tmp_path / "run", chain, key)
    items = {item.name: item for item in verify(run.path).items}
    assert (items["seed"].verdict, items["commitment"].verdict) == ("ok", "skipped")
    assert "no chain was asked" in items["commitment"].detail


def test_another_block_gives_another_seed_and_nothing_else_of_the_promise_changes(
    text: Path, tmp_path: Path, chain: FakeChain, key: Key
) -> None:
    first = trained(recipe(text), tmp_path / "first", chain, key)
    later = FakeChain(key.address)
    later.height = 7
    second = trained(recipe(text), tmp_path / "second", later, key)
    assert chain.promised == later.promised
    assert first.recipe.seed != second.recipe.seed
    assert first.start["commitments"]["init_root"] != second.start["commitments"]["init_root"]


def test_neither_place_nor_name_nor_a_given_seed_is_promised(text: Path, tmp_path: Path, chain: FakeChain) -> None:
    train(recipe(text), tmp_path / "run", commit=chain.commit)
    moved = tmp_path / "elsewhere.txt"
    moved.write_bytes(text.read_bytes())
    again = train(recipe(moved, name="other", seed=9), tmp_path / "again", commit=chain.commit)
    assert len(chain.promised) == 1
    assert len(chain.promises) == 2  # each under a salt of its own: nobody sees that they are the same
    assert again.recipe.seed != Run.open(tmp_path / "run").recipe.seed  # of another block


@pytest.mark.parametrize("change", [{"train.lr": 0.0031}, {"model.width": 32}, {"train.steps": 7}, {"train.batch": 5}])
def test_whatever_decides_the_result_is_promised(text: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    plans = []

    def stop(_: str, plan: str, __: str) -> Promised:
        plans.append(plan)
        raise GatllmError("enough")

    for number, overrides in enumerate(({}, {"about": "other words"}, change)):
        with pytest.raises(GatllmError, match="enough"):
            train(recipe(text, **overrides), tmp_path / str(number), commit=stop)
    assert plans[0] == plans[1] != plans[2]


def test_a_seed_chosen_by_hand_is_caught(text: Path, tmp_path: Path, chain: FakeChain, key: Key) -> None:
    block = chain.commit("aa" * 32, "bb" * 32, "cc" * 32).block
    run = train(recipe(text, seed=5), tmp_path / "run")
    claiming(run, key, **{"determinism.seed": "committed", "determinism.block": block})
    assert "seed" in failures(run.path, chain)
    assert [item.name for item in verify(run.path).failures] == ["seed"]


def test_a_block_that_was_searched_for_is_caught(text: Path, tmp_path: Path, chain: FakeChain, key: Key) -> None:
    """The forger promises properly, then trains with a made-up block that gives a better seed."""
    train(recipe(text), tmp_path / "honest", commit=chain.commit)
    block = sha256(b"a lucky one")
    run = train(recipe(text, **{"determinism.seed": "committed", "determinism.block": block}), tmp_path / "run")
    write_proof(run.path, key)
    assert not verify(run.path).failures  # offline it can't be told
    assert failures(run.path, chain) == ["commitment"]


def test_another_block_than_the_next_one_is_caught(text: Path, tmp_path: Path, chain: FakeChain, key: Key) -> None:
    train(recipe(text), tmp_path / "honest", commit=chain.commit)
    chain.height += 5
    determinism = {"determinism.seed": "committed", "determinism.block": chain.block_hash(4)}
    run = train(recipe(text, **determinism), tmp_path / "run")
    write_proof(run.path, key)
    assert failures(run.path, chain) == ["commitment"]


def test_a_promise_after_training_is_caught(text: Path, tmp_path: Path, chain: FakeChain, key: Key) -> None:
    chain.height = 3
    determinism = {"determinism.seed": "committed", "determinism.block": chain.block_hash(3)}
    run = train(recipe(text, **determinism), tmp_path / "run")
    proof = write_proof(run.path, key)
    chain.commit(proof.hashes.data_hash, proof.claims.plan_hash(), proof.claims.salt or sha256(b"salt"))
    assert failures(run.path, chain) == ["commitment"]


def test_a_promise_of_other_data_is_caught(text: Path, tmp_path: Path, chain: FakeChain, key: Key) -> None:
    other = tmp_path / "other.txt"
    other.write_text(text.read_text().replace("dog", "god"))
    block = train(recipe(other), tmp_path / "promised", commit=chain.commit).recipe.determinism
    assert block
    determinism = {"determinism.seed": "committed", "determinism.block": block.block}
    run = train(recipe(text, **determinism), tmp_path / "run")
    write_proof(run.path, key)
    assert failures(run.path, chain) == ["commitment"]


def test_other_hyper_parameters_than_promised_are_caught(
    text: Path, tmp_path: Path, chain: FakeChain, key: Key
) -> None:
    run = trained(recipe(text), tmp_path / "run", chain, key)
    claiming(run, key, **{"train.lr": run.recipe.train.lr * 2})
    assert failures(run.path, chain) == ["seed", "commitment"]


def test_a_killed_run_continues_under_its_promise(
    text: Path, tmp_path: Path, chain: FakeChain, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gatllm.training.session import Session

    advance = Session.advance

    def killed(self: Session, progress: float) -> Any:
        if self.step == 4:
            raise KeyboardInterrupt
        return advance(self, progress)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "advance", killed)
        with pytest.raises(KeyboardInterrupt):
            train(recipe(text), tmp_path / "run", commit=chain.commit)

    def never(_: str, __: str, ___: str) -> Promised:
        raise AssertionError("a run that began has its promise")

    run = train(recipe(text), tmp_path / "run", commit=never)
    write_proof(run.path, key)
    block = run.recipe.determinism.block if run.recipe.determinism else ""
    whole = train(recipe(text), tmp_path / "whole", commit=lambda *_: Promised(block, key.address))
    assert run.log[-1]["weights_root"] == whole.log[-1]["weights_root"]
    assert verify(run.path, depth="full", registration=chain.registration(run.path)).ok
    with pytest.raises(UsageError, match="another determinism"):
        train(recipe(text), tmp_path / "run")


_KILLED = """
import os, sys
from gatllm.training import Recipe, train
def commit(data_root, plan, salt):
    with open(sys.argv[3], "a") as file:
        file.write(f"{data_root} {plan} {salt}\\n")
    os.kill(os.getpid(), 9)
train(Recipe.load(sys.argv[1]), sys.argv[2], commit=commit)
"""


def test_killed_between_promise_and_training_it_promises_the_same(
    text: Path, tmp_path: Path, chain: FakeChain, key: Key
) -> None:
    """Number format and threads are probed: on a busy machine a second probe may find others."""
    open_recipe = recipe(text, **{"train.precision": "auto", "train.threads": 0})
    (tmp_path / "tiny.toml").write_text(open_recipe.to_toml())
    command = [sys.executable, "-c", _KILLED, tmp_path / "tiny.toml", tmp_path / "run", tmp_path / "promised"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    first = (tmp_path / "promised").read_text().split()
    plan = json.loads((tmp_path / "run" / "plan.json").read_bytes())
    then = plan["plan"]["environment"]
    other = {"dtype": {"fp32": "bf16", "bf16": "fp32"}[then["dtype"]], "threads": 3 - then["threads"]}
    run = train(open_recipe, tmp_path / "run", commit=chain.commit)
    now = run.start["commitments"]["environment"]
    assert (now["dtype"], now["threads"]) == (then["dtype"], then["threads"])
    differing = {name for name in now if now[name] != then[name]}
    assert differing <= {"variables"}  # the test's own process may have been started with others
    if not differing:
        assert list(chain.promises) == [tuple(first)]
    # What was written down counts, not what a probe would find.
    plan["plan"]["environment"] |= other
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "plan.json").write_bytes(canonical_bytes(plan))
    again = train(open_recipe, tmp_path / "second", commit=chain.commit).start["commitments"]["environment"]
    assert (again["dtype"], again["threads"]) == (other["dtype"], other["threads"])


@pytest.mark.parametrize("damage", [b"", b"{", b'{"plan": 3}', b'{"plan": {"environment": {"dtype": 1}}}'])
def test_a_damaged_plan_is_made_anew(text: Path, tmp_path: Path, chain: FakeChain, damage: bytes) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "plan.json").write_bytes(damage)
    run = train(recipe(text), tmp_path / "run", commit=chain.commit)
    assert json.loads((run.path / "plan.json").read_bytes())["data_root"] == run.start["commitments"]["data_root"]


def test_a_promise_that_was_never_kept_leaves_nothing(text: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "plan.json").write_bytes(b"{}")
    train(recipe(text), tmp_path / "run")
    assert not (tmp_path / "run" / "plan.json").exists()


def test_a_run_that_began_without_a_promise_gets_none_later(text: Path, tmp_path: Path, chain: FakeChain) -> None:
    determinism = {"determinism.seed": "committed"}
    train(recipe(text, **determinism), tmp_path / "run")
    with pytest.raises(UsageError, match="begun without a commitment"):
        train(recipe(text), tmp_path / "run", commit=chain.commit)
    train(recipe(text), tmp_path / "given")
    with pytest.raises(UsageError, match="another determinism"):
        train(recipe(text), tmp_path / "given", commit=chain.commit)
    assert not chain.promises


def test_data_that_the_seed_draws_can_not_be_promised(tmp_path: Path, chain: FakeChain) -> None:
    tables = {
        "name": "sort",
        "objective": "seq2seq",
        "data": {"source": "alphabetize", "length": 4, "source_tokens": 4, "target_tokens": 4},
        "tokenizer": {"kind": "characters"},
        "model": {"layers": 1, "heads": 2, "width": 16},
        "train": {"steps": 2, "batch": 4, "precision": "fp32", "threads": 1},
    }
    with pytest.raises(UsageError, match="can't be promised"):
        train(Recipe.of(tables, {"determinism.seed": "committed"}), tmp_path / "run", commit=chain.commit)
    assert not chain.promises  # refused before it is paid


def test_a_run_on_another_ones_weights_promises_these(text: Path, tmp_path: Path, chain: FakeChain, key: Key) -> None:
    begun = train(recipe(text), tmp_path / "first")
    run = trained(recipe(text, start=str(begun.path)), tmp_path / "run", chain, key)
    assert failures(run.path, chain) == []
    plan = json.loads((run.path / "plan.json").read_bytes())["plan"]
    assert plan["init_root"] == begun.log[-1]["weights_root"]
    assert "start" not in plan["recipe"]


@pytest.mark.parametrize(
    "recipe_toml",
    [
        "determinism = 3\n[data]\n",
        '[determinism]\nseed = "committed"\nblock = 7\n',
        '[determinism]\nseed = "committed"\n',
    ],
)
def test_nonsense_in_the_claims_is_a_failed_item(run: Path, key: Key, recipe_toml: str) -> None:
    (run / "recipe.toml").write_text(recipe_toml)
    write_proof(run, key)
    registration = Registration(read_proof(run).hashes, key.address)
    assert [item.name for item in verify(run, registration=registration).failures] == ["seed"]


def test_a_run_that_was_committed_by_another_is_not_the_signers(
    text: Path, tmp_path: Path, chain: FakeChain, key: Key
) -> None:
    """A copier sends the pending commitment first, copies the run folder, signs and registers it."""
    run = trained(recipe(text), tmp_path / "run", chain, key)
    assert failures(run.path, chain) == []
    copier = load_key(tmp_path / "copier.key")
    write_proof(run.path, copier)
    assert [item.name for item in verify(run.path).failures] == ["seed"]  # without asking a chain
    claiming(run, copier, **{"determinism.trainer": copier.address})  # the seed is another then
    assert [item.name for item in verify(run.path).failures] == ["seed"]


def test_a_seed_is_of_data_plan_block_and_trainer() -> None:
    first = committed_seed("aa", "bb", "cc", TRAINER)
    others = [("ab", "bb", "cc", TRAINER), ("aa", "ba", "cc", TRAINER), ("aa", "bb", "cb", TRAINER)]
    others += [("aa", "bb", "cc", "0x" + "ac" * 20)]
    assert len({first, committed_seed("aa", "bb", "cc"), *(committed_seed(*other) for other in others)}) == 6
    assert committed_seed("aa", "bb", "cc", TRAINER.upper().replace("X", "x")) == first


@pytest.mark.parametrize(
    ("knob", "value"), [("train.samples", 9), ("train.keep", 9), ("train.checkpoints", 9), ("train.lr", 0.1)]
)
def test_what_changes_nothing_is_no_part_of_the_plan(text: Path, knob: str, value: float) -> None:
    """Else a trainer draws seeds by changing it."""
    commitments = {"tokenizer": "", "code": {}, "environment": {}}
    bound = {"determinism.seed": "committed", "determinism.trainer": TRAINER}
    plans = [digest(plan_of(recipe(text, **bound, **more).to_dict(), commitments)) for more in ({}, {knob: value})]
    assert (plans[0] == plans[1]) == (knob != "train.lr")


def test_an_interrupted_promise_keeps_its_salt(text: Path, tmp_path: Path, chain: FakeChain) -> None:
    salts = []

    def stop(data_root: str, plan: str, salt: str) -> Promised:
        salts.append(salt)
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(recipe(text), tmp_path / "run", commit=stop)
    train(recipe(text), tmp_path / "run", commit=chain.commit)
    assert [salt for _, _, salt in chain.promises] == salts[:1]
    train(recipe(text), tmp_path / "other", commit=chain.commit)
    assert len({salt for _, _, salt in chain.promises}) == 2


def test_what_the_chain_tells_besides_is_told(text: Path, tmp_path: Path, chain: FakeChain, key: Key) -> None:
    run = trained(recipe(text), tmp_path / "run", chain, key).path
    found = chain.registration(run)
    assert found.commitment
    told = replace(found, earlier=("the same data by 0x11 in block 3",), unanswered=(4, 6))
    items = {item.name: item for item in verify(run, registration=told).items}
    assert items["earlier registration"].verdict == items["unanswered commitments"].verdict == "claimed"
    assert "block(s) 4, 6" in items["unanswered commitments"].detail
    assert "authorship" not in items
    bare = replace(found, commitment=None)
    assert "not shown" in {item.name: item.detail for item in verify(run, registration=bare).items}["authorship"]
    assert "authorship" not in {item.name for item in verify(run, registration=bare, signer=key.address).items}
    early = replace(found, commitment=replace(found.commitment, time=32503680000), time=946684800)
    assert [item.name for item in verify(run, registration=early).failures] == ["commitment", "registration"]
