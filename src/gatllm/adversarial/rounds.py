"""Rounds, played: both sides in turn, every step resumable, one log."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gatllm.adversarial import learning
from gatllm.adversarial.breaker import even
from gatllm.adversarial.game import EventCallback, Finished, Game, Settings
from gatllm.adversarial.judge import Judge, area
from gatllm.adversarial.page import write_page
from gatllm.adversarial.pieces import Sides, read_sides
from gatllm.adversarial.referee import Referee
from gatllm.adversarial.standing import HeldOut, Standing, hold_out, measure, mined_cases, sample
from gatllm.adversarial.writer import Writer, Written
from gatllm.data import Dataset
from gatllm.errors import GatllmError, UsageError
from gatllm.progress import Progress, Report, silent
from gatllm.records import HashLog, file_sha256, read_log, write_file
from gatllm.training.recipe import Recipe
from gatllm.training.run import MODEL, RECIPE, Run
from gatllm.training.training import train

LOG = "rounds.jsonl"
_HELD_OUT = "held-out.json"
_SAMPLES = "samples.json"
_UNLEARNT = 0.15  # nats per token that the generator may lose on real code
_REPEATING = 0.6  # of the first generator's different 4-grams must be left


def _nothing(*_: object) -> None:
    """Do nothing."""


def play(
    start: Path | str,
    out: Path | str,
    *,
    rounds: int = 5,
    generator: Path | str | None = None,
    dataset: Path | str | None = None,
    real: Path | str | None = None,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    finished: Finished = _nothing,
    observe: EventCallback = _nothing,
    report: Report = silent,
) -> list[Standing]:
    """Play rounds from the discriminator run ``start`` and return how both sides stood after each.

    A round: the breaker finds what the discriminator misses; the generator writes fakes; real code that is falsely
    accused is collected; the discriminator learns from all three; the generator learns from real code and from those
    of its answers that the discriminator and the critics like best. Played again with the same folder, it continues
    where it was, whenever it was stopped.

    Args:
        start: run folder of a discriminator.
        out: folder of the rounds.
        rounds: how many in all; more can be played later.
        generator: run folder of a generator, or a recipe, by which one is trained first; None: the breaker alone.
        dataset: positive dataset that both sides learn from and are measured on; None: the discriminator's own.
        real: negative dataset of mined mistakes, for a last phase after the rounds.
        settings: budgets and counts.
        finished: called with every finished run, the datasets it learned from, and the run it continues.
        observe: called with every standing, also with those that were measured before.
        report: told how far it is.

    Raises:
        GatllmError: ``start`` is not a discriminator run, a dataset is missing, too small or of the wrong kind.
        UsageError: the folder holds rounds that were begun with something else.
        VerificationError: what the rounds began with was changed.
    """
    start, out = Path(start), Path(out)
    recipe = Run.open(start).recipe
    if recipe.objective != "tagging":
        raise GatllmError(f"{start} holds no discriminator", "name a run of recipes/discriminator.toml")
    if real is not None and Dataset.open(real).manifest.kind != "negative":
        raise GatllmError(f"{real} holds no pairs of broken and repaired code", "name a negative dataset")
    source = str(dataset or getattr(recipe.data, "source", ""))
    out.mkdir(parents=True, exist_ok=True)
    sides = read_sides(source, report)
    writing = _generator(generator, out, source, sides.path, settings, finished, report)
    mined = Path(real) if real is not None else None
    began = _began(start, writing, sides, settings, mined)
    with Referee(tests=settings.tests) as referee, HashLog(out / LOG) as log:
        held = _held_out(out, log, began, sides, writing, referee)
        if mined is not None:
            held = replace(held, mined=mined_cases(mined))
        game = Game(
            out, start, writing, settings, source, mined, sides, held, Judge(start), referee, log, report, finished
        )
        return _play(game, rounds, observe)


def _generator(
    generator: Path | str | None,
    out: Path,
    source: str,
    folder: Path,
    settings: Settings,
    finished: Finished,
    report: Report,
) -> Path | None:
    """Return the run of the generator; where a recipe is named, train it first."""
    if generator is None:
        return None
    if (Path(generator) / RECIPE).is_file():
        if Run.open(generator).recipe.objective == "tagging":
            raise GatllmError(f"{generator} holds no generator", "name the run of a gpt or seq2seq model")
        return Path(generator)
    if Path(generator).is_dir():
        raise GatllmError(f"{generator} is not a run folder", "name a folder that `gatllm train` made, or a recipe")
    recipe = Recipe.load(generator, {"data.source": source, **settings.generator_overrides})
    run = train(recipe, out / "generator", report=report)
    finished(run, [folder], out)
    return run.path


def _began(start: Path, generator: Path | None, sides: Sides, settings: Settings, real: Path | None) -> dict[str, Any]:
    """Return what decides the course of the rounds: with something else it would be another game."""
    return {
        "discriminator": file_sha256(start / MODEL),
        "generator": file_sha256(generator / MODEL) if generator else None,
        "dataset": sides.root,
        "real": Dataset.open(real).manifest.merkle_root if real else None,
        "settings": json.loads(json.dumps(asdict(settings))),
    }


def _held_out(
    out: Path,
    log: HashLog,
    began: dict[str, Any],
    sides: Sides,
    generator: Path | None,
    referee: Referee,
) -> HeldOut:
    """Return the held-out set, made once; refuse to go on with another game."""
    entries = read_log(out / LOG) if log.size else []
    if not entries:
        writer = Writer(generator) if generator else None
        settings = began["settings"]
        held = hold_out(sides.held_out, writer, referee, each=settings["cases"], prompts=settings["prompts"])
        if not held.cases:
            raise GatllmError("nothing in the held-out code could be broken", "name a larger --dataset")
        whole = held.save(out / _HELD_OUT)
        rulings = dict(sorted(referee.rulings.items()))
        log.append("start", durable=True, held_out=whole, rulings=rulings, tests=referee.tests, **began)
        return held
    first = entries[0]
    for name, value in began.items():
        # Mined mistakes may come later: the rounds before them are the same.
        if first.get(name) != value and not (name == "real" and first.get(name) is None):
            raise UsageError(f"{out} holds rounds that were begun with another {name}", "name another --out")
    return HeldOut.load(out / _HELD_OUT, first["held_out"])


def _play(game: Game, rounds: int, observe: EventCallback) -> list[Standing]:
    entries = read_log(game.log.path)
    done = {(e["phase"], e["round"]): Standing.of(e) for e in entries if e["event"] == "standing"}
    discriminator, writing, weights = game.start, game.generator, even()
    standings: list[Standing] = []
    steps = rounds + 1 + (game.real is not None)
    began, played = time.monotonic(), 0
    for number in range(rounds + 1):
        _tell(game, number, steps, began, played)
        played += ("round", number) not in done
        judge, writer = Judge(discriminator), Writer(writing) if writing else None
        written = writing
        if number:
            discriminator, weights = _round(game, number, judge, discriminator, writer, weights)
            if writer is not None and game.generator is not None and writing is not None:
                written = _write(game, number, Judge(discriminator), writer, writing)
        standing = _known(game, done, "round", number, discriminator, written, standings)
        standings.append(standing)
        observe(standing)
        if standing.kept:
            writing = written
        _write_page(game, standings)
    if game.real is not None:
        _tell(game, rounds + 1, steps, began, played)
        if standings[-1].real_auroc is None and standings[-1].real_repaired is None:  # mined after the rounds
            standings.append(_known(game, done, "before real", rounds, discriminator, writing, standings))
            observe(standings[-1])
        discriminator = _last_phase(game, rounds, discriminator, weights)
        standings.append(_known(game, done, "real", rounds, discriminator, writing, standings))
        observe(standings[-1])
    _cross(game, rounds)
    _write_page(game, standings)
    game.report(Progress("rounds", steps, steps, "rounds"))
    return standings


def _tell(game: Game, number: int, steps: int, began: float, played: int) -> None:
    left = ""
    if played:
        minutes = (time.monotonic() - began) / played * (steps - number) / 60
        left = f"about {minutes:.0f} min left"
    game.report(Progress("rounds", number, steps, "rounds", left))


def _round(
    game: Game, number: int, judge: Judge, before: Path, writer: Writer | None, weights: dict[str, float]
) -> tuple[Path, dict[str, float]]:
    """Let the discriminator learn; return its run and the breaker's next mixture."""
    folder = game.folder(number)
    broken = learning.errors(game, number, judge, writer, weights)
    mixture = {str(name): float(value) for name, value in broken.manifest.made_with["weights"].items()}
    fake = learning.fakes(game, number, writer) if writer is not None else None
    hard = learning.accused(game, number, judge)
    _note(game, number, "course", errors=broken, fakes=fake, accused=hard)
    run = learning.learn_to_tell(
        game,
        number,
        before,
        folder / "discriminator",
        weights=mixture,
        pairs=[game.folder(one) / "errors" for one in range(1, number + 1)],
        fake=fake.path if fake is not None else None,
        real=hard.path,
    )
    return run, mixture


