"""Tamperings and forgeries of one small run, each tried at every depth of verification.

None may pass as more than it is. Used by `benchmarks/proof.py --attacks` and by tests/proof/test_attacks.py. A forger
here knows the program: where hashes and signatures can be made to agree with a change they are, and the run is signed
with a key of the forger's own.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from gatllm.errors import GatllmError
from gatllm.models import load_weights, save_weights, weights_root
from gatllm.proof import Commitment, Key, Registration, Verification, load_key, read_proof, verify, write_proof
from gatllm.records import HashLog, canonical_bytes, read_log, sha256
from gatllm.training import Recipe, train
from gatllm.training.session import Session

LR = 3e-3
SEED = "of a later block"
DEPTHS = ("hashes", "replay", "full")
_CHAIN = {"seq", "time", "event", "prev"}
Fields = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """What every attack begins with: an honest run's recipe, its data, its signer, and the forger's key."""

    folder: Path
    text: Path
    honest: Path
    ordered: Path  # trained in fixed order
    key: Key
    forger: Key

    def recipe(self, **overrides: Any) -> Recipe:
        """Return the recipe of the honest run, with dotted overrides."""
        return Recipe.of(
            {
                "name": "tiny",
                "objective": "causal",
                "data": {"source": str(self.text)},
                "tokenizer": {"kind": "characters"},
                "model": {"layers": 1, "heads": 2, "width": 16, "context": 16, "dropout": 0.1},
                "train": {
                    "steps": 12,
                    "batch": 4,
                    "lr": LR,
                    "precision": "fp32",
                    "threads": 1,
                    "evaluations": 2,
                    "samples": 1,
                    "checkpoints": 4,
                    "keep": 4,
                },
            },
            overrides,
        )


def bench(folder: Path) -> Bench:
    """Train and sign the honest run."""
    torch.set_num_threads(1)
    text = folder / "text.txt"
    words = ["the cat sat on the mat. ", "a dog ran to me. ", "no bird sings at noon. "]
    text.write_text("".join(random.Random(1).choices(words, k=300)))
    keys = load_key(folder / "trainer.key"), load_key(folder / "forger.key")
    made = Bench(folder, text, folder / "honest", folder / "ordered", *keys)
    train(made.recipe(), made.honest)
    write_proof(made.honest, made.key)
    train(made.recipe(**{"determinism.fixed_order": True}), made.ordered)
    write_proof(made.ordered, made.key)
    return made


@dataclass(frozen=True)
class Case:
    """One attack: ``act`` changes a copy of the honest run; ``item`` is what must name it, at the depth ``at``.

    Where ``at`` is "full" a sample may miss it: it then says how little was done again. ``inconclusive``: nothing can
    be shown to be wrong, and nothing passes.
    """

    name: str
    act: Callable[[Bench, Path], dict[str, Any] | None]
    item: str
    at: str = "hashes"
    inconclusive: bool = False


def tried(case: Case, made: Bench, folder: Path, depth: str) -> Verification | GatllmError:
    """Carry out an attack on a copy of the honest run, and verify it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made.honest, folder)
    options = case.act(made, folder) or {}
    if depth == "replay":
        options.setdefault("seed", SEED)
    try:
        return verify(folder, depth=depth, **options)  # type: ignore[arg-type]
    except GatllmError as error:
        return error


# ── What a forger has at hand ────────────────────────────────────────────────────────────────────────────────────────


def chained(run: Path, entries: list[Fields]) -> None:
    """Write a log whose chain holds, whatever its entries say."""
    previous, lines = "0" * 64, []
    for number, entry in enumerate(entries):
        line = canonical_bytes({**entry, "seq": number, "prev": previous})
        previous = sha256(line)
        lines.append(line + b"\n")
    (run / "log.jsonl").write_bytes(b"".join(lines))


def rewritten(run: Path, change: Callable[[Fields], Fields | None]) -> None:
    """Change every entry of the log (None drops it) and chain it anew."""
    chained(run, [new for entry in read_log(run / "log.jsonl") if (new := change(dict(entry))) is not None])


def at(event: str, **fields: Any) -> Callable[[Fields], Fields]:
    """Return what sets ``fields`` of every ``event``; ``step`` says of which update only."""
    step = fields.pop("at_step", None)
    return lambda e: {**e, **fields} if e["event"] == event and step in (None, e.get("step")) else e


