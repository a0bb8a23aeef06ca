"""Five rounds between the generator that fills gaps (`benchmarks/infilling.py`) and the discriminator (ELECTRA).

    python benchmarks/infilling.py --minutes 30 --short-first --gaps 8 --before 64 --after 40 --folder runs/infilling
    python benchmarks/infilling_rounds.py --folder runs/infilling --out runs/electra

A round: the generator replaces a token of each of some functions, drawn by its own probabilities, by any but the one
that was there; what compiles and has another tree becomes a pair of broken and right code, and the discriminator (at
first the one that ships) learns from those of this round and the last beside its ordinary errors; the generator goes on
learning to fill gaps of real code, as ELECTRA's does (Clark et al. 2020), which found that better than rewarding it for
what deceives. Measured before the first round and after each, on functions of packages that neither learns from here:
how well the discriminator tells the first generator's replacements, and the generator's of that round, from what people
wrote (AUROC); how many untouched functions it accuses; how many missing tokens the generator writes exactly; and the
fraction of different 4-grams in the functions with its replacements, beside people's. Before and after all rounds also
errors of grammar that the discriminator repairs. Prints a table and, as the last line, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from infilling import Code, Filler, Gap, drawn, kept, modules, opened, restore
from infilling_proposer import Placed, placed, spelt

from gatllm.adversarial.case import Case
from gatllm.adversarial.judge import Judge
from gatllm.adversarial.pieces import Piece, read_sides
from gatllm.data import DatasetWriter, build, corrupt
from gatllm.data.code import Edit
from gatllm.progress import silent
from gatllm.records import new_folder
from gatllm.review import compile_error, same_tree
from gatllm.review.measures import auroc
from gatllm.training import Recipe, train

BATCH = 12


def piece(one: Placed) -> Piece:
    """Return a function as rounds know it."""
    return Piece(one.text, "", "", "infilling", "NOASSERTION", "", frozenset())


def replaced(filler: Filler, functions: Sequence[tuple[Placed, Gap]], seed: int) -> list[Case]:
    """Return functions with one token replaced by what the generator draws: those that compile to another tree."""
    rng = random.Random(seed)
    found = []
    for one, gap in functions:
        wrote = filler.instead(one.code, gap, rng)
        if wrote.startswith("<") and len(wrote) > 2:
            continue
        case = Case.replacing(piece(one), [Edit(*one.spans[gap.start], spelt([wrote]))], syntactic=False)
        if compile_error(case.broken) is None and not same_tree(case.broken, one.text):
            found.append(case)
    return found


def tokens(functions: Iterable[Placed], rng: random.Random) -> list[tuple[Placed, Gap]]:
    """Draw one token of each function."""
    return [(one, rng.choice([gap for gap in one.code.gaps if gap.kind == "token"])) for one in functions]


def different(codes: Sequence[Code]) -> float:
    """Return the fraction of different 4-grams among those of all functions."""
    grams = [tuple(code.lexemes[at : at + 4]) for code in codes for at in range(len(code.lexemes) - 3)]
    return len(set(grams)) / len(grams)


def learn_to_fill(
    filler: Filler, optimizer: Any, codes: Sequence[Code], updates: int, span: tuple[float, float], seed: int
) -> None:
    """Go on with the generator's own training; ``span``: of the course of its rates."""
    import torch

    rng = random.Random(seed)
    filler.model.train()
    for number in range(updates):
        rows = [(code, gaps) for code in rng.choices(codes, k=BATCH) if (gaps := drawn(code, rng, filler.design, 0.0))]
        filler.loss(rows).backward()
        torch.nn.utils.clip_grad_norm_(filler.model.parameters(), 1.0)
        optimizer.set_rates(span[0] + (span[1] - span[0]) * number / updates)
        optimizer.step()
        optimizer.zero_grad()
    filler.model.eval()


def learn_to_tell(before: Path, out: Path, source: Path, pairs: Sequence[Path], steps: int, seed: int) -> Path:
    """Train the discriminator on from a run, on ordinary errors and these pairs; return its run."""
    import tomllib

    recipe = Recipe.of(tomllib.loads((before / "recipe.toml").read_text("utf-8")))
    values = {
        "start": str(before), "seed": seed, "data.source": str(source), "data.pairs": [str(one) for one in pairs],
        "data.stored": 0.4, "data.workers": 0, "data.validation_rows": 40, "data.validation_repairs": 0,
        "train.minutes": 0.0, "train.steps": steps, "train.lr": 3e-4, "train.matrix_lr": 2e-3, "train.threads": 1,
        "train.batch": 32, "train.precision": "fp32", "train.evaluations": 1, "train.checkpoints": 1,
    }  # fmt: skip
    return train(recipe.replace(values), out).path