def _write(game: Game, number: int, judge: Judge, writer: Writer, before: Path) -> Path:
    """Let the generator learn, with the discriminator that just learned as its judge."""
    assert game.generator is not None  # noqa: S101  # asked before
    reward = learning.rewarded(game, number, judge, writer)
    _note(game, number, "reward", rewarded=reward)
    out = game.folder(number) / "generator"
    return learning.learn_to_write(game, number, game.generator, before, out, reward)


def _note(game: Game, number: int, event: str, **datasets: Dataset | None) -> None:
    """Log what a round's datasets are, once."""
    if any(e["event"] == event and e["round"] == number for e in read_log(game.log.path)):
        return
    made = {
        name: {"records": len(one), "merkle_root": one.manifest.merkle_root, **one.manifest.made_with}
        for name, one in datasets.items()
        if one is not None
    }
    game.log.append(event, durable=True, round=number, **made)


def _last_phase(game: Game, rounds: int, before: Path, weights: dict[str, float]) -> Path:
    """Train on mined mistakes: detectors that saw injected ones alone fail on real code (He et al. 2022)."""
    assert game.real is not None  # noqa: S101  # asked before
    folder, last = game.out / f"real-{rounds}", game.folder(rounds)
    known = [game.folder(one) / "errors" for one in range(1, rounds + 1)]
    fake = last / "fakes"
    return learning.learn_to_tell(
        game,
        rounds + 1,
        before,
        folder,
        weights=weights,
        pairs=[game.real, *known],
        fake=fake if fake.is_dir() else None,
        real=last / "accused" if (last / "accused").is_dir() else None,
        stored=0.5,
    )