def signed(made: Bench, run: Path) -> None:
    """Sign a run anew with the forger's key, as far as it can be."""
    write_proof(run, made.forger)


def forged(change: Callable[[Fields], Fields | None]) -> Callable[[Bench, Path], None]:
    """Return an attack on the log that is chained and signed well."""

    def act(made: Bench, run: Path) -> None:
        rewritten(run, change)
        resigned(made, run)

    return act


def resigned(made: Bench, run: Path) -> None:
    """Sign whatever lies there: the forger's own program refuses nothing."""
    with mock.patch("gatllm.proof.document.check_times"):
        try:
            signed(made, run)
        except GatllmError:
            # What not even the claims can be read of: the old proof stays, and fails.
            return


def weights(run: Path, step: int | None, change: Callable[[torch.Tensor], torch.Tensor], *, state: bool = False) -> str:
    """Change the first tensor of a checkpoint (None: of the final weights); return the new root."""
    folder = run if step is None else run / "checkpoints" / f"step-{step:08d}"
    file = folder / ("state.safetensors" if state else "model.safetensors")
    tensors = load_weights(file)
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    tensors[name].copy_(change(tensors[name].clone()))
    save_weights(file, tensors)
    root = weights_root(load_weights(file))
    if step is not None:
        about = json.loads((folder / "checkpoint.json").read_text())
        about["state_root" if state else "weights_root"] = root
        (folder / "checkpoint.json").write_text(json.dumps(about))
    return root


def doctored(step: int | None, change: Callable[[torch.Tensor], torch.Tensor], *, state: bool = False) -> Any:
    """Return an attack that changes weights (or state) and lets log and proof agree with them."""

    def act(made: Bench, run: Path) -> None:
        root = weights(run, step, change, state=state)
        field = "state_root" if state else "weights_root"
        event = "end" if step is None else "checkpoint"
        rewritten(run, at(event, at_step=step, **{field: root}) if step else at(event, **{field: root}))
        resigned(made, run)

    return act


def elsewhere(entry: Fields, **claims: Any) -> Fields:
    """Claim another machine."""
    if entry["event"] != "start":
        return entry
    commitments = entry["commitments"]
    return {**entry, "commitments": {**commitments, "environment": {**commitments["environment"], **claims}}}


EPYC = {"processor": "AMD EPYC 9999", "device": "AMD EPYC 9999"}


def noise(tensor: torch.Tensor, scale: float) -> torch.Tensor:
    """Return ``tensor`` with noise of ``scale`` times its norm."""
    drawn = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(3))
    return tensor + drawn * (scale * tensor.norm() / drawn.norm())


def never_trained(claims: dict[str, Any]) -> Callable[[Bench, Path], None]:
    """Return the attack with which verification once passed whole: noise as weights, invented losses."""

    def act(made: Bench, run: Path) -> None:
        roots = {}
        for step in (3, 6, 9, 12):
            weights(run, step, lambda tensor: torch.randn(tensor.shape) * 0.02)
            roots[step] = weights(run, step, lambda tensor: torch.randn(tensor.shape) * 0.02)
        shutil.copy(run / "checkpoints" / "step-00000012" / "model.safetensors", run / "model.safetensors")

        def change(entry: Fields) -> Fields:
            entry = elsewhere(entry, **claims)
            if entry["event"] == "step":
                entry["loss"] = 3.0 / entry["step"]
            if entry["event"] == "checkpoint":
                entry["weights_root"] = roots[entry["step"]]
            if entry["event"] == "end":
                entry["weights_root"] = roots[12]
                entry["metrics"] = {**entry["metrics"], "loss": 0.25}
            return entry

        rewritten(run, change)
        resigned(made, run)

    return act


def retrained(patch: Callable[[], Any], *, claim: dict[str, Any] | None = None, **overrides: Any) -> Any:
    """Return an attack that trains otherwise than the recipe says, and signs the recipe."""

    def act(made: Bench, run: Path) -> None:
        shutil.rmtree(run)
        with patch():
            done = train(made.recipe(**overrides), run)
        claimed = made.recipe().replace({"model": done.recipe.model})
        (run / "recipe.toml").write_text(claimed.to_toml())

        def change(entry: Fields) -> Fields:
            entry = elsewhere(entry, **(claim or {}))
            if entry["event"] == "start":
                entry["commitments"] = {**entry["commitments"], "recipe": claimed.digest()}
            return entry

        rewritten(run, change)
        resigned(made, run)

    return act


