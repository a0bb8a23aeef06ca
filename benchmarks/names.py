"""Questions about names, half of them invented, from the running interpreter's library: is what doesn't exist said?

    python benchmarks/names.py [--count 400] [--seed 0]

Real names are public functions, classes and methods of the standard library; invented ones exchange a word of a real
name for one of another (`json.parse_file`), and no such name exists. Each is asked for in one of a few sentences.
Nothing is generated: what is measured is what is said before a word is written. Baseline: nothing is ever said. Prints
a table and one JSON line.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import random
import warnings

from gatllm.answering.knowledge import mentions
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
    "Explain the arguments of {name}(path, strict=False).",
    "What is the default value of the second parameter of `{name}`?",
    "Can I call {name}(x) on an empty input?",
    "Was macht `{name}` genau?",
    "Which exception does {name}() raise when it fails?",
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
        told = any(not mention.exists for mention in mentions(prose_of(prompt)))
        said += told and not exists
        if told and exists:
            wrong.append(name)
        elif not told and not exists:
            missed.append(name)
    print(f"{half} invented: said of {said} ({said / half:.1%}); {half} real: wrongly said of {len(wrong)}")
    print(f"missed: {', '.join(missed[:12])}")
    print(f"wrong: {', '.join(wrong[:12])}")
    print(json.dumps({"count": options.count, "said": said / half, "wrongly": len(wrong) / half}))


if __name__ == "__main__":
    main()
