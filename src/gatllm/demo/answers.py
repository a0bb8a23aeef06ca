"""Step 6: three prompts, answered with confidence, review and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gatllm.demo.data import POSITIVE
from gatllm.demo.stage import Outcome, Session, Stage
from gatllm.demo.training import DISCRIMINATOR, GENERATOR
from gatllm.errors import GatllmError
from gatllm.progress import Progress

if TYPE_CHECKING:
    from gatllm.answering import Answer
    from gatllm.models import ChatGenerator

_PROMPTS = (
    (
        "near the data",
        "Write a function that reads a JSON file and returns its content, with a default if it is missing.",
    ),
    ("far from the data", "How long must I bake a sourdough loaf of one kilogram, and at what temperature?"),
    (
        "a broken snippet to repair",
        "Please repair this code:\n\n```python\ndef mean(values:\n    total = 0\n    for value in values\n"
        "        total += value\n    return total / len(values)\n```",
    ),
)
_LONGEST = 220  # tokens of an answer: enough for a function, and the demo stays short
DATA_REQUESTS = "data_requests.jsonl"


def answer_prompts(session: Session, stage: Stage) -> Outcome:
    """Ask three prompts; each answer shows what the models know about it."""
    from gatllm.answering import Assistant, DataRequestFile, Library
    from gatllm.data import Dataset
    from gatllm.models import ChatOptions
    from gatllm.review import Reviewer

    generator, stand_in = _generator(session, stage)
    stage.say(f"  the generator is {generator.name}")
    stage.report(Progress("index the data", 0, 1, "dataset"))
    library = Library.open([Dataset.open(session.folder(POSITIVE))])
    stage.report(Progress("index the data", 1, 1, "dataset"))
    assistant = Assistant(
        generator,
        Reviewer.load(session.folder(DISCRIMINATOR)),
        library,
        data_requests=DataRequestFile(session.folder(DATA_REQUESTS)),
        options=ChatOptions(max_new_tokens=_LONGEST, seed=session.options.seed),
    )
    numbers: dict[str, Any] = {"generator": generator.name}
    for kind, prompt in _PROMPTS:
        stage.say(f"  ── {kind} ──")
        answer = assistant.ask(prompt)
        _show(answer, stage)
        numbers[kind] = (
            f"{answer.confidence:.0%}, {answer.verdict}" if answer.confidence is not None else answer.verdict
        )
    if stand_in:
        numbers["stand-in"] = stand_in
    return Outcome("done", numbers, made={"requests for data": str(session.folder(DATA_REQUESTS))})


def _generator(session: Session, stage: Stage) -> tuple[ChatGenerator, str]:
    """Return the chat generator, else the small one, else the one that was just trained; and why it stands in."""
    from gatllm.answering import load_generator

    why = ""
    for small in (True,) if session.options.small else (False, True):
        try:
            return load_generator(small=small, report=stage.report), why
        except GatllmError as error:
            stage.say(f"  the {'small' if small else 'default'} chat model can't be had: {error}")
            why = why or str(error)
    stage.say("  the generator that was just trained answers in its place")
    return load_generator(session.folder(GENERATOR), report=stage.report), why


def _show(answer: Answer, stage: Stage) -> None:
    for line in answer.prompt.splitlines():
        stage.say(f"  > {line}")
    if answer.confidence is not None and answer.threshold is not None:
        stage.say(f"  confidence {answer.confidence:.0%} (threshold {answer.threshold:.0%})")
    if answer.warning:
        stage.say(f"  warning: {answer.warning}")
    for line in answer.text.strip().splitlines():
        stage.say(f"  | {line}")
    stage.say(f"  verdict of the review (compiler, ruff, known names, discriminator): {answer.verdict}")
    for review in answer.reviews:
        for note in review.notes[:3]:
            stage.say(f"    line {note.line}: {note.message} ({note.by})")
        if review.changed:
            stage.diff(review.proposed, review.code, "answer.py")
    for source in answer.sources[:3]:
        stage.say(f"    source {source.origin} ({source.licence}), leaf {source.leaf} of {source.leaves}")
    if not answer.sources:
        stage.say("    no source in the data")
