"""Zero-, one- and few-shot evaluation: what a model does with a task after seeing k examples in its prompt."""

from __future__ import annotations

import math
import random
import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatllm.data import open_source
from gatllm.errors import GatllmError, UsageError
from gatllm.progress import Progress, Report, silent
from gatllm.training.scoring import exact, word_f1

Example = tuple[str, str]  # input, expected output
Write = Callable[[Sequence[str]], list[str]]  # prompts → what the model continues with, ended at a line break

_TEMPLATE = "Input: {input}\nOutput:"
_BATCH = 16


@dataclass(frozen=True)
class Task:
    """Examples of one kind; ``template`` turns an input into a prompt, its answer is one line."""

    name: str
    examples: tuple[Example, ...]
    template: str = _TEMPLATE
    left_out: tuple[str, ...] = ()  # entries of its file that hold no question with an answer, and why

    def prompt(self, shots: Sequence[Example], text: str) -> str:
        """Return the prompt (Brown et al. 2020): the solved ``shots``, then the open one."""
        solved = [f"{self.template.format(input=given)} {wanted}\n\n" for given, wanted in shots]
        return "".join(solved) + self.template.format(input=text)


@dataclass(frozen=True)
class Score:
    """How often the answer was exactly right after ``shots`` examples; ``low`` and ``high`` bound the rate (95 %)."""

    task: str
    shots: int
    right: int
    asked: int
    low: float
    high: float
    wrong: tuple[tuple[str, str, str], ...]  # (input, expected, answer) of all misses
    f1: float = 0.0  # mean F1 of words
    unasked: tuple[tuple[str, str], ...] = ()  # (input, why the model can't read it); they count as wrong

    @property
    def accuracy(self) -> float:
        """The fraction of right answers."""
        return self.right / self.asked


def evaluate(
    task: Task,
    write: Write,
    *,
    shots: Iterable[int] = (0, 1, 5),
    limit: int = 100,
    seed: int = 0,
    report: Report = silent,
) -> list[Score]:
    """Ask the same ``limit`` questions with each number of ``shots``; an answer counts when it is exactly right.

    The examples shown are drawn anew for each question, and never are the question.

    Raises:
        UsageError: the task has too few examples.
    """
    wanted = sorted(set(shots))
    most = max(wanted)
    if len(task.examples) <= most:
        raise UsageError(f"the task {task.name} has {len(task.examples)} examples", f"give more than {most}")
    needed = min(most + 1, len(task.examples) - 1)  # one more than shown, as ever: else other examples are drawn
    generator = random.Random(f"{seed}/{task.name}")
    asked = generator.sample(range(len(task.examples)), min(limit, len(task.examples)))
    pools = [generator.sample([n for n in range(len(task.examples)) if n != place], needed) for place in asked]
    scores = []
    for count in wanted:
        prompts = [
            task.prompt([task.examples[n] for n in pool[:count]], task.examples[place][0])
            for place, pool in zip(asked, pools, strict=True)
        ]
        answers: list[str] = []
        unread: dict[int, str] = {}
        for first in range(0, len(prompts), _BATCH):
            answers += _written(write, prompts[first : first + _BATCH], first, unread)
            report(Progress(f"{task.name}, {count} shots", len(answers), len(prompts), "questions"))
        unasked = tuple((task.examples[asked[number]][0], why) for number, why in unread.items())
        scores.append(_score(task, count, [task.examples[place] for place in asked], answers, unasked))
    return scores


def _written(write: Write, prompts: Sequence[str], first: int, unread: dict[int, str]) -> list[str]:
    """Return the answers; where one prompt can't be read (too long, a letter it doesn't know) the others still are."""
    try:
        return write(prompts)
    except GatllmError:
        answers = []
        for number, prompt in enumerate(prompts, first):
            try:
                answers += write([prompt])
            except GatllmError as error:
                unread[number] = error.cause
                answers.append("")
        return answers


def _score(
    task: Task,
    shots: int,
    questions: Sequence[Example],
    answers: Sequence[str],
    unasked: tuple[tuple[str, str], ...],
) -> Score:
    judged = [(given, wanted, answer.strip()) for (given, wanted), answer in zip(questions, answers, strict=True)]
    wrong = [row for row in judged if not exact(row[2], row[1])]
    right = len(judged) - len(wrong)
    low, high = wilson(right, len(judged))
    f1 = sum(word_f1(answer, wanted) for _, wanted, answer in judged) / len(judged)
    return Score(task.name, shots, right, len(judged), low, high, tuple(wrong), f1, unasked)


