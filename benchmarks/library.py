"""A small model learns a contributor's library that no one else has: what does it answer that its base can't?

    python benchmarks/library.py --folder runs/library

The library is a module of ten functions and a page about it, both below, with names and rules of their own. `gatllm
data converse` makes conversations of them (with ``--ask`` the default generator asks as well, and the fraction kept is
reported), a pretrained model learns them by an adapter, and both it and its base are asked 30 questions that are in no
conversation: ten to write a function, judged by tests in the sandbox; ten for the function that does something and ten
for a rule of the library, judged by the reference standing in the answer. Prints every answer to the latter of the
tuned model, a table, and as the last line one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

MODULE = '''"""hivebook: what a keeper of bees writes down."""


def frames_needed(bees):
    """Return how many frames a colony needs: one for every 1,800 bees, and one more."""
    return bees // 1800 + 1


def harvestable(kilos):
    """Return the honey that may be taken: what is there less 14 kilos for the winter, never below 0."""
    return max(0, kilos - 14)


def swarm_risk(queen_cells, age):
    """Return the risk of swarming: three times the queen cells plus the age of the queen in years."""
    return 3 * queen_cells + age


def mite_verdict(mites, bees):
    """Return "treat" for more than 3 mites per hundred bees, else "wait"."""
    return "treat" if 100 * mites > 3 * bees else "wait"


def hive_label(apiary, number):
    """Return the label of a hive: the apiary in capitals, a slash, and the number with three digits."""
    return f"{apiary.upper()}/{number:03d}"


def brood_days(kind):
    """Return the days until hatching: 16 for a queen, 21 for a worker, 24 for a drone."""
    return {"queen": 16, "worker": 21, "drone": 24}[kind]


def syrup(litres):
    """Return the kilos of sugar for so many litres of water: 1.5 kilos a litre, rounded to one digit."""
    return round(1.5 * litres, 1)


def merge_allowed(first, second):
    """Tell whether two colonies may be merged: together they have at most 45,000 bees."""
    return first + second <= 45000


def next_visit(day):
    """Return the day of the next visit, nine days after the last."""
    return day + 9


def frost_hours(temperatures):
    """Return how many hourly temperatures are below 4 degrees, where bees stay inside."""
    return sum(one < 4 for one in temperatures)
'''

PAGE = """# hivebook

hivebook keeps the records of an apiary.

## Frames

The function frames_needed tells how many frames a colony needs, one for every 1,800 bees and one more.

## Honey

harvestable says how much honey may be taken. It leaves 14 kilos to the bees for the winter.

## Swarming

swarm_risk counts every queen cell three times and adds the age of the queen.

## Mites

mite_verdict says treat when there are more than 3 mites per hundred bees, otherwise it says wait.

## Labels

hive_label writes the name of the apiary in capitals, a slash and a number of three digits, as in HILL/007.

## Brood

brood_days knows that a queen hatches after 16 days, a worker after 21 and a drone after 24.

## Feeding

syrup gives the sugar for the water, 1.5 kilos for each litre.

## Merging

merge_allowed permits two colonies to be merged when together they have at most 45,000 bees.

## Visits

next_visit plans the next visit nine days after the last one.

## Frost

