"""Adversarial rounds: a breaker finds what the discriminator misses, the discriminator learns from it, and again.

Break-it-fix-it (Yasunaga and Liang 2021) with a breaker that chooses among the kinds of error: its mixture is kept by
multiplicative weights (Freund and Schapire 1997), so that what is missed often comes often. A generator's own samples
are fakes beside real code. There are no gradients from one model into the other: for text they do worse than likelihood
training (Caccia et al. 2020).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from gatllm.data import FAMILIES, Corruption, DatasetWriter, corrupt, split_of
from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report, silent
from gatllm.records import HashLog, new_folder, read_log, sha256
from gatllm.review import Reviewer, compile_error, lint, same_tree
from gatllm.review.measures import auroc
from gatllm.training.objectives.corpora import open_dataset
from gatllm.training.objectives.tagging_samples import Texts, texts_of
from gatllm.training.recipe import Recipe
from gatllm.training.run import Run
from gatllm.training.training import train

LOG = "rounds.jsonl"
_RATE = 2.0  # of the multiplicative weights: a family that is always missed gains e^2 a round before normalising
_LEAST = 0.25  # share of the data room's own mixture that always stays: nothing is forgotten


@dataclass(frozen=True)
class Case:
    """A broken text, its original, and the kind of error."""

    broken: str
    text: str
    family: str
    syntactic: bool


@dataclass(frozen=True)
class Standing:
    """How the two sides stand on held-out code: one entry of the log.

    ``missed`` is the share of each kind that the discriminator does not mend (grammar) or notice (meaning);
    ``repaired`` the share of grammar errors whose syntax tree came back; ``auroc`` tells errors of meaning from
    untouched code, ``auroc_samples`` a generator's samples; ``samples_*`` are shares of those. None: not measured.
    """

    round: int
    auroc: float | None
    false_alarms: float
    repaired: float
    missed: dict[str, float]
    auroc_samples: float | None = None
    samples_parse: float | None = None
    samples_clean: float | None = None


def play(
    start: Path | str,
    out: Path | str,
    *,
    rounds: int = 5,
    minutes: float = 2.0,
    cases: int = 12,
    generator: Path | str | None = None,
    overrides: Mapping[str, Any] | None = None,
    report: Report = silent,
) -> list[Standing]:
    """Play rounds from the discriminator run ``start``; each leaves a run in ``out``, each is logged once.

    A round that is finished is not played again. ``cases`` is the number of errors of each kind that the breaker tries
    on training code and that the standing is measured on, on held-out code that never changes.

    Raises:
        GatllmError: ``start`` is no finished discriminator run, or its data is gone.
    """
    recipe, out = Run.open(start).recipe, Path(out)
    if recipe.objective != "tagging":
        raise GatllmError(f"{start} holds no discriminator", "name a run of recipes/discriminator.toml")
    out.mkdir(parents=True, exist_ok=True)
    sides = _sides(recipe, report)
    fixed = _cases(sides["validation"], cases, Random("held out"))
    clean = _clean(sides["validation"], len(fixed), Random("untouched"))
    done = [_standing(entry) for entry in read_log(out / LOG)] if (out / LOG).is_file() else []
    weights = {name: family.weight for name, family in FAMILIES.items()}
    current = Path(start)
    for number in range(rounds + 1):
        report(Progress("rounds", number, rounds, "rounds"))
        samples = _samples(generator, sides["train"], out / f"samples-{number}", number) if generator else None
        if number:
            reviewer = Reviewer.load(current)
            weights = _harder(weights, _missed(reviewer, _cases(sides["train"], cases, Random(f"breaker {number}"))))
            current = _learn(recipe, current, out / f"round-{number}", number, minutes, weights, samples, overrides)
        if number >= len(done):
            standing = _measure(number, Reviewer.load(current), fixed, clean, samples)
            with HashLog(out / LOG) as log:
                log.append("standing", durable=True, **asdict(standing), weights=weights)
            done.append(standing)
    return done


def _standing(entry: Mapping[str, Any]) -> Standing:
    return Standing(**{name: entry.get(name) for name in Standing.__dataclass_fields__})  # type: ignore[arg-type]


def _sides(recipe: Recipe, report: Report) -> dict[str, Texts]:
    sides = {"train": Texts(), "validation": Texts()}
    for record in open_dataset(str(getattr(recipe.data, "source", "")), report).records():
        functions, _ = texts_of(str(record["text"]))
        sides[split_of(str(record.get("origin", record["id"])))].functions += functions
    if not len(sides["train"]) or not len(sides["validation"]):
        raise GatllmError("the run's dataset is too small for rounds", "train the discriminator on a larger one")
    return sides


def _cases(texts: Texts, count: int, rng: Random) -> list[Case]:
    """``count`` errors of each kind, as far as the code offers places for them."""
    found: list[Case] = []
    for name, family in FAMILIES.items():
        made: list[Case] = []
        for _ in range(40 * count):
            if len(made) == count:
                break
            text = texts.draw(rng)
            broken: Corruption | None = corrupt(text, rng, 1 if family.syntactic else 2, [name])
            if broken is not None and broken.syntactic == family.syntactic:
                made.append(Case(broken.broken, text, name, family.syntactic))
        found += made
    return found


def _clean(texts: Texts, count: int, rng: Random) -> list[str]:
    return [texts.draw(rng) for _ in range(count)]


def _noticed(reviewer: Reviewer, case: Case) -> bool:
    if case.syntactic:
        return same_tree(reviewer.fix(case.broken, seconds=1.0).text, case.text)
    return (reviewer.check(case.broken).probability or 0.0) >= reviewer.threshold


def _missed(reviewer: Reviewer, cases: list[Case]) -> dict[str, float]:
    """Share of each kind that goes unnoticed or unmended."""
    rows: dict[str, list[bool]] = {}
    for case in cases:
        rows.setdefault(case.family, []).append(not _noticed(reviewer, case))
    return {name: sum(flags) / len(flags) for name, flags in rows.items()}


def _harder(weights: Mapping[str, float], missed: Mapping[str, float]) -> dict[str, float]:
    """The breaker's next mixture: more of what was missed; grammar and meaning each keep their share."""
    grown = {name: weight * math.exp(_RATE * missed.get(name, 0.0)) for name, weight in weights.items()}
    out: dict[str, float] = {}
    for syntactic in (True, False):
        names = [name for name, family in FAMILIES.items() if family.syntactic == syntactic]
        scale = sum(FAMILIES[name].weight for name in names) / sum(grown[name] for name in names)
        out |= {n: (1 - _LEAST) * grown[n] * scale + _LEAST * FAMILIES[n].weight for n in names}
    return {name: round(weight, 4) for name, weight in out.items()}