def nothing() -> Any:
    """Return a patch of nothing."""
    return mock.patch.dict({}, {})


def skipping() -> Any:
    """Return a patch that leaves update 8 out."""
    update = Session._update

    def skip(self: Session, progress: float, *, skip: bool) -> float:
        if self.step != 7:
            return update(self, progress, skip=skip)
        self.optimizer.zero_grad()
        return self.optimizer.set_rates(progress)

    return mock.patch.object(Session, "_update", skip)


def choosing() -> Any:
    """Return a patch that trains update 5 on another batch."""
    batches = Session.batches

    def chosen(self: Session, progress: float) -> list[Any]:
        return [self.objective.batch(400, progress)] if self.step == 4 else batches(self, progress)

    return mock.patch.object(Session, "batches", chosen)


def initialised_otherwise() -> Any:
    """Return a patch that begins with other weights than the seed gives."""
    from gatllm.training import assembly

    build = assembly.build
    return mock.patch.object(assembly, "build", lambda config, seed: build(config, seed=seed + 1))


def same_dropout() -> Any:
    """Return a patch that drops the same units in every update."""
    return mock.patch.object(Session, "_dropout_seed", return_value=1)


def edited(name: str, change: Callable[[bytes], bytes]) -> Callable[[Bench, Path], None]:
    """Return an attack on the bytes of one file."""

    def act(made: Bench, run: Path) -> None:
        (run / name).write_bytes(change((run / name).read_bytes()))

    return act


def flipped(data: bytes) -> bytes:
    """Return ``data`` with one bit of its middle changed."""
    spot = len(data) // 2
    return data[:spot] + bytes([data[spot] ^ 1]) + data[spot + 1 :]


def document(change: Callable[[dict[str, Any]], Any]) -> Callable[[Bench, Path], None]:
    """Return an attack on ``proof.json`` that keeps it canonical."""

    def act(made: Bench, run: Path) -> None:
        value = json.loads((run / "proof.json").read_bytes())
        change(value)
        (run / "proof.json").write_bytes(canonical_bytes(value) + b"\n")

    return act


def added(name: str, content: bytes = b"x") -> Callable[[Bench, Path], None]:
    """Return an attack that puts one more file into the run."""

    def act(made: Bench, run: Path) -> None:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(content)

    return act


def done(action: Callable[[Path], object]) -> Callable[[Bench, Path], None]:
    """Return an attack that takes the run folder only."""

    def act(made: Bench, run: Path) -> None:
        action(run)

    return act


def swapped(run: Path) -> None:
    first, second = (run / "checkpoints" / f"step-{step:08d}" / "model.safetensors" for step in (3, 6))
    first.rename(run / "x")
    second.rename(first)
    (run / "x").rename(second)


def linked(run: Path) -> None:
    (run / "tokenizer.json").rename(run.parent / "elsewhere.json")
    (run / "tokenizer.json").symlink_to(run.parent / "elsewhere.json")


def linked_folder(run: Path) -> None:
    shutil.rmtree(run.parent / "elsewhere", ignore_errors=True)
    (run / "checkpoints").rename(run.parent / "elsewhere")
    (run / "checkpoints").symlink_to(run.parent / "elsewhere")


LINES = bytes.splitlines


def lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Bench, Path], None]:
    """Return an attack on the lines of the log that makes nothing agree."""
    return edited("log.jsonl", lambda data: b"".join(change(data.splitlines(keepends=True))))


def spelled(change: Callable[[bytes], bytes]) -> Callable[[Bench, Path], None]:
    """Return an attack that spells one line of the log otherwise and chains and signs all anew."""

    def act(made: Bench, run: Path) -> None:
        previous, out = "0" * 64, []
        for number, entry in enumerate(read_log(run / "log.jsonl")):
            line = canonical_bytes({**entry, "prev": previous})
            line = change(line) if number == 2 else line
            previous = sha256(line)
            out.append(line + b"\n")
        (run / "log.jsonl").write_bytes(b"".join(out))
        resigned(made, run)

    return act


