"""One round's training of either side: an ordinary run each, that begins with the weights of the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from gatllm.adversarial.breaker import break_code, harder
from gatllm.adversarial.game import Game
from gatllm.adversarial.judge import Judge, fractions
from gatllm.adversarial.pieces import Piece, draw
from gatllm.adversarial.replacing import replaced
from gatllm.adversarial.reward import record, score, select
from gatllm.adversarial.writer import OWN, Writer, Written
from gatllm.data import Dataset
from gatllm.records import sha256
from gatllm.training.run import Run
from gatllm.training.tables import TrainTable
from gatllm.training.training import train

_GENTLER = {"discriminator": 2.0, "generator": 4.0}  # times lower rates than those that the first run began with
_OTHERS = 0.5  # caught errors kept for each missed one: what is known must not be forgotten
_REPLAYED = 0.5  # fraction of the last round's fakes that are shown again
_ACCUSED = 0.05  # fraction of the judged code that looks most fake


def errors(game: Game, number: int, judge: Judge, writer: Writer | None, weights: Mapping[str, float]) -> Dataset:
    """Return the errors that the breaker kept; the manifest's notes hold its next mixture and what was ruled."""

    def make() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        rng = Random(f"breaker {number}")
        drafted = break_code(game.sides.train, game.settings.cases, rng)
        if writer is not None:
            pieces = draw(game.sides.train, len(drafted), rng)
            drafted += replaced(writer, pieces, number, most=2)
        game.referee.rulings.clear()
        cases = game.referee.counting(drafted)
        misses = judge.misses(cases)
        fraction = fractions(cases, misses)
        missed = [case for case, miss in zip(cases, misses, strict=True) if miss]
        caught = [case for case, miss in zip(cases, misses, strict=True) if not miss]
        kept = missed + rng.sample(caught, min(len(caught), round(_OTHERS * len(missed)) + 1))
        notes = {
            "weights": harder(weights, fraction),
            "missed": fraction,
            "drafted": len(drafted),
            "counted": len(cases),
            "rulings": dict(sorted(game.referee.rulings.items())),
            "referee": "critics and tests" if game.referee.tests else "critics",
        }
        return _unique([case.record() for case in kept]), notes

    return game.dataset(game.folder(number) / "errors", "negative", make)


def fakes(game: Game, number: int, writer: Writer) -> Dataset:
    """Return what the generator writes on training code, with some of the round before; what is real is left out."""

    def make() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        rng = Random(f"fakes {number}")
        pieces = writer.fitting(game.sides.train, game.settings.fakes, rng)
        written = [answers[0] for answers in writer.write(pieces, 1, number)]
        fresh = [_fake(one) for one in written if _differs(one)]
        before = game.folder(number - 1) / "fakes"
        old = list(Dataset.open(before).records()) if before.is_dir() else []
        again = rng.sample(old, min(len(old), round(_REPLAYED * len(fresh))))
        return _unique(fresh + again), {"fresh": len(fresh), "again": len(again), "real": len(written) - len(fresh)}

    return game.dataset(game.folder(number) / "fakes", "positive", make)


def accused(game: Game, number: int, judge: Judge) -> Dataset:
    """Return real training code that looks most fake to the discriminator, with that of the rounds before."""

    def make() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        pieces = draw(game.sides.train, game.settings.judged, Random(f"accused {number}"))
        values = judge.probabilities([piece.text for piece in pieces])
        ranked = sorted(zip(values, pieces, strict=True), key=lambda pair: -pair[0])
        alarms = sum(value >= judge.threshold for value in values)
        most = ranked[: max(alarms, round(_ACCUSED * len(ranked)), 1)]
        before = game.folder(number - 1) / "accused"
        old = list(Dataset.open(before).records()) if before.is_dir() else []
        return _unique([_real(piece) for _, piece in most] + old), {"judged": len(values), "alarms": alarms}

    return game.dataset(game.folder(number) / "accused", "positive", make)