def _known(
    game: Game,
    done: dict[tuple[str, int], Standing],
    phase: str,
    number: int,
    discriminator: Path,
    writing: Path | None,
    before: list[Standing],
) -> Standing:
    """Return a standing that was measured before, else measure it."""
    if (phase, number) not in done:
        done[phase, number] = _measure(game, number, discriminator, writing, before, phase)
    return done[phase, number]


def _measure(
    game: Game, number: int, discriminator: Path, writing: Path | None, before: list[Standing], phase: str
) -> Standing:
    game.report(Progress("measure", 0, note=f"round {number}"))
    writer = Writer(writing) if writing is not None else None
    answers = sample(writer, game.held.prompts) if writer is not None else []
    if answers and phase == "round":
        _keep_samples(game, number, answers)
    standing = measure(number, Judge(discriminator), writer, game.held, game.first, answers, phase)
    if before and writer is not None:
        standing = Standing.of({**standing.as_dict(), "kept": _is_sound(standing, before[0])})
    game.log.append("standing", durable=True, **standing.as_dict())
    return standing


def _is_sound(now: Standing, first: Standing) -> bool:
    """Tell whether a generator may play on: it still knows real code, and does not repeat itself."""
    if None in (now.loss, first.loss, now.distinct, first.distinct):
        return True
    forgot = (now.loss or 0.0) > (first.loss or 0.0) + _UNLEARNT
    return not forgot and (now.distinct or 0.0) >= _REPEATING * (first.distinct or 0.0)


def _write_page(game: Game, standings: list[Standing]) -> None:
    samples: dict[int, list[dict[str, Any]]] = {}
    for one in standings:
        file = game.folder(one.round) / _SAMPLES
        if one.phase == "round" and file.is_file():
            samples[one.round] = json.loads(file.read_text(encoding="utf-8"))
    write_page(game.out, standings, read_log(game.log.path), samples, len(game.held.clean))


def _keep_samples(game: Game, number: int, answers: list[Written]) -> None:
    values = [{"prompt": one.prompt, "text": one.text, "ended": one.ended} for one in answers]
    write_file(game.folder(number) / _SAMPLES, json.dumps(values, indent=1) + "\n")


def _cross(game: Game, rounds: int) -> None:
    """Log how well each round's discriminator tells each round's samples from people's code: who improved by whom."""
    if game.generator is None or any(
        e["event"] == "cross" and len(e["auroc"]) == rounds + 1 for e in read_log(game.log.path)
    ):
        return
    samples = []
    for number in range(rounds + 1):
        values = json.loads((game.folder(number) / _SAMPLES).read_text(encoding="utf-8"))
        samples.append([str(one["text"]) for one in values])
    rows = []
    for number in range(rounds + 1):
        game.report(Progress("cross", number, rounds + 1, "discriminators"))
        judge = Judge(game.start if not number else game.folder(number) / "discriminator")
        people = judge.looks(game.held.people)
        rows.append([area(people, judge.looks(texts)) for texts in samples])
    game.log.append("cross", durable=True, auroc=rows)