def timed(number: int, time: str) -> Callable[[Bench, Path], None]:
    """Return an attack that dates one line (counted from the end where negative) otherwise."""

    def act(made: Bench, run: Path) -> None:
        entries = read_log(run / "log.jsonl")
        entries[number]["time"] = time
        chained(run, entries)
        resigned(made, run)

    return act


def all_in_the_past(made: Bench, run: Path) -> None:
    rewritten(run, lambda entry: {**entry, "time": "1970-01-01T00:00:00.000+00:00"})
    resigned(made, run)


def entries(change: Callable[[list[Fields]], list[Fields]]) -> Callable[[Bench, Path], None]:
    """Return an attack on the list of entries, chained and signed well."""

    def act(made: Bench, run: Path) -> None:
        chained(run, change([dict(entry) for entry in read_log(run / "log.jsonl")]))
        resigned(made, run)

    return act


def without(event: str, step: int) -> Callable[[list[Fields]], list[Fields]]:
    return lambda log: [e for e in log if not (e["event"] == event and e.get("step") == step)]


def inserted(entry: Fields, spot: int) -> Callable[[list[Fields]], list[Fields]]:
    return lambda log: [*log[:spot], {"time": log[spot - 1]["time"], **entry}, *log[spot:]]


def signature(number: int, change: Callable[[dict[str, str]], object]) -> Callable[[Bench, Path], None]:
    return document(lambda value: change(value["signatures"][number]))


ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def high_s(entry: dict[str, str]) -> None:
    raw = bytes.fromhex(entry["signature"][2:])
    other = (ORDER - int.from_bytes(raw[32:64])).to_bytes(32)
    entry["signature"] = "0x" + (raw[:32] + other + bytes([55 - raw[64]])).hex()


def as_forger(made: Bench, run: Path) -> dict[str, Any]:
    resigned(made, run)
    return {"signer": made.key.address}


def registered(**changes: Any) -> Callable[[Bench, Path], dict[str, Any]]:
    """Return an attack that shows what a chain holds of another run or trainer."""

    def act(made: Bench, run: Path) -> dict[str, Any]:
        proof = read_proof(run)
        found = Registration(proof.hashes, changes.get("trainer", proof.signer))
        if "output_hash" in changes:
            found = replace(found, hashes=replace(found.hashes, output_hash=changes["output_hash"]))
        return {"registration": found}

    return act


def committed(block: str, later: str | None) -> Callable[[Bench, Path], dict[str, Any]]:
    """Return an attack: the seed is said to come from ``block``; the block after the promise is ``later``."""

    def act(made: Bench, run: Path) -> dict[str, Any]:
        shutil.rmtree(run)
        train(made.recipe(**{"determinism.seed": "committed", "determinism.block": block}), run)
        write_proof(run, made.key)
        proof = read_proof(run)
        promise = None if later is None else Commitment(7, later)
        return {"registration": Registration(proof.hashes, proof.signer, promise)}

    return act


def claimed_committed(made: Bench, run: Path) -> None:
    recipe = made.recipe(**{"determinism.seed": "committed"}).replace({"model": _model(run)})
    (run / "recipe.toml").write_text(recipe.to_toml())
    rewritten(
        run,
        lambda e: {**e, "commitments": {**e["commitments"], "recipe": recipe.digest()}} if "commitments" in e else e,
    )
    resigned(made, run)


def _model(run: Path) -> Any:
    return Recipe.load(run / "recipe.toml").model


def other_data(change: Callable[[bytes], bytes]) -> Callable[[Bench, Path], dict[str, Any]]:
    def act(made: Bench, run: Path) -> dict[str, Any]:
        other = run.parent / "other.txt"
        other.write_bytes(change(made.text.read_bytes()))
        return {"datasets": [other]}

    return act


def claimed_data(made: Bench, run: Path) -> dict[str, Any]:
    """Claim to have been trained on data that one shows, having been trained on other data."""
    other = run.parent / "other.txt"
    other.write_bytes(made.text.read_bytes().replace(b"dog", b"hog"))
    root = sha256(other.read_bytes())
    rewritten(run, lambda e: {**e, "commitments": {**e["commitments"], "data_root": root}} if "commitments" in e else e)
    resigned(made, run)
    return {"datasets": [other]}