def rewarded(game: Game, number: int, judge: Judge, writer: Writer) -> Dataset:
    """Return the answers that the generator learns from, best of several to each prompt."""

    def make() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        pieces = writer.fitting(game.sides.train, game.settings.questions, Random(f"questions {number}"))
        groups = writer.write(pieces, game.settings.answers, number + 1000, OWN)
        scored = score(judge, [one for group in groups for one in group])
        each = game.settings.answers
        chosen = select([scored[at : at + each] for at in range(0, len(scored), each)])
        mean = sum(one.reward for one in scored) / max(len(scored), 1)
        best = sum(one.reward for one, _ in chosen) / max(len(chosen), 1)
        notes = {"answers": len(scored), "chosen": len(chosen), "reward": mean, "reward of the chosen": best}
        return [record(one, weight) for one, weight in chosen], notes

    return game.dataset(game.folder(number) / "rewarded", "positive", make)


def learn_to_tell(
    game: Game,
    number: int,
    before: Path,
    out: Path,
    *,
    weights: Mapping[str, float],
    pairs: Sequence[Path],
    fake: Path | None = None,
    real: Path | None = None,
    stored: float = 0.25,
) -> Path:
    """Train the discriminator on from ``before``; return its run."""
    recipe = Run.open(before).recipe
    first = Run.open(game.start).recipe
    changes: dict[str, Any] = {
        "name": f"{first.name.removesuffix('-rounds')}-rounds",
        "start": str(before),
        "seed": first.seed + number,
        **{f"model.{name}": int(first.model.get(name, 0)) for name in ("marks", "parts")},  # an old run has none
        "data.source": game.source,
        "data.real": 0.3,
        "data.several": 0.25,
        "data.stored": stored,
        "data.families": dict(weights),
        "data.pairs": [str(path) for path in pairs],
        "data.fakes": str(fake or ""),
        "data.accused": str(real or ""),
        **_gentle(game, first.train, "discriminator"),
        **game.settings.overrides,
    }
    run = train(recipe.replace(changes), out, report=game.report)
    beside = [path for path in (*pairs, fake, real) if path is not None]
    game.finished(run, [game.sides.path, *beside], before)
    return run.path


def learn_to_write(game: Game, number: int, first: Path, before: Path, out: Path, reward: Dataset) -> Path:
    """Train the generator on from ``before``: real code, and its own rewarded answers; return its run."""
    recipe = Run.open(first).recipe
    changes: dict[str, Any] = {
        "start": str(before),
        "seed": recipe.seed + number,
        "data.source": game.source,
        "data.rewarded": str(reward.path) if len(reward) else "",
        **_gentle(game, recipe.train, "generator"),
        **game.settings.generator_overrides,
    }
    run = train(recipe.replace(changes), out, report=game.report)
    game.finished(run, [game.sides.path, *([reward.path] if len(reward) else [])], before)
    return run.path


def _gentle(game: Game, train: TrainTable, who: str) -> dict[str, Any]:
    return {
        "train.minutes": game.settings.minutes,
        "train.lr": train.lr / _GENTLER[who],
        "train.matrix_lr": train.matrix_lr / _GENTLER[who],
        "train.evaluations": 1,
        "train.samples": 0,
        "train.checkpoints": 2,
    }


def _unique(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({record["id"]: record for record in records}.values())


def _differs(one: Written) -> bool:
    """Tell whether an answer is none that a person wrote there: the same text is not a fake."""
    return " ".join(one.text.split()) not in {" ".join(one.piece.text.split()), " ".join(one.piece.target.split())}


def _fake(one: Written) -> dict[str, Any]:
    return _positive(one.text, f"generator:{one.piece.origin}", one.piece)


def _real(piece: Piece) -> dict[str, Any]:
    return _positive(piece.text, piece.origin, piece)


def _positive(text: str, origin: str, piece: Piece) -> dict[str, Any]:
    whole = sha256(text.encode("utf-8", "surrogatepass"))
    return {"id": whole[:16], "text": text, "sha256": whole, "licence": piece.licence, "origin": origin}
