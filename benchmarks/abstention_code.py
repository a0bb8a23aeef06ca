"""Learning to say "I do not know" of code: names of the standard library that don't exist, and values of expressions.

    python benchmarks/abstention_code.py --folder runs/abstention

Three kinds of questions. Which module of the standard library has a function or class, of those that the library itself
uses most (`names`); the same of names made of the words of two of them, which occur nowhere in the library
(`invented`); what a small expression gives (`tasks`), found by evaluating it. Half of the modules and half of the forms
of expressions are for learning, the other half is held out. What the pretrained model knows of the former is found by
asking eight times (`training.refusing`); what it does not know and what does not exist is answered by a refusal, the
rest by the reference; an adapter learns the mix. Measured on the held-out half, before and after: of what was wrong,
how much is refused; of what was right, how much is lost; of the refusals, how many were due. Beside it two thresholds
set to lose 5 % of what was right, each on one half of the answers and applied to the other: on the untaught model's
probability of its answer, and on the taught one's of beginning a refusal. On a processor the models are asked in eight
bits. Prints tables and, as the last line, one line of JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import re
import sysconfig
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reinforcement_mbpp import opened

if TYPE_CHECKING:
    from gatllm.training.measures import Measured

MODULES = (
    "argparse ast asyncio base64 bisect calendar cmath codecs collections colorsys configparser contextlib copy csv "
    "dataclasses datetime decimal difflib dis email.utils enum fnmatch fractions functools getpass glob graphlib gzip "
    "hashlib heapq hmac html imaplib inspect io ipaddress itertools json keyword linecache locale logging lzma "
    "math mimetypes operator os pathlib pickle pkgutil platform plistlib pprint py_compile queue "
    "quopri random re reprlib sched secrets shelve shlex shutil signal socket sqlite3 ssl stat statistics string "
    "struct subprocess symtable sysconfig tarfile tempfile textwrap threading timeit token tokenize traceback types "
    "typing unicodedata unittest urllib.parse uuid venv warnings wave weakref webbrowser zipfile zlib"
)
KINDS = ("names", "invented", "tasks")
NOTHING = "(no such name)"  # a reference that no answer has
HELD_BY = "Which module of Python's standard library has `{}`? Answer with the module's name alone."
GIVES = "What does this Python expression return? {}\nAnswer with the value alone."
WORDS = (
    "banana",
    "planet",
    "window",
    "mississippi",
    "garden",
    "letter",
    "coffee",
    "summer",
    "bottle",
    "engine",
    "silver",
)
TOKENS = 16

Row = tuple[str, str, str]  # kind, question, reference


def used_names() -> tuple[list[tuple[str, str]], set[str]]:
    """Return (module, name), most used first, where no other module has the name; and all words of the library."""
    having = defaultdict(set)
    for module in MODULES.split():
        for name, value in vars(importlib.import_module(module)).items():
            ours = getattr(value, "__module__", "") in (module, f"_{module}")
            if ours and callable(value) and not name.startswith("_"):
                having[name].add(module)
    calls, words = Counter[tuple[str, str]](), set[str]()
    library = Path(sysconfig.get_path("stdlib"))
    for file in library.rglob("*.py"):
        if "site-packages" in file.parts:
            continue
        text = file.read_text("utf-8", "replace")
        calls.update(set(re.findall(r"\b([a-z_]\w*(?:\.[a-z_]+)?)\.([a-zA-Z]\w*)\(", text)))
        words.update(re.findall(r"[A-Za-z_]\w*", text))
    ordered = sorted(calls.items(), key=lambda item: (-item[1], item[0]))
    return [(module, name) for (module, name), _ in ordered if having.get(name) == {module}], words


def invented(names: Sequence[str], words: set[str], rng: random.Random) -> str:
    """Return a name that occurs nowhere in the library, of the words of two that do."""
    while True:
        first, second = (re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name) for name in rng.sample(list(names), 2))
        if not first or not second or first[0].lower() == second[-1].lower():
            continue
        parts = [first[0], second[-1]]
        camel = "".join(part[0].upper() + part[1:] for part in parts)
        name = camel if first[0][0].isupper() else "_".join(parts).lower()
        if name not in words:
            return name


def forms(rng: random.Random) -> list[str]:
    """Return an expression of each form; the values are drawn."""
    word, other, numbers = rng.choice(WORDS), rng.choice(WORDS), rng.sample(range(1, 20), 4)
    letter, a, b, c = rng.choice(word), rng.randint(10, 60), rng.randint(3, 9), rng.randint(2, 5)
    doubled = [*numbers, numbers[c % 4], numbers[0]]
    return [
        f'len("{word}")', f'"{word}".count("{letter}")', f'"{word}".find("{letter}")', f'"{word}".rfind("{letter}")',
        f"max({numbers})", f"min({numbers})", f"sum({numbers})", f"sorted({numbers})",
        f"sorted({numbers}, reverse=True)", f"list(reversed({numbers}))", f"abs(-{a})", f'ord("{letter}")',
        f'int("{a:b}", 2)', f"{a} // {b}", f"{a} % {b}", f"{c} ** {b}", f"len(set({doubled}))",
        f"{numbers}.index({numbers[c % 4]})", f"{doubled}.count({numbers[0]})", f"{numbers}[1]", f"{numbers}[-1]",
        f"{numbers}[1:3]", f"list(range({b}, {a}, {a // 3}))", f"[x * {c} for x in {numbers}]",
        f"[x for x in {numbers} if x > {b}]", f'len("{word},{other},{letter}".split(","))', f"pow({b}, {c}, {a})",
        f"{a} & {b}", f"{a} | {b}", f"{a} ^ {b}", f"{b} << {c}", f"sum(range({b}))", f"len(range({b}, {a}))",
        f'list(map(len, ["{word}", "{other}"]))', f"{numbers} + [{a}]", f"{a} - {b} * {c}",
    ]  # fmt: skip


def questions(learn: int, held: int, seed: int) -> tuple[list[Row], list[Row]]:
    """Return what to learn and what is held out: no module and no form of expression is in both."""
    rng = random.Random(seed)
    names, words = used_names()
    modules, places = MODULES.split(), list(range(len(forms(rng))))
    rng.shuffle(modules)
    rng.shuffle(places)
    parts = []
    for half, count in ((0, learn), (1, held)):
        real = [(module, name) for module, name in names if module in set(modules[half::2])][:count]
        rows = [("names", HELD_BY.format(name), module) for module, name in real]
        made = {invented([name for _, name in real], words, rng) for _ in range(len(real) // 2)}
        rows += [("invented", HELD_BY.format(name), NOTHING) for name in sorted(made)]
        given = {forms(rng)[place] for place in places[half::2] for _ in range(max(1, count // 36))}
        rows += [("tasks", GIVES.format(one), str(eval(one))) for one in sorted(given)]  # noqa: S307  # of `forms`
        rng.shuffle(rows)
        parts.append(rows)
    return parts[0], parts[1]


def subject_of(lm: Any) -> Any:
    """Return a model as measures ask it."""
    from gatllm.training.measures.subject import PretrainedSubject

    class Opened(PretrainedSubject):
        def __init__(self) -> None:
            self._lm, self.name = lm, lm.name

    return Opened()


def refusing(lm: Any, asked: Sequence[str]) -> list[float]:
    """Return the taught model's probability of beginning as a refusal does, for each question."""
    import torch

    from gatllm.models.chat_format import ChatFormat
    from gatllm.training.refusing import REFUSALS

    begins = sorted({lm.encode(one)[0] for one in REFUSALS})
    form, found = ChatFormat(lm.tokenizer), []
    with torch.inference_mode():
        for one in asked:
            row = torch.tensor([form.encode([{"role": "user", "content": one}])], device=lm.model.device)
            logits = lm.model(input_ids=row, logits_to_keep=1).logits[0, -1].float()
            found.append(float(logits.softmax(-1)[begins].sum()))
    return found