def thinned(*steps: int) -> Callable[[Bench, Path], None]:
    """Return an attack that makes up a part and keeps no checkpoint within it."""

    def act(made: Bench, run: Path) -> None:
        for step in steps:
            shutil.rmtree(run / "checkpoints" / f"step-{step:08d}")
        rewritten(run, lambda e: {**e, "loss": e["loss"] * 0.9} if e["event"] == "step" and e["step"] in (7, 8) else e)
        resigned(made, run)

    return act


def interpolated(made: Bench, run: Path) -> None:
    """Put the middle between two honest checkpoints in the place of one."""
    before, after = (load_weights(run / "checkpoints" / f"step-{s:08d}" / "model.safetensors") for s in (6, 12))
    name = next(iter(before))
    doctored(9, lambda tensor: (before[name] + after[name]) / 2)(made, run)


def recipe_changed(made: Bench, run: Path) -> None:
    path = run / "recipe.toml"
    path.write_text(path.read_text().replace(f"lr = {LR}", f"lr = {LR * 1.001}"))
    recipe = Recipe.load(path)
    rewritten(
        run,
        lambda e: {**e, "commitments": {**e["commitments"], "recipe": recipe.digest()}} if "commitments" in e else e,
    )
    resigned(made, run)


def short_run(made: Bench, run: Path) -> None:
    """Log half of the updates that the recipe has."""

    def change(log: list[Fields]) -> list[Fields]:
        kept = [e for e in log if e.get("step", 0) <= 6 or e["event"] == "end"]
        end = kept[-1]
        last = next(e for e in reversed(kept) if e["event"] == "checkpoint")
        return [*kept[:-1], {**end, "step": 6, "weights_root": last["weights_root"]}]

    for step in (9, 12):
        shutil.rmtree(run / "checkpoints" / f"step-{step:08d}")
    shutil.copy(run / "checkpoints" / "step-00000006" / "model.safetensors", run / "model.safetensors")
    entries(change)(made, run)


def earlier_weights(made: Bench, run: Path) -> None:
    shutil.copy(run / "checkpoints" / "step-00000006" / "model.safetensors", run / "model.safetensors")
    root = next(e["weights_root"] for e in read_log(run / "log.jsonl") if e["event"] == "checkpoint" and e["step"] == 6)
    rewritten(run, at("end", step=6, weights_root=root))
    resigned(made, run)


def metrics(**values: Any) -> Callable[[Bench, Path], None]:
    return forged(lambda e: {**e, "metrics": {**e["metrics"], **values}} if e["event"] == "end" else e)


def fixed_order_claimed(made: Bench, run: Path) -> None:
    recipe = made.recipe(**{"determinism.fixed_order": True}).replace({"model": _model(run)})
    (run / "recipe.toml").write_text(recipe.to_toml())
    digest = {"recipe": recipe.digest()}
    rewritten(run, lambda e: {**e, "commitments": {**e["commitments"], **digest}} if "commitments" in e else e)
    resigned(made, run)


def first_loss(entry: Fields) -> Fields:
    return (
        {**entry, "loss": entry["loss"] * (1 + 1e-9)} if entry.get("step") == 1 and entry["event"] == "step" else entry
    )


def in_order(act: Callable[[Bench, Path], object], **claims: Any) -> Callable[[Bench, Path], None]:
    """Return an attack on the run that was trained in fixed order; that another machine is claimed excuses nothing."""

    def attack(made: Bench, run: Path) -> None:
        shutil.rmtree(run)
        shutil.copytree(made.ordered, run)
        rewritten(run, lambda entry: elsewhere(entry, **(claims or EPYC)))
        act(made, run)

    return attack