class Scales:
    """What both sides are measured on; it never changes."""

    def __init__(self, filler: Filler, held: Sequence[Placed], errors: int, seed: int) -> None:
        self.gaps = tokens(held, random.Random(seed))
        self.real = [one.text for one in held]
        self.first = replaced(filler, self.gaps, seed)
        rng = random.Random(seed)
        made = [(one, corrupt(one.text, rng, 1)) for one in held[:errors]]
        self.grammar = [
            Case.of(piece(one), broken.broken, [Edit(*edit) for edit in broken.edits], "grammar", syntactic=True)
            for one, broken in made
            if broken is not None and compile_error(broken.broken) is not None
        ]

    def measure(self, judge: Judge, filler: Filler, seed: int, *, repairs: bool) -> dict[str, Any]:
        """Return how both sides stand."""
        real = judge.probabilities(self.real)
        fresh = replaced(filler, self.gaps, seed)

        def area(cases: Sequence[Case]) -> float:
            fake = judge.probabilities([case.broken for case in cases])
            return auroc([*real, *fake], [False] * len(real) + [True] * len(fake))

        exact = [filler.fill(one.code, gap)[:1] == one.code.lexemes[gap.start : gap.stop] for one, gap in self.gaps]
        both = [(one.code, other.code) for case in fresh
                if (one := placed(case.broken)) is not None and (other := placed(case.text)) is not None]  # fmt: skip
        found = {
            "first fakes": area(self.first), "own fakes": area(fresh), "fakes": len(fresh),
            "alarms": sum(value >= judge.threshold for value in real), "asked": len(real),
            "exact": sum(exact), "4-grams": different([one for one, _ in both]),
            "people's 4-grams": different([other for _, other in both]),
        }  # fmt: skip
        if repairs:
            found |= {"repaired": judge.misses(self.grammar).count(False), "errors": len(self.grammar)}
        return found


def pairs_of(cases: Sequence[Case], folder: Path) -> Path:
    """Write a negative dataset of them."""
    records = {record["id"]: record for record in (case.record() for case in cases)}
    with new_folder(folder) as place, DatasetWriter(place, "negative", folder.name) as writer:
        for record in records.values():
            writer.add(record)
        writer.finish(sources=["infilling"], parent="", made_with={})
    return folder


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of `benchmarks/infilling.py`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--functions", type=int, default=30_000, help="that it goes on learning, as it was trained")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=24, help="updates of the discriminator in a round")
    parser.add_argument("--updates", type=int, default=60, help="of the generator in a round")
    parser.add_argument("--fakes", type=int, default=300, help="functions of which a token is replaced in a round")
    parser.add_argument("--cases", type=int, default=200, help="held-out functions")
    parser.add_argument("--errors", type=int, default=60, help="of grammar, repaired before and after")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def begun(options: argparse.Namespace) -> tuple[Filler, Any, list[Code]]:
    """Return the generator, its optimizer, and the functions that it was trained on."""
    import torch

    from gatllm.training.optimizer import Optimizer
    from gatllm.training.tables import TrainTable

    codes = kept("train", options.functions, options.corpus)
    filler = opened(options.folder)
    table = TrainTable(minutes=1.0, optimizer="muon", lr=2e-3, matrix_lr=0.015, warmup=0.02)
    optimizer = Optimizer(filler.model, table, products=torch.float32)
    restore(filler, optimizer, options.folder)
    return filler, optimizer, codes


def held_out(count: int, rng: random.Random) -> list[Placed]:
    """Return functions of packages that neither side learns from here."""
    from gatllm.data import functions

    found = [one for source in modules("held-out") for text in functions(source) if (one := placed(text.text))]
    return rng.sample(found, min(count, len(found)))


def main() -> None:
    """Play, measure, print."""
    import torch

    from gatllm.review import default
    from gatllm.training.fewshot import wilson

    options = parsed()
    torch.set_num_threads(1)
    began = time.process_time()
    filler, optimizer, codes = begun(options)
    rng = random.Random(options.seed)
    scales = Scales(filler, held_out(options.cases, rng), options.errors, options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    dataset = options.out / "code"
    if not dataset.is_dir():
        build("stdlib", dataset, limit=400)
    learnt = [one for each in read_sides(str(dataset), silent).train if (one := placed(each.text)) is not None]
    run = Path(default.__file__).parent / "weights"
    standings = [scales.measure(Judge(run), filler, 0, repairs=True)]
    folders: list[Path] = []
    for number in range(1, options.rounds + 1):
        tell(number - 1, standings[-1])
        cases = replaced(filler, tokens(rng.sample(learnt, min(options.fakes, len(learnt))), rng), number)
        folders.append(pairs_of(cases, options.out / f"fakes-{number}"))
        run = learn_to_tell(run, options.out / f"judge-{number}", dataset, folders[-2:], options.steps, number)
        span = (0.6 + 0.4 * (number - 1) / options.rounds, 0.6 + 0.4 * number / options.rounds)
        learn_to_fill(filler, optimizer, codes, options.updates, span, number)
        standings.append(scales.measure(Judge(run), filler, number, repairs=number == options.rounds))
    tell(options.rounds, standings[-1])
    for name, of in (("exact", "asked"), ("alarms", "asked"), ("repaired", "errors")):
        for when, one in (("before", standings[0]), ("after", standings[-1])):
            low, high = wilson(one[name], one[of])
            print(f"{name} {when}: {one[name]} of {one[of]} ({low:.1%} to {high:.1%})")
    print(f"{time.process_time() - began:.0f} s of the processor")
    print(json.dumps({"standings": standings}))


def tell(number: int, one: dict[str, Any]) -> None:
    """Print how both sides stand after a round."""
    people = one["people's 4-grams"]
    print(
        f"round {number}: AUROC on the first generator's fakes {one['first fakes']:.3f}, "
        f"on its own {one['own fakes']:.3f} ({one['fakes']}); alarms {one['alarms']} of {one['asked']}; "
        f"tokens exact {one['exact']} of {one['asked']}; different 4-grams {one['4-grams']:.3f} (people {people:.3f})",
        flush=True,
    )


if __name__ == "__main__":
    main()
