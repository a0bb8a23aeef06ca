"""Reviewed answers against bare first proposals on tasks with hidden tests, many tasks at once.

    python benchmarks/answers.py TASKS.jsonl --out OUT.jsonl [--model default] [--at-once 8] [--limit N]

`gatllm eval MODEL --tasks FILE --review` asks one task after the other, and its times are a user's. Here the requests
of several tasks become one batch, which costs a fraction of the processor time; times mean nothing and are not told.
Answers are the same but for the seeds of drawn proposals. With ``--no-example`` the prompts state none, as most do:
the example is one of the hidden tests then. Stopped, it continues behind the last whole group of tasks.
The baseline is the bare first proposal of the same generator. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import builtins
import json
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from gatllm.answering.code_tasks import CodeTask, read_code_tasks
from gatllm.answering.evaluation import Outcome, answer_task, measure
from gatllm.answering.generators import load_generator
from gatllm.models import ChatGenerator, ChatOptions, Completion, Message, StateReader
from gatllm.review.default import load_reviewer
from gatllm.sandbox import Runner


class Together:
    """A generator for several threads: when all of them wait for it, what they ask becomes one batch."""

    def __init__(self, generator: ChatGenerator) -> None:
        self.name, self.context = generator.name, generator.context
        self._generator = generator
        if isinstance(generator, StateReader):
            self.states = generator.states
        self._changed = threading.Condition()
        self._asked: list[tuple[list[Sequence[Message]], ChatOptions, list[Completion]]] = []

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Iterator[str | Completion]:
        completion = self.generate([messages], options)[0]
        yield completion.text
        yield completion

    def generate(self, conversations: Sequence[Sequence[Message]], options: ChatOptions) -> list[Completion]:
        answers: list[Completion] = []
        with self._changed:
            self._asked.append((list(conversations), options, answers))
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(answers) == len(conversations))
        return answers

    def serve(self, jobs: Sequence[threading.Thread]) -> None:
        """Answer until every job is done."""
        for job in jobs:
            job.start()
        while any(job.is_alive() for job in jobs):
            with self._changed:
                # A job that ends tells nobody: look again now and then.
                if not self._changed.wait_for(lambda: self._all_wait(jobs), timeout=0.2):
                    continue
                kinds = {replace(options, seed=0) for _, options, _ in self._asked}
                first = sorted(kinds, key=lambda options: options.temperature)[0]
                taken = [asked for asked in self._asked if replace(asked[1], seed=0) == first]
                self._asked = [asked for asked in self._asked if asked not in taken]
            rows = [conversation for conversations, _, _ in taken for conversation in conversations]
            made = iter(self._generator.generate(rows, first))
            with self._changed:
                for conversations, _, answers in taken:
                    answers += [next(made) for _ in conversations]
                self._changed.notify_all()

    def _all_wait(self, jobs: Sequence[threading.Thread]) -> bool:
        return 0 < len(self._asked) >= sum(job.is_alive() for job in jobs)


def without_example(task: CodeTask) -> CodeTask:
    """Return a task whose prompt has no example any more; what the function is called is said instead."""
    prose, _, example = task.prompt.partition("\nYour code should pass this test:\n")
    given = {*dir(builtins), *re.findall(r"\w+", task.before)}
    names = [name for name in re.findall(r"(?<![.\w])(\w+)\(", example) if name not in given]
    if names and names[0] not in prose:
        prose += f"\nCall it `{names[0]}`."
    return replace(task, id=f"{task.id} without example", prompt=prose, tests=f"{example}\n{task.tests}".strip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="default")
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--tokens", type=int, default=300)
    parser.add_argument("--bare", action="store_true", help="first proposals alone")
    parser.add_argument("--no-example", action="store_true", help="prompts without their example")
    options = parser.parse_args()
    tasks = read_code_tasks(options.tasks)[0][: options.limit]
    if options.no_example:
        tasks = [without_example(task) for task in tasks]
    done = {}
    if options.out.is_file():
        done = {row["task"]: Outcome(**row) for row in map(json.loads, options.out.read_text("utf-8").splitlines())}
    together = Together(load_generator(None if options.model == "default" else options.model))
    reviewer = None if options.bare else load_reviewer(None)
    asked = ChatOptions(max_new_tokens=options.tokens)
    with Runner(workers=1) as runner:
        waiting = [task for task in tasks if task.id not in done]
        while waiting:
            group, waiting = waiting[: options.at_once], waiting[options.at_once :]
            found: list[Outcome] = []

            def work(task: CodeTask, found: list[Outcome] = found) -> None:
                found.append(answer_task(together, task, runner, asked, reviewer))

            together.serve([threading.Thread(target=work, args=(task,), daemon=True) for task in group])
            with options.out.open("a", encoding="utf-8") as out:
                out.writelines(json.dumps(asdict(outcome)) + "\n" for outcome in found)
            done |= {outcome.task: outcome for outcome in found}
            print(len(done), measure(list(done.values())), flush=True)
    result = measure([done[task.id] for task in tasks])
    difference, low, high = result.difference
    print(f"bare {result.bare} of {result.asked}, reviewed {result.reviewed}; made wrong: {len(result.lost)}")
    print(f"difference {difference:+.1%} (paired 95 % interval {low:+.1%} to {high:+.1%})")
    print(json.dumps({"asked": result.asked, "bare": result.bare, "reviewed": result.reviewed, "lost": result.lost}))


if __name__ == "__main__":
    main()