FOREIGN = {"torch": "2.9.0", "threads": 64}
STEP = "checkpoints/step-00000006"
CASES = (
    # Bytes, after the run was signed.
    *(
        Case(f"one bit of {name}", edited(name, flipped), name)
        for name in (
            "log.jsonl",
            "recipe.toml",
            "tokenizer.json",
            "model.safetensors",
            "report/report.md",
            f"{STEP}/model.safetensors",
            f"{STEP}/state.safetensors",
            f"{STEP}/checkpoint.json",
        )
    ),
    Case("a file cut short", edited("model.safetensors", lambda data: data[:-1]), "model.safetensors"),
    Case("a file made longer", edited("tokenizer.json", lambda data: data + b" "), "tokenizer.json"),
    Case("a file emptied", edited("recipe.toml", lambda data: b""), "recipe.toml"),
    Case("final weights missing", done(lambda run: (run / "model.safetensors").unlink()), "model.safetensors"),
    Case("log missing", done(lambda run: (run / "log.jsonl").unlink()), "log.jsonl"),
    Case("a checkpoint missing", done(lambda run: shutil.rmtree(run / STEP)), f"{STEP}/model.safetensors"),
    Case("a file added", added("notes.txt"), "notes.txt"),
    Case("a hidden file added", added(".hidden"), ".hidden"),
    Case("weights added", added("better.safetensors"), "better.safetensors"),
    Case(
        "a checkpoint added",
        added("checkpoints/step-00000099/model.safetensors"),
        "checkpoints/step-00000099/model.safetensors",
    ),
    Case("a name that prints an ok line", added("x\nok  files: all"), "x\nok  files: all"),
    Case("a link in place of a file", done(linked), "files"),
    Case("a link in place of a folder", done(linked_folder), "files"),
    Case("a pipe", done(lambda run: os.mkfifo(run / "pipe")), "files"),
    Case("checkpoints swapped", done(swapped), f"{STEP}/model.safetensors"),
    Case("line ends changed", edited("log.jsonl", lambda data: data.replace(b"\n", b"\r\n")), "log.jsonl"),
    Case(
        "a pointer in place of weights",
        edited("model.safetensors", lambda d: b"version https://git-lfs.github.com/spec/v1\n"),
        "model.safetensors",
    ),
    # The log, nothing made to agree.
    Case("a line dropped", lines(lambda log: [*log[:3], *log[4:]]), "log"),
    Case("lines exchanged", lines(lambda log: [*log[:3], log[4], log[3], *log[5:]]), "log"),
    Case("the last line dropped", lines(lambda log: log[:-1]), "log"),
    Case("the last line cut", lines(lambda log: [*log[:-1], log[-1][:-9]]), "log"),
    Case("a line doubled", lines(lambda log: [*log[:3], log[2], *log[3:]]), "log"),
    # The log, chained and signed anew.
    Case("a key twice in a line", spelled(lambda line: line.replace(b'{"event"', b'{"event":"x","event"', 1)), "log"),
    Case("spaces in a line", spelled(lambda line: line.replace(b":", b": ", 1)), "log"),
    Case("a time before the one before", timed(5, "2026-02-01T00:00:00.000+00:00"), "history"),
    Case("an end in the future", timed(-1, "2999-01-01T00:00:00.000+00:00"), "history"),
    Case("times of 1970", all_in_the_past, "history"),
    Case("a time written otherwise", timed(-1, "2026-11-27"), "history"),
    Case("an update left out", entries(without("step", 5)), "history"),
    Case("an update twice", entries(inserted({"event": "step", "step": 3}, 4)), "history"),
    Case("progress that goes back", forged(at("step", progress=0.0, at_step=7)), "history"),
    Case("a checkpoint of another update", forged(at("checkpoint", step=7, at_step=6)), "history"),
    Case("an end at no checkpoint", forged(at("end", step=11)), "history"),
    Case("going on from nowhere", entries(inserted({"event": "resume", "step": 2}, 5)), "history"),
    Case("a second start", entries(lambda log: [log[0], log[0], *log[1:]]), "log.jsonl"),
    Case("a second end", entries(lambda log: [*log, log[-1]]), "log.jsonl"),
    Case("something after the end", entries(lambda log: [*log, {**log[1]}]), "log.jsonl"),
    Case("a log without updates", entries(lambda log: [e for e in log if e["event"] in ("start", "end")]), "history"),
    # Signatures.
    Case("signed by another key", as_forger, "signer"),
    Case("another signer named", document(lambda v: v.update(signer="0x" + "11" * 20)), "signature"),
    Case("no signatures", document(lambda v: v.update(signatures=[])), "signature"),
    Case("one signature", document(lambda v: v["signatures"].pop()), "signature"),
    Case("signatures exchanged", document(lambda v: v["signatures"].reverse()), "signature"),
    Case("the other s", signature(0, high_s), "signature"),
    Case("capital digits", signature(0, lambda s: s.update(signature="0x" + s["signature"][2:].upper())), "signature"),
    Case("a note in a signature", signature(1, lambda s: s.update(note="hello")), "signature"),
    Case("another Ed25519 key", document(lambda v: v.update(ed25519="22" * 32)), "signature"),
    Case("another date of the proof", document(lambda v: v.update(created="2026-11-22T00:00:00+00:00")), "signature"),
    Case("another output hash", document(lambda v: v["hashes"].update(output_hash="33" * 32)), "output_hash"),
    Case("ignored files named afterwards", document(lambda v: v.update(ignored=["log.jsonl"])), "signature"),
    Case("another kind of proof", document(lambda v: v.update(type="gatllm/training-proof/v9")), "proof.json"),
    Case("a proof with spaces", edited("proof.json", lambda data: data.replace(b":", b": ", 1)), "proof.json"),
    Case("an envelope about nothing", added("proof.intoto.json", b"{}"), "proof.intoto.json"),
    # Chain.
    Case("the registration of another run", registered(output_hash="44" * 32), "registration"),
    Case("a registration by another", registered(trainer="0x" + "55" * 20), "registration"),
    Case("a seed from a block that was searched for", committed("66" * 32, "77" * 32), "commitment"),
    Case("a seed from a block, without a promise", committed("66" * 32, None), "commitment"),
    Case("a chosen seed that claims to be drawn", claimed_committed, "seed"),
    # Data.
    Case("one byte of the data", other_data(lambda data: data.replace(b"dog", b"hog", 1)), "data"),
    Case("data in another order", other_data(lambda data: data[100:] + data[:100]), "data"),
    Case("other data than was trained on", claimed_data, "replay", "replay"),
    # Hashes and signatures agree: what was computed does not.
    Case("never trained, same machine claimed", never_trained({}), "replay", "replay"),
    Case("never trained, EPYC claimed", never_trained(EPYC), "replay", "replay"),
    Case(
        "never trained, bf16 and EPYC claimed",
        never_trained({**EPYC, "dtype": "bf16"}),
        "replay",
        "replay",
        inconclusive=True,
    ),
    Case(
        "losses made up",
        forged(lambda e: {**e, "loss": 1.0 / e["step"]} if e["event"] == "step" else e),
        "replay",
        "replay",
    ),
    Case(
        "losses made up, EPYC claimed",
        forged(lambda e: elsewhere({**e, "loss": 1.0 / e["step"]} if e["event"] == "step" else e, **EPYC)),
        "replay",
        "replay",
    ),
    Case("one loss off by a billionth", forged(first_loss), "replay", "replay"),
    Case(
        "gradient norms made up",
        forged(lambda e: elsewhere({**e, "grad_norm": 0.1} if e["event"] == "step" else e, **EPYC)),
        "replay",
        "replay",
        inconclusive=True,
    ),
    Case(
        "rates made up",
        forged(lambda e: elsewhere({**e, "lr": 0.1} if e["event"] == "step" else e, **EPYC)),
        "replay",
        "replay",
    ),
    Case(
        "losses left out of the log",
        forged(lambda e: {k: v for k, v in e.items() if k != "loss"} if e["event"] == "step" else e),
        "replay",
        "replay",
    ),
    Case("a rate off by 0.1 %", retrained(nothing, **{"train.lr": LR * 1.001}), "replay", "replay"),
    Case(
        "a rate off by 0.1 %, EPYC claimed",
        retrained(nothing, claim=EPYC, **{"train.lr": LR * 1.001}),
        "replay",
        "replay",
    ),
    Case("one update left out of training", retrained(skipping), "replay 6 to 9", "full"),
    Case(
        "one update left out, EPYC claimed", retrained(skipping, claim=EPYC), "replay 6 to 9", "full", inconclusive=True
    ),
    Case("a batch of one's choice", retrained(choosing), "replay 3 to 6", "full"),
    Case("trained before the start", retrained(initialised_otherwise), "replay", "replay"),
    Case("the same dropout throughout", retrained(same_dropout), "replay", "replay"),
    Case("another seed than the recipe's", retrained(nothing, seed=4), "replay", "replay"),
    Case("another recipe than was trained", recipe_changed, "replay", "replay"),
    Case("a checkpoint off by 1e-3", doctored(6, lambda t: noise(t, 1e-3)), "replay 3 to 6", "full"),
    Case("a checkpoint off by 1e-6", doctored(6, lambda t: noise(t, 1e-6)), "replay 3 to 6", "full"),
    Case(
        "a checkpoint off by 1e-6, EPYC claimed",
        lambda m, r: (rewritten(r, lambda e: elsewhere(e, **EPYC)), doctored(6, lambda t: noise(t, 1e-6))(m, r))[0],
        "replay 3 to 6",
        "full",
        inconclusive=True,
    ),
    Case("a checkpoint between two others", interpolated, "replay 6 to 9", "full"),
    Case("optimizer state off by 1e-2", doctored(6, lambda t: noise(t, 1e-2), state=True), "replay 3 to 6", "full"),
    Case("final weights from elsewhere", doctored(None, lambda t: noise(t, 1e-2)), "final weights", "replay"),
    Case("final weights of an earlier update", earlier_weights, "final weights", "replay"),
    Case("better metrics", metrics(loss=0.001), "metrics", "replay"),
    Case("more tokens than were seen", metrics(tokens=10**9), "metrics", "replay"),
    Case("more parameters than there are", metrics(parameters=7 * 10**9), "metrics", "replay"),
    Case(
        "a better validation on the way",
        forged(lambda e: {**e, "loss": 0.5} if e["event"] == "validation" else e),
        "replay",
        "replay",
    ),
    Case("half of the recipe's updates", short_run, "replay", "replay"),
    Case("a made-up part without checkpoints", thinned(6), "replay 6 to 9", "full"),
    Case(
        "another version of torch claimed, checkpoint off",
        lambda m, r: (rewritten(r, lambda e: elsewhere(e, **FOREIGN)), doctored(9, lambda t: noise(t, 1e-5))(m, r))[0],
        "replay 6 to 9",
        "full",
        inconclusive=True,
    ),
    Case(
        "other code claimed, never trained",
        lambda m, r: (
            rewritten(
                r,
                lambda e: (
                    {**e, "commitments": {**e["commitments"], "code": {"version": "9"}}} if "commitments" in e else e
                ),
            ),
            never_trained({})(m, r),
        )[0],
        "replay",
        "replay",
        inconclusive=True,
    ),
    # In fixed order no machine gives other bits: what differs is forged.
    *(
        Case(
            f"fixed order, EPYC claimed: a checkpoint off by {scale:g}",
            in_order(doctored(6, lambda t, s=scale: noise(t, s))),
            "replay 3 to 6",
            "full",
        )
        for scale in (1e-2, 1e-4, 1e-6, 1e-7)
    ),
    Case("fixed order, EPYC claimed: a checkpoint between two others", in_order(interpolated), "replay 6 to 9", "full"),
    Case("fixed order, EPYC claimed: losses off by a billionth", in_order(forged(first_loss)), "replay", "replay"),
    Case(
        "fixed order, EPYC claimed: gradient norms made up",
        in_order(forged(at("step", grad_norm=0.1))),
        "replay",
        "replay",
    ),
    Case(
        "fixed order, EPYC claimed: state off by 1e-4",
        in_order(doctored(6, lambda t: noise(t, 1e-4), state=True)),
        "replay 3 to 6",
        "full",
    ),
    Case("fixed order, EPYC claimed: better metrics", in_order(metrics(loss=0.001)), "metrics", "replay"),
    Case("fixed order claimed of a run that had none", fixed_order_claimed, "replay", "replay"),
)


def passes_as_more(result: Verification | GatllmError, case: Case, depth: str) -> str:
    """Return in what an attack passes as more than it is; an empty string when it doesn't."""
    if isinstance(result, GatllmError):
        return ""
    if not result.ok:
        failed = {item.name for item in result.failures}
        due = DEPTHS.index(depth) >= DEPTHS.index(case.at) and not case.inconclusive
        return f"{case.item} is not among what fails: {sorted(failed)}" if due and case.item not in failed else ""
    if depth == "full" or case.at != "full":
        return "verified"
    return "" if result.redone < result.updates else "every update said to be done again"


def table(folder: Path) -> Iterator[tuple[Case, dict[str, Verification | GatllmError]]]:
    """Yield every case with what verification says at each depth."""
    made = bench(folder)
    for case in CASES:
        yield case, {depth: tried(case, made, folder / "tried", depth) for depth in DEPTHS}


__all__ = ["CASES", "DEPTHS", "Bench", "Case", "HashLog", "bench", "passes_as_more", "table", "tried"]