frost_hours counts the hours below 4 degrees, in which bees stay inside.
"""

WRITE = {
    "frames_needed(bees)": ["frames_needed(3600) == 3", "frames_needed(100) == 1", "frames_needed(20000) == 12"],
    "harvestable(kilos)": ["harvestable(20) == 6", "harvestable(10) == 0", "harvestable(15) == 1"],
    "swarm_risk(queen_cells, age)": ["swarm_risk(2, 1) == 7", "swarm_risk(0, 3) == 3", "swarm_risk(4, 0) == 12"],
    "mite_verdict(mites, bees)": ["mite_verdict(4, 100) == 'treat'", "mite_verdict(3, 100) == 'wait'"],
    "hive_label(apiary, number)": ["hive_label('hill', 7) == 'HILL/007'", "hive_label('Mill', 112) == 'MILL/112'"],
    "brood_days(kind)": ["brood_days('queen') == 16", "brood_days('drone') == 24", "brood_days('worker') == 21"],
    "syrup(litres)": ["syrup(2) == 3.0", "syrup(0.5) == 0.8", "syrup(4) == 6.0"],
    "merge_allowed(first, second)": ["merge_allowed(20000, 25000) == True", "merge_allowed(20000, 25001) == False"],
    "next_visit(day)": ["next_visit(1) == 10", "next_visit(100) == 109"],
    "frost_hours(temperatures)": ["frost_hours([3, 4, 5]) == 1", "frost_hours([1, 2, -3]) == 3"],
}
NAMED = {
    "Which function of hivebook says how many frames to put into a hive?": "frames_needed",
    "With which hivebook function do I find out what honey I can take away?": "harvestable",
    "I fear that my bees will swarm. Which function of hivebook helps?": "swarm_risk",
    "Which hivebook function decides whether to treat against mites?": "mite_verdict",
    "What is the function in hivebook that prints a label for a hive?": "hive_label",
    "Which function of hivebook knows when brood hatches?": "brood_days",
    "How do I get the amount of sugar for feeding in hivebook? Name the function.": "syrup",
    "Which function of hivebook must I ask before I put two colonies together?": "merge_allowed",
    "What hivebook function plans when I go to the hive again?": "next_visit",
    "Which hivebook function tells how long it was too cold for flying?": "frost_hours",
}
RULES = {
    "In hivebook, for how many bees is there one frame?": "1,800",
    "How many kilos of honey does hivebook leave to the bees?": "14",
    "How often does hivebook count each queen cell in the risk?": "three",
    "From how many mites per hundred bees on does hivebook say treat?": "3",
    "How many digits has the number on a label of hivebook?": "three",
    "After how many days does a drone hatch, according to hivebook?": "24",
    "How many kilos of sugar does hivebook take for a litre of water?": "1.5",
    "How many bees may two merged colonies have at most in hivebook?": "45,000",
    "How many days lie between two visits in hivebook?": "nine",
    "Below how many degrees do bees stay inside, says hivebook?": "4",
}
SPELT = {"three": "3", "nine": "9"}


def has(answer: str, reference: str) -> bool:
    """Tell whether a reference stands in an answer as a word of its own, numbers however they are written."""
    words = [word.strip(".,:;!?()`'\"").replace(",", "").lower() for word in answer.split()]
    wanted = reference.replace(",", "")
    return wanted in words or SPELT.get(wanted) in words or any(word.startswith(f"{wanted}(") for word in words)


def asked(lm: Any) -> dict[str, list[tuple[str, str, bool]]]:
    """Return, for each kind of question, what was asked, what was said, and whether that is right."""
    from gatllm.models import ChatOptions
    from gatllm.training.rewards import Asked
    from gatllm.training.rewards.code import by_tests

    def say(questions: list[str], most: int) -> list[str]:
        turns = [[{"role": "user", "content": question}] for question in questions]
        return [one.text.strip() for one in lm.generate(turns, ChatOptions(most))]

    write = [f"Please write the function {head} of the hivebook library in Python." for head in WRITE]
    written = say(write, 120)
    tasks = [
        Asked(question, "", tuple(f"assert {test}" for test in tests), question)
        for question, tests in zip(write, WRITE.values(), strict=True)
    ]
    passed = [verdict.reward == 1 for verdict in by_tests(tasks, written)]
    found = {"write": list(zip(write, written, passed, strict=True))}
    for name, table in (("which function", NAMED), ("rule", RULES)):
        said = say(list(table), 48)
        found[name] = [
            (question, answer, has(answer, reference))
            for (question, reference), answer in zip(table.items(), said, strict=True)
        ]
    return found


def main() -> None:
    """Make conversations, learn them, ask both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="the same command goes on with it")
    parser.add_argument("--epochs", type=float, default=12)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--base", default="smollm2")
    parser.add_argument("--ask", action="store_true", help="the default generator asks of passages too")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    import torch

    from gatllm.data import Dataset
    from gatllm.data.conversing import converse
    from gatllm.models import ChatOptions
    from gatllm.models.pretrained import PretrainedLM
    from gatllm.models.tuned import load_lm, open_lm
    from gatllm.training import Recipe, Run, train
    from gatllm.training.fewshot import wilson

    torch.set_num_threads(1)
    began = time.process_time()
    source, data, out = options.folder / "hivebook", options.folder / "conversations", options.folder / "run"
    if not data.is_dir():
        source.mkdir(parents=True, exist_ok=True)
        (source / "hivebook.py").write_text(MODULE)
        (source / "README.md").write_text(PAGE)
        asking = PretrainedLM.load(None, dtype="int8") if options.ask else None

        def ask(questions: Any) -> list[str]:
            turns = [[{"role": "user", "content": question}] for question in questions]
            return [one.text for one in asking.generate(turns, ChatOptions(200))] if asking and turns else []

        converse([str(source), str(source / "README.md")], data, ask=ask if asking else None, seed=options.seed)
        del asking
    dataset = Dataset.open(data)
    notes = dataset.manifest.made_with
    print(f"conversations {notes['kinds']}, of what the generator asked: {notes.get('asked', 'nothing')}", flush=True)
    recipe = Recipe.load("chat", {
        "data.source": str(data), "seed": options.seed, "train.epochs": options.epochs, "train.lr": options.lr,
        "model.base": options.base,
        "train.batch": 1, "train.select": "last", "train.evaluations": 1, "train.samples": 0, "train.checkpoints": 4,
        "train.threads": 1, "train.precision": "fp32",
    })  # fmt: skip
    run = train(recipe, out)
    trained = Run.open(run.path).metrics
    print(f"learnt {trained.get('steps')} updates, {time.process_time() - began:.0f} s so far", flush=True)
    answers = {
        "base": asked(open_lm(options.base)),
        "tuned": asked(load_lm(run.path)),
    }
    for kind in ("which function", "rule"):
        for question, answer, right in answers["tuned"][kind]:
            print(f"  {'right' if right else 'WRONG'}: {question} -> {answer[:100]!r}")
    found: dict[str, Any] = {"kept": notes.get("asked", "nothing"), "conversations": notes["kinds"]}
    for name, kinds in answers.items():
        counts = {kind: sum(right for _, _, right in rows) for kind, rows in kinds.items()}
        total = sum(counts.values())
        low, high = wilson(total, 30)
        found[name] = counts
        print(f"{name:6} {counts}, together {total} of 30 = {total / 30:.1%} ({low:.1%} to {high:.1%})")
    print(f"{time.process_time() - began:.0f} s of the processor")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