def wilson(right: int, asked: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate (Wilson 1927)."""
    z = 1.959964
    rate = right / asked
    middle = (rate + z * z / (2 * asked)) / (1 + z * z / asked)
    half = z * math.sqrt(rate * (1 - rate) / asked + z * z / (4 * asked * asked)) / (1 + z * z / asked)
    # In exact arithmetic the rate lies inside; rounding must not push it out.
    return max(0.0, min(middle - half, rate)), min(1.0, max(middle + half, rate))


def load_task(source: str, *, template: str = _TEMPLATE) -> Task:
    """Return a task that comes with gatllm, by name, or the examples of a JSON or JSONL file.

    A file is whatever `gatllm.data.open_source` reads questions and answers from: JSON, JSONL, CSV, Parquet.

    Raises:
        UsageError: there is no such task or file, or the template has no ``{input}``.
        GatllmError: the file holds no examples.
    """
    if "{input}" not in template:
        raise UsageError("the template has no {input}", "write for example --template '{input} ='")
    if source in TASKS and not Path(source).exists():
        return Task(source, tuple(TASKS[source](random.Random(source))), template)
    path = Path(source)
    if not path.is_file():
        raise UsageError(f"there is no task {source}", f"name a file or one of {', '.join(TASKS)}")
    examples: list[Example] = []
    left_out = []
    for item in open_source(source):
        answer = item.read().decode("utf-8", "replace")
        if item.content == "pair" and item.prompt.strip() and answer.strip():
            examples.append((item.prompt, answer))
        else:
            why = item.problem[1] if item.problem else "no question with an answer"
            left_out.append(f"{item.origin}: {why}")
    if not examples:
        raise GatllmError(f"{source} holds no examples", 'write lines like {"input": "2 + 2", "output": "4"}')
    return Task(path.stem, tuple(examples), template, tuple(left_out))


def _words(generator: random.Random, change: Callable[[str], str]) -> list[Example]:
    words = {"".join(generator.choices(string.ascii_lowercase, k=generator.randint(3, 8))) for _ in range(400)}
    return [(word, change(word)) for word in sorted(words)]


def _sums(generator: random.Random) -> list[Example]:
    pairs = [(a, b) for a in range(1, 50) for b in range(1, 50)]
    return [(f"{a} + {b}", str(a + b)) for a, b in generator.sample(pairs, 400)]


TASKS: dict[str, Callable[[random.Random], list[Example]]] = {
    "alphabetize": lambda generator: _words(generator, lambda word: "".join(sorted(word))),
    "reverse": lambda generator: _words(generator, lambda word: word[::-1]),
    "uppercase": lambda generator: _words(generator, str.upper),
    "sums": _sums,
}


def run_writer(folder: Path, *, tokens: int = 32, device: str = "cpu") -> Write:
    """Return what asks the model of a run folder, greedily."""
    from gatllm.inference import Sampling, generate
    from gatllm.models import load_run

    loaded = load_run(folder, device=device)

    def write(prompts: Sequence[str]) -> list[str]:
        sampling = Sampling(max_new_tokens=tokens, stop=("\n",), overflow="stop")
        answers = generate(loaded.model, loaded.tokenizer, list(prompts), sampling)
        return [group[0].text for group in answers]

    return write


def pretrained_writer(model: str, *, tokens: int = 32, report: Report = silent) -> Write:
    """Return what asks a pretrained language model (as `models.tuned.open_lm` names it), or an engine by its address
    (which must have OpenAI's ``/completions``: a text is continued), greedily.
    """
    from gatllm.models import ChatOptions
    from gatllm.models.remote import RemoteGenerator, is_address
    from gatllm.models.tuned import open_lm

    loaded = RemoteGenerator(model) if is_address(model) else open_lm(model, report=report)

    def write(prompts: Sequence[str]) -> list[str]:
        options = ChatOptions(max_new_tokens=tokens, temperature=0.0, stop=("\n",))
        return [completion.text for completion in loaded.complete(list(prompts), options)]

    return write