def _learn(
    recipe: Recipe,
    before: Path,
    out: Path,
    number: int,
    minutes: float,
    weights: Mapping[str, float],
    samples: Path | None,
    overrides: Mapping[str, Any] | None,
) -> Path:
    """Train on from ``before`` on what the breaker chose."""
    changes: dict[str, Any] = {
        "name": f"{recipe.name}-round-{number}",
        "start": str(before),
        "seed": recipe.seed + number,
        "train.minutes": minutes,
        "data.families": dict(weights),
        "data.fakes": str(samples or ""),
        "train.lr": recipe.train.lr / 4,
        "train.matrix_lr": recipe.train.matrix_lr / 4,
        "train.evaluations": 1,
        "train.samples": 0,
        "train.checkpoints": 1,
    }
    return train(recipe.replace({**changes, **(overrides or {})}), out).path


def _samples(generator: Path | str, texts: Texts, out: Path, number: int, count: int = 60) -> Path:
    """What the generator writes for the first lines of real functions, as a dataset of fakes."""
    from gatllm.inference import Sampling, generate
    from gatllm.models import load_run

    if out.is_dir():
        return out
    loaded, rng = load_run(generator), Random(f"samples {number}")
    prompts = ["\n".join(texts.draw(rng).split("\n")[:3]) + "\n" for _ in range(count)]
    written = generate(loaded.model, loaded.tokenizer, prompts, Sampling(max_new_tokens=96, seed=number))
    with new_folder(out) as folder, DatasetWriter(folder, "positive", out.name) as writer:
        for prompt, answers in zip(prompts, written, strict=True):
            text = prompt + answers[0].text
            record = {"id": sha256(text.encode())[:16], "text": text, "sha256": sha256(text.encode())}
            writer.add({**record, "licence": "NOASSERTION", "origin": f"generator:{sha256(text.encode())[:8]}"})
        writer.finish(sources=[str(generator)])
    return out


def _measure(number: int, reviewer: Reviewer, fixed: list[Case], clean: list[str], samples: Path | None) -> Standing:
    untouched = [review.probability or 0.0 for review in reviewer.check_all(clean)]
    meaning = [case for case in fixed if not case.syntactic]
    scores = [review.probability or 0.0 for review in reviewer.check_all([case.broken for case in meaning])]
    missed = _missed(reviewer, fixed)
    grammar = [name for name in missed if FAMILIES[name].syntactic]
    extra: dict[str, Any] = {}
    if samples is not None:
        texts = [str(record["text"]) for record in open_dataset(str(samples), silent).records()]
        parsing = [text for text in texts if compile_error(text) is None]
        looks = [review.probability or 0.0 for review in reviewer.check_all(texts)]
        extra = {
            "auroc_samples": _auroc(untouched, looks),
            "samples_parse": len(parsing) / max(len(texts), 1),
            "samples_clean": sum(not found for found in lint(parsing)) / max(len(texts), 1),
        }
    return Standing(
        round=number,
        auroc=_auroc(untouched, scores),
        false_alarms=sum(value >= reviewer.threshold for value in untouched) / max(len(untouched), 1),
        repaired=1 - sum(missed[name] for name in grammar) / max(len(grammar), 1),
        missed=missed,
        **extra,
    )


def _auroc(real: list[float], fake: list[float]) -> float | None:
    if not real or not fake:
        return None
    return auroc([*real, *fake], [False] * len(real) + [True] * len(fake))
