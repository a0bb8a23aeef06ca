"""The built-in Python course, in order: what Python is and how it is written, then functions, then whole modules.

Everything comes from what is installed with the interpreter and ruff: it needs no network, and its licences are known.
"""

from __future__ import annotations

import ast
import builtins
import codecs
import inspect
import json
import keyword
import re
import subprocess
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path
from random import Random

from gatllm.data.admission import Admission, Options
from gatllm.data.building import made_with
from gatllm.data.dataset import Dataset, DatasetWriter
from gatllm.data.functions import docstring_pairs, parse
from gatllm.data.sources import SourceFile, open_source
from gatllm.data.verdicts import Judge, Rules, Verdict
from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report, silent
from gatllm.records import new_folder

STAGES = ("fundamentals", "functions", "modules")
_EXAMPLE = re.compile(
    r"## Example\s+```(?:python|py)?\n(.*?)```.*?[Uu]se instead:\s+```(?:python|py)?\n(.*?)```", re.DOTALL
)


def build_course(
    out: Path | str,
    *,
    library: str = "stdlib",
    limit: int | None = None,
    seed: int = 0,
    options: Options | None = None,
    replace: bool = False,
    report: Report = silent,
) -> Dataset:
    """Write the course: a positive dataset whose records come stage by stage, each with its ``stage``.

    Args:
        out: the dataset folder; it appears whole or not at all.
        library: the source whose modules and functions are taught.
        limit: records of each stage at most, drawn by ``seed``.
        seed: see ``limit``.
        options: licences, privacy, duplicates, rules.
        replace: put the new dataset in the place of one that is there.
        report: told after each item.

    Raises:
        GatllmError: ``out`` is already there or can't be written, or ruff can't be run.
    """
    out, options = Path(out), options or Options()
    with new_folder(out, replace=replace) as folder, DatasetWriter(folder, "positive", out.name) as writer:
        admission = Admission(options)
        good: list[Verdict] = []
        with Judge(rules=Rules(options.rules), target=options.target) as judge:
            files = list(open_source(library))
            for done, verdict in enumerate(judge.judge(files), 1):
                report(Progress("check", done, len(files), "files"))
                if verdict.good:
                    good.append(verdict)
                else:
                    writer.reject(verdict.file.origin, [reason.as_dict() for reason in verdict.reasons])
        stages = (list(_fundamentals(good)), list(_functions(good)), good)
        for name, stage in zip(STAGES, stages, strict=True):
            if limit is not None and len(stage) > limit:
                kept = sorted(Random(f"{seed}:{name}").sample(range(len(stage)), limit))
                stage = [stage[index] for index in kept]  # noqa: PLW2901
            for done, verdict in enumerate(stage, 1):
                report(Progress(name, done, len(stage), "records"))
                record, reasons = admission.admit(verdict)
                if record is None:
                    writer.reject(verdict.file.origin, [reason.as_dict() for reason in reasons])
                else:
                    writer.add(record | {"stage": name})
        writer.finish(
            sources=["the Python course: interpreter, standard library, ruff"],
            contributor=options.contributor,
            stages=list(STAGES),
            made_with=made_with(seed=seed, limit=limit, redacted=admission.redacted, **options.as_dict()),
        )
    return Dataset.open(out)


def _lesson(origin: str, question: str, answer: str, licence: str = "PSF-2.0") -> Verdict:
    file = SourceFile(f"course:{origin}", licence, content="pair", language="", prompt=question)
    return Verdict(file, text=textwrap.dedent(answer).strip() + "\n")


def _fundamentals(good: list[Verdict]) -> Iterator[Verdict]:
    yield from _reference()
    yield from _builtins()
    yield from _modules(good)
    yield from _style()


def _reference() -> Iterator[Verdict]:
    from pydoc_data.topics import topics

    source = (Path(sysconfig.get_paths()["stdlib"]) / "this.py").read_text(encoding="utf-8")
    tree = ast.parse(source).body[0]
    if isinstance(tree, ast.Assign):  # importing it would print it
        yield _lesson("zen", "What is the Zen of Python?", codecs.decode(ast.literal_eval(tree.value), "rot13"))
    for name, text in sorted(topics.items()):
        yield _lesson(f"reference/{name}", f"Explain this part of the Python language: {name}.", text)
    words = ", ".join(keyword.kwlist)
    yield _lesson("keywords", "Which words are reserved in Python?", f"These words are keywords:\n\n{words}")


def _builtins() -> Iterator[Verdict]:
    for name in sorted(vars(builtins)):
        value = getattr(builtins, name)
        if name.startswith("_") or not (callable(value) or inspect.isclass(value)):
            continue
        kind = "class" if inspect.isclass(value) else "function"
        if text := inspect.getdoc(value):
            yield _lesson(f"builtins/{name}", f"What does the built-in {kind} {name} do?", text)
        if inspect.isclass(value):
            for method, what in sorted(vars(value).items()):
                if not method.startswith("_") and callable(what) and (text := inspect.getdoc(what)):
                    yield _lesson(f"builtins/{name}.{method}", f"What does {name}.{method} do in Python?", text)


def _modules(good: list[Verdict]) -> Iterator[Verdict]:
    for verdict in good:
        path = verdict.file.origin.partition(":")[2]
        if path.startswith(("test/", "idlelib/", "lib2to3/")) or "/_" in f"/{path.removesuffix('__init__.py')}":
            continue
        tree = parse(verdict.text)
        text = ast.get_docstring(tree) if tree is not None else None
        if text:
            name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            yield _lesson(f"modules/{name}", f"What is the Python module {name} for?", text)


def _style() -> Iterator[Verdict]:
    """Yield what ruff explains: why a habit is bad, and an example of it made better (its texts are under MIT)."""
    from ruff import find_ruff_bin

    command = [find_ruff_bin(), "rule", "--all", "--output-format", "json"]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
        rules = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise GatllmError(f"can't read ruff's rules: {error}", "pip install ruff") from None
    for rule in sorted(rules, key=lambda rule: str(rule["code"])):
        text = str(rule["explanation"] or "")
        parts = re.split(r"^## ", text, flags=re.MULTILINE)
        why = next((part.partition("\n")[2] for part in parts if part.startswith("Why is this bad")), "")
        what = next((part.partition("\n")[2] for part in parts if part.startswith("What it does")), "")
        if why.strip() and what.strip():
            question = f"What is bad style about this in Python? {' '.join(what.split())}"
            yield _lesson(f"style/{rule['name']}-why", question, why, "MIT")
        if example := _EXAMPLE.search(text):
            question = f"Improve this Python code.\n\n{example[1].rstrip()}"
            yield _lesson(f"style/{rule['name']}", question, example[2], "MIT")


def _functions(good: list[Verdict]) -> Iterator[Verdict]:
    for verdict in good:
        for number, (prompt, text) in enumerate(docstring_pairs(verdict.text)):
            file = SourceFile(
                f"{verdict.file.origin}#{number}", verdict.file.licence, content="pair", language="", prompt=prompt
            )
            yield Verdict(file, text=text)