def mixed(learn: Sequence[Row], subject: Any, folder: Path, seed: int) -> tuple[Path, dict[str, Any]]:
    """Find out what is known and write answers and refusals; return the dataset and the counts."""
    from gatllm.data import Dataset
    from gatllm.training.refusing import Probed, probe, write_refusals
    from gatllm.training.rewards import Asked, load_reward

    def say(prompts: Sequence[str], n: int, temperature: float) -> list[list[str]]:
        written = subject.write(prompts, tokens=TOKENS, n=n, temperature=temperature)
        return [[text for text, _ in group] for group in written]

    place = folder / "mix"
    if not place.is_dir():
        asked = [(kind, Asked(question, answer, key=f"code:{at}")) for at, (kind, question, answer) in enumerate(learn)]
        probed = probe([one for kind, one in asked if kind != "invented"], say, load_reward("contains"))
        probed += [Probed(one, 0, 8) for kind, one in asked if kind == "invented"]
        write_refusals(probed, place, source="standard library", seed=seed)
    notes = dict(Dataset.open(place).manifest.made_with)
    print(f"known {notes['known']}, unsure {notes['unsure']}, unknown {notes['unknown']}, "
          f"refusals {notes['refused']}; {time.process_time():.0f} s", flush=True)  # fmt: skip
    return place, notes


