"""Learning to say "I do not know" of code: questions about the standard library, half of names that don't exist.

    python benchmarks/abstention_code.py --questions 160

Asked is the first parameter of a function of the standard library. Half of the functions exist, their signature is the
reference; the others are made of the words of two existing ones, and that there is no such name is looked up. Half of
the modules are for learning, half are held out. What the pretrained model knows of the former is found by asking eight
times (`training.refusing`); what it does not know and what does not exist is answered by a refusal, the rest by the
reference; an adapter learns the mix. Measured on the held-out modules, before and after: of the names that don't exist
and of what was wrong, how much is refused; of what was right, how much is lost; of the refusals, how many were due.
Beside it a threshold on the untaught model's own probability. Prints a table and, as the last line, one line of JSON.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

MODULES = (
    "argparse ast asyncio base64 bisect calendar cmath codecs collections colorsys configparser contextlib copy csv "
    "dataclasses datetime decimal difflib dis email.utils enum fnmatch fractions functools getpass glob graphlib gzip "
    "hashlib heapq hmac html imaplib inspect io ipaddress itertools json keyword linecache locale logging lzma "
    "math mimetypes operator os os.path pathlib pickle pkgutil platform plistlib posixpath pprint py_compile queue "
    "quopri random re reprlib sched secrets shelve shlex shutil signal socket sqlite3 ssl stat statistics string "
    "struct subprocess symtable sysconfig tarfile tempfile textwrap threading timeit token tokenize traceback types "
    "typing unicodedata unittest urllib.parse uuid venv warnings wave weakref webbrowser zipfile zlib"
)
NOTHING = "(no such name)"  # a reference that no answer has
ASKED = "{name} of Python: what is the first parameter of this function? Answer with its name alone."


def functions() -> dict[str, dict[str, str]]:
    """Return, for each module, its public functions and their first parameter."""
    found: dict[str, dict[str, str]] = {}
    for module in MODULES.split():
        inside = importlib.import_module(module)
        for name, value in sorted(vars(inside).items()):
            if name.startswith("_") or not inspect.isroutine(value):
                continue
            if getattr(value, "__module__", None) not in (module, f"_{module}", "posixpath"):
                continue
            try:
                parameters = list(inspect.signature(value).parameters)
            except (TypeError, ValueError):
                continue
            if parameters and len(parameters[0]) > 1:
                found.setdefault(module, {})[name] = parameters[0]
    return found


def invented(known: dict[str, dict[str, str]], module: str, rng: random.Random) -> str:
    """Return a name that a module does not have, of the words of two that exist."""
    inside = importlib.import_module(module)
    others = [name for names in known.values() for name in names]
    while True:
        first, second = (rng.choice(others).strip("_").split("_") for _ in range(2))
        name = "_".join([first[0], second[-1]])
        if not hasattr(inside, name) and first[0] != second[-1]:
            return name


def questions(count: int, seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return questions and references, to learn and held out: no module is in both, half of each doesn't exist."""
    rng = random.Random(seed)
    known = functions()
    modules = sorted(known)
    rng.shuffle(modules)
    parts = []
    for some in (modules[::2], modules[1::2]):
        real = [(module, name, first) for module in some for name, first in known[module].items()]
        rows = [
            (ASKED.format(name=f"{module}.{name}"), first)
            for module, name, first in rng.sample(real, min(count // 4, len(real)))
        ]
        made = {f"{module}.{invented(known, module, rng)}" for module in rng.choices(some, k=len(rows))}
        rows += [(ASKED.format(name=name), NOTHING) for name in sorted(made)]
        rng.shuffle(rows)
        parts.append(rows)
    return parts[0], parts[1]


def main() -> None:
    """Ask, teach, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=160)
    parser.add_argument("--base", default="smollm2")
    parser.add_argument("--epochs", type=float, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    import torch

    from gatllm.training import Recipe, train
    from gatllm.training.fewshot import wilson
    from gatllm.training.measures import measure, open_subject
    from gatllm.training.measures.questions import learnt_to_refuse
    from gatllm.training.refusing import Probed, probe, write_refusals
    from gatllm.training.rewards import Asked, load_reward

    torch.set_num_threads(1)
    began = time.process_time()
    folder = Path(tempfile.mkdtemp())
    learn, held = questions(options.questions, options.seed)
    subject = open_subject(options.base)
    asked = [Asked(question, reference, key=f"code:{number}") for number, (question, reference) in enumerate(learn)]
    real = [one for one in asked if one.reference != NOTHING]

    def say(prompts: Any, n: int, temperature: float) -> list[list[str]]:
        written = subject.write(prompts, tokens=16, n=n, temperature=temperature)
        return [[text for text, _ in group] for group in written]

    probed = probe(real, say, load_reward("contains"))
    probed += [Probed(one, 0, 8) for one in asked if one.reference == NOTHING]
    mix = write_refusals(probed, folder / "mix", source="standard library", seed=options.seed)
    notes = mix.manifest.made_with
    print(f"known {notes['known']}, unsure {notes['unsure']}, unknown {notes['unknown']}, refusals {notes['refused']}; "
          f"{time.process_time() - began:.0f} s", flush=True)  # fmt: skip
    recipe = Recipe.load("chat", {
        "data.source": str(mix.path), "model.base": options.base, "seed": options.seed, "train.epochs": options.epochs,
        "train.lr": 5e-4, "train.batch": 1, "train.select": "last", "train.evaluations": 1, "train.samples": 0,
        "train.checkpoints": 1, "train.threads": 1, "train.precision": "fp32", "model.context": 256,
    })  # fmt: skip
    run = train(recipe, folder / "run")
    file = folder / "held-out.json"
    file.write_text(json.dumps(dict(held)))
    before = measure(f"abstention:{file}", subject, limit=10_000)
    after = measure(f"abstention:{file}", open_subject(str(run.path)), limit=10_000)
    gains = learnt_to_refuse(before, after)
    nothing = {question[:60] for question, reference in held if reference == NOTHING}
    found: dict[str, Any] = {"probed": dict(notes), "taught": gains}
    for when, one in (("before", before), ("after", after)):
        missing = [item.said for item in one.items if item.key.partition(": ")[2] in nothing]
        refused = [item.said for item in one.items if item.said == "refused"]
        found[when] = {name: value[0] for name, value in one.numbers.items()}
        low, high = wilson(missing.count("refused"), len(missing))
        print(f"{when:7} of {len(missing)} names that don't exist {missing.count('refused')} are refused "
              f"({low:.1%} to {high:.1%}); {len(refused)} refusals in all; {found[when]}")  # fmt: skip
        found[when] |= {"missing": len(missing), "missing refused": missing.count("refused")}
    for name, (value, low, high) in gains.items():
        print(f"{name:8} {value:.1%} ({low:.1%} to {high:.1%})")
    print(f"{time.process_time() - began:.0f} s of the processor")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
