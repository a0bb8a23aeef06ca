"""Programming tasks with tests, in the common forms of public sets (MBPP, HumanEval), and whether code solves one."""

from __future__ import annotations

import ast
import json
import secrets
import textwrap
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatllm.answering.blocks import CodeBlock, split
from gatllm.errors import GatllmError
from gatllm.sandbox import Limits, Runner, Value

_LIMITS = Limits(cpu_seconds=5, wall_seconds=30.0)
_CHECK = "_gatllm_check"


@dataclass(frozen=True, slots=True)
class CodeTask:
    """A prompt, and hidden tests: statements that raise where the code is wrong. ``before`` goes above the code."""

    id: str
    prompt: str
    tests: str
    before: str = ""


def read_code_tasks(path: Path) -> tuple[list[CodeTask], list[str]]:
    """Return the tasks of a JSON Lines file, and what is wrong with the rows that are not tasks.

    A row has ``task_id``, ``prompt`` (or ``text``), and either ``test_list`` (assertions; the first is part of the
    prompt, the others judge) or ``test`` with ``entry_point`` (a function ``check(candidate)``). Other fields are
    ignored.

    Raises:
        GatllmError: the file can't be read, or holds no task.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GatllmError(f"can't read {path}: {error}", "name a JSON Lines file with a task in each row") from None
    tasks: list[CodeTask] = []
    bad: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            task = _task(json.loads(line), number)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
            why = f"{error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
            bad.append(f"row {number}: {why}")
            continue
        if any(task.id == other.id for other in tasks):
            bad.append(f"row {number}: task {task.id} occurs twice")
        else:
            tasks.append(task)
    if not tasks:
        why = f" ({bad[0]})" if bad else ""
        raise GatllmError(f"{path} holds no task{why}", "each row needs task_id, prompt, and test_list or test")
    return tasks, bad


def _task(row: Any, number: int) -> CodeTask:
    if not isinstance(row, dict):
        raise TypeError("it is not an object")
    prompt = row["prompt"] if "prompt" in row else row["text"]
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError("the prompt is empty")
    name = str(row.get("task_id", number))
    if "test_list" in row:
        tests = [str(test) for test in row["test_list"]]
        shown = f"{prompt.strip()}\nYour code should pass this test:\n{tests[0]}"
        others = tests[1:] + [str(test) for test in row.get("challenge_test_list") or []]
        if not others:
            raise ValueError("its only test is shown in the prompt: nothing is left that would judge")
        hidden = "\n".join(others)
        setup = str(row.get("test_setup_code") or "") + "\n" + "\n".join(map(str, row.get("test_imports") or []))
        task = CodeTask(name, shown, hidden, setup.strip())
    else:
        entry = str(row["entry_point"])
        if not entry.isidentifier():
            raise ValueError(f"entry_point {entry!r} is not a name")
        shown = f"Complete this function.\n\n```python\n{prompt.strip()}\n```\n"
        task = CodeTask(name, shown, f"{row['test']}\ncheck({entry})", _imports(prompt))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(f"{task.before}\n{task.tests}")
        except SyntaxError as error:
            raise ValueError(f"its tests do not parse: {error.msg}") from None
    return task


def _imports(prompt: str) -> str:
    """Return the import lines above the function that a prompt begins: an answer may take them as given."""
    return "\n".join(line for line in prompt.splitlines() if line.startswith(("import ", "from ")))


def code_of(text: str) -> str:
    """Return the code of an answer: its first Python block that defines something, else its first, else the text."""
    blocks = [piece.code for piece in split(text) if isinstance(piece, CodeBlock) and piece.is_python]
    defining = [code for code in blocks if "def " in code or "class " in code or "lambda" in code]
    return (defining or blocks or [text])[0]


def is_solved(task: CodeTask, code: str, runner: Runner) -> bool:
    """Tell whether code passes a task's tests, in the sandbox.

    All tests must run: a nonce that the code can't know is returned after the last one, so exiting early fails.
    """
    nonce = secrets.randbits(50)
    tests = textwrap.indent(task.tests, "    ")
    program = f"{task.before}\n{code}\n\n\ndef {_CHECK}(nonce):\n{tests}\n    return nonce\n"
    execution = runner.call(program, _CHECK, [(nonce,)], limits=_LIMITS)
    return execution.status == "finished" and execution.results == [Value(nonce)]