def tell(when: str, measured: Measured, held: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Print and return what was said to each kind of question."""
    counts = {kind: Counter[str]() for kind in KINDS}
    for item in measured.items:
        counts[held[int(item.key.partition(":")[0])][0]][item.said] += 1
    for kind, said in counts.items():
        print(f"{when:7} {kind:9} of {said.total():3}: right {said['right']:3}, wrong {said['wrong']:3}, "
              f"refused {said['refused']:3}; {time.process_time():.0f} s", flush=True)  # fmt: skip
    return {kind: dict(said) for kind, said in counts.items()}


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="qwen-coder")
    parser.add_argument("--questions", type=int, default=160, help="names to learn from; half as many are invented")
    parser.add_argument("--held", type=int, default=200, help="names held out; half as many are invented")
    parser.add_argument("--epochs", type=float, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keeps the mix and the run, and goes on with them")
    return parser.parse_args()


def main() -> None:
    """Ask, teach, measure."""
    options = parsed()
    import torch

    from gatllm.training import Recipe, train
    from gatllm.training.measures import measure
    from gatllm.training.measures.questions import by_threshold, learnt_to_refuse

    torch.set_num_threads(1)
    folder = options.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    learn, held = questions(options.questions, options.held, options.seed)
    file = folder / "held-out.json"
    file.write_text(json.dumps([{"input": question, "output": reference} for _, question, reference in held]))
    subject = subject_of(opened(options.base, "", folder))
    before = measure(f"abstention:{file}", subject, limit=10_000)
    found: dict[str, Any] = {"before": tell("before", before, held)}
    mix, found["probed"] = mixed(learn, subject, folder, options.seed)
    del subject
    recipe = Recipe.load("chat", {
        "data.source": str(mix), "model.base": options.base, "seed": options.seed, "train.epochs": options.epochs,
        "train.lr": 5e-4, "train.batch": 1, "train.select": "last", "train.evaluations": 1, "train.samples": 0,
        "train.checkpoints": 1, "train.threads": 1, "train.precision": "fp32", "model.context": 256,
    })  # fmt: skip
    run = train(recipe, folder / "run").path
    print(f"learnt; {time.process_time():.0f} s", flush=True)
    lm = opened(options.base, str(run), folder)
    after = measure(f"abstention:{file}", subject_of(lm), limit=10_000)
    found["after"] = tell("after", after, held)
    was = {int(item.key.partition(":")[0]): item.said == "right" for item in before.items}
    sure = refusing(lm, [question for _, question, _ in held])
    gains = {
        "untaught, threshold": {
            name: value for what, value in before.numbers.items() if (name := what.removeprefix("threshold_")) != what
        },
        "taught": learnt_to_refuse(before, after),
        "taught, threshold": by_threshold([(was[at], -sure[at]) for at in sorted(was)]),
    }
    for which, numbers in gains.items():
        for name, (value, low, high) in numbers.items():
            print(f"{which:20} {name:8} {value:.1%} ({low:.1%} to {high:.1%})")
    print(f"{time.process_time():.0f} s of the processor in this call")
    print(json.dumps({**found, "gains": gains}))


if __name__ == "__main__":
    main()
