"""Questions about names, half of them invented, from the running interpreter's library: is what doesn't exist said?

    python benchmarks/names.py [--count 400] [--seed 0]

Real names are public functions, classes and methods of the standard library; invented ones exchange a word of a real
name for one of another (`json.parse_file`), and no such name exists. Each is asked for in one of a few sentences.
A second table asks for parameters of functions (invented: those of another one) and for the module that has a
function. Nothing is generated: what is measured is what is said before a word is written. Baseline: nothing is ever
said. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import random
import warnings

from gatllm.answering.asked_names import mentioned
from gatllm.answering.wording import prose_of

MODULES = (
    "asyncio", "base64", "bisect", "calendar", "collections", "csv", "dataclasses", "datetime", "decimal", "difflib",
    "email", "fractions", "functools", "glob", "hashlib", "heapq", "html", "inspect", "io", "itertools", "json",
    "logging", "math", "mimetypes", "os", "pathlib", "platform", "pprint", "queue", "random", "re", "shlex", "shutil",
    "socket", "sqlite3", "statistics", "string", "subprocess", "tempfile", "textwrap", "threading", "time", "tokenize",
    "unicodedata", "urllib.parse", "uuid", "weakref", "zipfile", "zlib",
)  # fmt: skip
TYPES = (str, bytes, list, dict, set, tuple, int, float)
SENTENCES = (
    "How do I use {name}()?",
    "What does `{name}` return?",
    "Explain the arguments of {name}(path).",
    "What is the default value of the second parameter of `{name}`?",
    "Can I call {name}(x) on an empty input?",
    "Was macht `{name}` genau?",
    "Which exception does {name}() raise when it fails?",
)

OF_PARAMETERS = (
    "What is the default value of the parameter `{parameter}` of `{name}`?",
    "What does the `{parameter}` argument of {name}() do?",
    "Can I pass {name}(x, {parameter}=True)?",
    "Was bedeutet der Parameter `{parameter}` von `{name}`?",
)
OF_MODULES = (
    "Which module of Python's standard library has the function `{name}`?",
    "In which standard library module is `{name}` defined?",
    "What module in the standard library provides `{name}()`?",
)


def real_names() -> list[str]:
    found = []
    for name in MODULES:
        module = importlib.import_module(name)
        for member, value in inspect.getmembers(module):
            if not member.startswith("_") and (inspect.isroutine(value) or inspect.isclass(value)):
                found.append(f"{name}.{member}")
    for kind in TYPES:
        found += [f"{kind.__name__}.{member}" for member in dir(kind) if not member.startswith("_")]
    return found


def invented(real: list[str], chance: random.Random) -> str:
    """Return a name of the same owners that does not exist, made of words that do."""
    known = set(real)
    words = sorted({word for name in real for word in name.rpartition(".")[2].lower().split("_") if len(word) > 2})
    while True:
        owner, _, last = chance.choice(real).rpartition(".")
        parts = last.split("_")
        if chance.random() < 0.5:
            parts[chance.randrange(len(parts))] = chance.choice(words)
        else:
            parts.insert(chance.randrange(len(parts) + 1), chance.choice(words))
        name = f"{owner}.{'_'.join(parts)}"
        module = importlib.import_module(owner) if owner in MODULES else next(t for t in TYPES if t.__name__ == owner)
        last = name.rpartition(".")[2]
        if last.isidentifier() and name not in known and not hasattr(module, last):
            return name


def parameters_of(name: str) -> dict[str, inspect.Parameter]:
    """Return the parameters of a module's function that can be named; none where its signature is not known."""
    owner, _, last = name.rpartition(".")
    if owner not in MODULES:
        return {}
    try:
        known = inspect.signature(getattr(importlib.import_module(owner), last)).parameters
    except (TypeError, ValueError):
        return {}
    return {
        each: value for each, value in known.items() if value.kind in (value.POSITIONAL_OR_KEYWORD, value.KEYWORD_ONLY)
    }


def is_told(prompt: str) -> bool:
    return any(not mention.exists for mention in mentioned(prose_of(prompt)))


def other_questions(real: list[str], half: int, chance: random.Random) -> dict[str, float]:
    """Return the fractions of questions about real and invented parameters and functions that are told of."""
    functions = {name: found for name in real if (found := parameters_of(name))}
    pool = sorted({parameter for found in functions.values() for parameter in found})
    last = {name.rpartition(".")[2] for name in real}
    kinds = ("real parameter", "other's parameter", "real function", "invented function")
    told: dict[str, list[bool]] = {kind: [] for kind in kinds}
    for name in chance.choices(sorted(functions), k=half):
        other = chance.choice([each for each in pool if each not in functions[name]])
        own = chance.choice(sorted(functions[name]))
        for kind, parameter in ((kinds[0], own), (kinds[1], other)):
            told[kind].append(is_told(chance.choice(OF_PARAMETERS).format(name=name, parameter=parameter)))
    for name in chance.choices(real, k=half):
        made = invented(real, chance).rpartition(".")[2]
        told[kinds[2]].append(is_told(chance.choice(OF_MODULES).format(name=name.rpartition(".")[2])))
        if made not in last:
            told[kinds[3]].append(is_told(chance.choice(OF_MODULES).format(name=made)))
    for kind, found in told.items():
        print(f"{kind:20} told of {sum(found)} of {len(found)} ({sum(found) / len(found):.1%})")
    return {kind: sum(found) / len(found) for kind, found in told.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    chance = random.Random(options.seed)
    real = real_names()
    half = options.count // 2
    asked = [(name, True) for name in chance.sample(real, half)]
    asked += [(invented(real, chance), False) for _ in range(half)]
    said, missed, wrong = 0, [], []
    for name, exists in asked:
        prompt = chance.choice(SENTENCES).format(name=name)
        told = is_told(prompt)
        said += told and not exists
        if told and exists:
            wrong.append(name)
        elif not told and not exists:
            missed.append(name)
    print(f"{half} invented: said of {said} ({said / half:.1%}); {half} real: wrongly said of {len(wrong)}")
    print(f"missed: {', '.join(missed[:12])}")
    print(f"wrong: {', '.join(wrong[:12])}")
    others = other_questions(real, half, chance)
    print(json.dumps({"count": options.count, "said": said / half, "wrongly": len(wrong) / half, **others}))


if __name__ == "__main__":
    main()
