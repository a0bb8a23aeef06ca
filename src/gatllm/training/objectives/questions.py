"""The questions that a model is reinforced on: drawn for a round, and held out."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatllm.data import divide, read_examples
from gatllm.errors import GatllmError
from gatllm.progress import silent
from gatllm.records import file_sha256
from gatllm.training.objectives.corpora import stands_for_itself
from gatllm.training.objectives.data_tables import PairTable, PolicyTable
from gatllm.training.objectives.pairs import load_pairs
from gatllm.training.rewards.code import assertions_in, cases_of
from gatllm.training.rewards.reward import Asked
from gatllm.training.seeds import derive

_ROWS_OF_TASKS = (".jsonl", ".json")


@dataclass(frozen=True)
class Questions:
    """``draw(round, part)`` gives the questions of a round, part after part, none twice; after the last one nothing.

    ``held_out`` ones are never drawn where ``apart``.

    ``root`` commits to all; ``left_out`` says what of the source can't be asked, and why.
    """

    draw: Callable[[int, int], list[Asked]]
    held_out: list[Asked]
    root: str
    apart: bool = True
    left_out: tuple[str, ...] = ()


def load_questions(table: PolicyTable, seed: int) -> Questions:
    """Return the questions of a recipe.

    Raises:
        GatllmError: the source is missing or holds no question.
    """
    if table.source == "alphabetize" and not stands_for_itself(Path(table.source)):
        return _endless(table, seed)
    if _asks_for_tests(table):
        asked, left_out, root = _tasks(Path(table.source))
    else:
        examples, root = read_examples(table.source)
        asked = [
            Asked(asking["content"], answering["content"], key=example.key, turns=tuple(turns))
            for example in examples
            if [turn["role"] for turn in example.messages[-2:]] == ["user", "assistant"]
            for *turns, asking, answering in (example.messages,)
        ]
        left_out = ()
    if not asked:
        why = f" ({left_out[0]})" if left_out else ""
        raise GatllmError(f"{table.source} holds no question to ask{why}", "see docs/training.md, Reinforcement")
    train, held_out, apart = divide([(one.key, one) for one in asked])

    def draw(number: int, part: int) -> list[Asked]:
        order = random.Random(derive(seed, "questions", number)).sample(train, len(train))
        return order[part * table.prompts : (part + 1) * table.prompts]

    return Questions(draw, held_out[: table.validation_limit], root, apart, left_out)


def _endless(table: PolicyTable, seed: int) -> Questions:
    pairs = load_pairs(
        PairTable(source=table.source, length=table.length, validation_limit=table.validation_limit), seed, silent
    )
    give = pairs.endless
    assert give is not None  # noqa: S101  # that of alphabetize never ends

    def draw(number: int, part: int) -> list[Asked]:
        # Far from the rows that supervised training draws first: reinforcement sees strings of its own.
        first = (1 << 40) + (number << 32) + part * table.prompts
        return [Asked(*give(first + at), key=f"alphabetize:{first + at}") for at in range(table.prompts)]

    held = [Asked(text, wanted, key=f"held:{at}") for at, (text, wanted) in enumerate(pairs.validation)]
    return Questions(draw, held, pairs.root)


def _asks_for_tests(table: PolicyTable) -> bool:
    return table.reward == "tests" or (isinstance(table.reward, dict) and "tests" in table.reward)


def _tasks(file: Path) -> tuple[list[Asked], tuple[str, ...], str]:
    """Return programming tasks; the first test is shown, as is the custom, and all are hidden judges."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GatllmError(f"can't read {file}: {error}", "name a JSON Lines file with a task in each row") from None
    asked, left_out = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            asked.append(_task(row, f"{file.name}:{row.get('task_id', number)}"))
        except (ValueError, KeyError, TypeError, SyntaxError, RecursionError) as error:
            left_out.append(f"row {number}: {error if not isinstance(error, KeyError) else f'{error} is missing'}")
    return asked, tuple(left_out), file_sha256(file)


def _task(row: Mapping[str, Any], key: str) -> Asked:
    """Return a row of the form of MBPP (``test_list``) or HumanEval (``test`` with ``entry_point``).

    Raises:
        ValueError: its tests are not assertions about values.
        KeyError: it has no prompt or no tests.
    """
    prompt = str(row["prompt"] if "prompt" in row else row["text"]).strip()
    if "test_list" in row:
        tests = tuple(str(test) for test in row["test_list"])
        cases_of(tests)
        lines = [*(row.get("test_imports") or []), row.get("test_setup_code") or ""]
        before = "\n".join(str(line) for line in lines if line)
        asked = f"{prompt}\nYour code should pass this test:\n{tests[0]}"
        return Asked(asked, str(row.get("code") or ""), tests, key, before)
    tests = assertions_in(str(row["test"]), str(row["entry_point"]))
    before = "\n".join(line for line in prompt.splitlines() if line.startswith(("import ", "from ")))
    solution = row.get("canonical_solution")
    whole = f"{prompt}\n{solution}" if solution else ""
    return Asked(f"Complete this function.\n\n```python\n{prompt}\n```\n", whole, tests, key, before)
