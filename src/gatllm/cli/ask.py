"""``gatllm ask`` and ``gatllm chat``: answers in the terminal, with what is known about them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gatllm.cli.console import diff_lines, err, note, print_diff, print_json, progress_report
from gatllm.cli.draft import DraftView
from gatllm.errors import UsageError

if TYPE_CHECKING:
    from gatllm.answering import Answer, Assessment, Assistant, CodeReview
    from gatllm.models import ChatOptions, Message

_FLAG = Parameter(negative=())


def ask(
    *prompt: str,
    model: str | None = None,
    small: Annotated[bool, _FLAG] = False,
    data: list[Path] | None = None,
    discriminator: Path | None = None,
    max_tokens: int = 400,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    number: Annotated[int, Parameter(name=["--number", "-n"])] = 1,
    seed: int = 0,
    council: list[str] | None = None,
    retrieval: bool = True,
    stop: list[str] | None = None,
    only_confident: Annotated[bool, _FLAG] = False,
    wishes: Path = Path("wishes.jsonl"),
    transcript: Path | None = None,
    json: Annotated[bool, _FLAG] = False,
) -> int:
    """Ask one question; the code in the answer is checked and corrected before it is shown.

    Below the answer: its confidence, a warning where it is low, the discriminator's verdict and corrections, and the
    records that the answer resembles. A prompt of - is read from standard input.

    Args:
        prompt: the question, with or without quotes around it.
        model: a run folder, a Hugging Face folder or hub id, a GGUF file, or auto (the larger chat generator where it
            is here and memory allows; default: the default chat generator).
        small: use the small chat generator.
        data: dataset folders to compare with (default: those in datasets/, else the standard library).
        discriminator: run folder of the discriminator (default: the one that ships with gatllm).
        max_tokens: the longest answer.
        temperature: 0 always takes the likeliest token.
        top_k: draw among so many likeliest tokens (0: all).
        top_p: draw among the likeliest tokens that make up this probability.
        number: how many answers; beyond the first they are drawn with the seeds that follow.
        seed: what everything random derives from.
        council: how many proposals of this generator have to agree on the answer; or, repeated, the addresses of the
            members that have to agree: [KEY@]http://HOST:PORT[=STAKE] (see `gatllm node`).
        retrieval: show the generator code from the datasets that is near the question.
        stop: end the answer before this text; may be repeated.
        only_confident: do not answer below the threshold; exit code 1 then.
        wishes: the log in which prompts below the threshold are kept.
        transcript: write the hash-chained record of the answer here.
        json: print the answer as JSON.
    """
    text = " ".join(prompt)
    if text == "-":
        text = sys.stdin.read()
    if not text.strip():
        raise UsageError("there is no question", "write it behind `gatllm ask`, or pipe it in and say -")
    if number < 1 or (number > 1 and temperature == 0):
        raise UsageError(f"--number {number} gives no different answers", "raise --temperature, for example to 0.8")
    from gatllm.models import ChatOptions

    options = ChatOptions(max_tokens, temperature, top_k, top_p, seed, tuple(stop or ()))
    if council == ["0"]:
        raise UsageError("a council of 0 can't answer", "name 1 or more")
    assistant = _open(model, small, data, discriminator, wishes, options, council, retrieval)
    options = assistant.options
    answers = []
    for at in range(number):
        chosen = replace(options, seed=seed + at)
        if at and not json:
            print(f"\n── answer {at + 1} ──")
        answers.append(_answer(assistant, text, [], chosen, quiet=json, proceed=not only_confident))
        if transcript is not None:
            name = transcript if number == 1 else transcript.with_stem(f"{transcript.stem}-{at + 1}")
            _save(answers[-1], name)
    if json:
        print_json(answers[0].to_json() if number == 1 else [answer.to_json() for answer in answers])
    return int(all(answer.declined for answer in answers))


def chat(
    *,
    model: str | None = None,
    small: Annotated[bool, _FLAG] = False,
    data: list[Path] | None = None,
    discriminator: Path | None = None,
    max_tokens: int = 400,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    wishes: Path = Path("wishes.jsonl"),
) -> None:
    """Talk with the assistant; an empty line or Ctrl-D ends it, Ctrl-C stops an answer.

    Before it answers a prompt below the threshold it asks whether to go on. `/new` forgets the conversation.

    Args:
        model: see `gatllm ask`.
        small: see `gatllm ask`.
        data: see `gatllm ask`.
        discriminator: see `gatllm ask`.
        max_tokens: the longest answer.
        temperature: 0 always takes the likeliest token.
        top_k: draw among so many likeliest tokens (0: all).
        top_p: draw among the likeliest tokens that make up this probability.
        seed: what everything random derives from.
        wishes: the log in which prompts below the threshold are kept.
    """
    from gatllm.models import ChatOptions

    options = ChatOptions(max_tokens, temperature, top_k, top_p, seed)
    assistant = _open(model, small, data, discriminator, wishes, options)
    history: list[Message] = []
    while True:
        try:
            prompt = _read("you> ")
        except KeyboardInterrupt:
            note("")
            return
        if not prompt.strip():
            return
        if prompt.strip() == "/new":
            history = []
            continue
        try:
            answer = _answer(assistant, prompt, history, options, quiet=False, proceed=False)
            if answer.declined:
                if _read("go on all the same? [y/N] ").strip().lower() not in ("y", "yes"):
                    continue
                answer = _answer(assistant, prompt, history, options, quiet=False, proceed=True, warn=False)
        except KeyboardInterrupt:
            note("\nstopped; this question is forgotten")
            continue
        history += [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer.text}]


def _open(
    model: str | None,
    small: bool,
    data: list[Path] | None,
    discriminator: Path | None,
    wishes: Path,
    options: ChatOptions,
    council: list[str] | None = None,
    retrieval: bool = True,
) -> Assistant:
    from gatllm.answering.opening import open_assistant

    with progress_report() as report:
        return open_assistant(
            model=model,
            small=small,
            data=data or [],
            discriminator=discriminator,
            wishes=wishes,
            options=options,
            council=council or (),
            retrieval=retrieval,
            report=report,
        )


def _read(question: str) -> str:
    """Read a line; the question goes to standard error, so that answers can be piped."""
    err.print(question, end="", markup=False)
    line = sys.stdin.readline()
    return line.rstrip("\n")


def _answer(
    assistant: Assistant,
    prompt: str,
    history: list[Message],
    options: ChatOptions,
    *,
    quiet: bool,
    proceed: bool,
    warn: bool = True,
) -> Answer:
    from gatllm.answering import Answer, Assessment, Draft, Text

    answer = None
    draft = DraftView(err, shown=err.is_terminal and sys.stdout.isatty())
    try:
        for event in assistant.stream(prompt, history, options, proceed=proceed):
            if isinstance(event, Answer):
                answer = event
            elif quiet:
                continue
            elif isinstance(event, Assessment) and warn:
                _show_confidence(event)
            elif isinstance(event, Draft):
                draft.add(event.text)
            elif isinstance(event, Text):
                draft.clear()
                sys.stdout.write(event.text)
                sys.stdout.flush()
    finally:
        draft.clear()
    assert answer is not None  # noqa: S101  # a stream ends with its answer
    if not quiet and not answer.declined:
        if not answer.text.endswith("\n"):
            print()
        _show_review(answer)
    return answer


def _show_confidence(assessment: Assessment) -> None:
    if assessment.confidence is None or assessment.threshold is None:
        return
    sure = "" if assessment.certified else ", not certified"
    note(f"confidence {assessment.confidence:.0%} (threshold {assessment.threshold:.0%}{sure})")
    if assessment.warning:
        err.print("[bold yellow]warning:[/] ", end="")
        note(assessment.warning)


def _show_review(answer: Answer) -> None:
    note("")
    probability = max((review.probability for review in answer.reviews if review.probability is not None), default=None)
    likely = f" (probability of being fake {probability:.0%})" if probability is not None else ""
    words = {"real": "the code passed the review", "fake": "the code did not pass", "unchecked": "no Python to review"}
    if answer.confidence is not None and answer.confidence != answer.assessment.confidence:
        sure = "certified: at most 5 % of such answers are wrong" if answer.certified else "not certified"
        note(f"probability of being right {answer.confidence:.0%} ({sure})")
    if answer.warning and answer.warning != answer.assessment.warning:
        err.print("[bold yellow]warning:[/] ", end="")
        note(answer.warning)
    note(f"verdict: {answer.verdict}{likely}: {words[answer.verdict]}")
    for review in answer.reviews:
        _show_run(review)
        for remark in review.notes:
            if remark.error or remark.by == "discriminator":
                note(f"  line {remark.line}: {remark.message} ({remark.by})")
        if review.changed:
            print_diff(diff_lines(review.proposed, review.code, "answer.py"), err)
    if answer.finish_reason == "length":
        note("the answer was cut off; --max-tokens allows a longer one")
    _show_sources(answer)


def _show_sources(answer: Answer) -> None:
    if not answer.sources:
        note("no source in the data")
    for source in answer.sources[:4]:
        owner = f", {source.contributor}" if source.contributor else ""
        shown = ", shown to the generator" if source.retrieved else ""
        note(
            f"source: {source.origin} ({source.fraction:.0%} of the evidence{shown}; {source.licence}{owner};"
            f" record {source.leaf} of {source.dataset})"
        )
        best = source.evidence[0]
        note(f"  the answer:        {_one_line(best.text)}")
        note(f"  the data, line {best.line}: {_one_line(best.passage)}")
    if answer.similar:
        names = [f"{code.origin} {code.name}".strip() for code in answer.similar[:3]]
        note(f"similar code (no sources): {'; '.join(names)}")


def _one_line(text: str, most: int = 100) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _show_run(review: CodeReview) -> None:
    """Say what running the code against the prompt's own examples showed."""
    if review.trial is None or review.trial.outcome == "nothing stated":
        return
    if review.trial.outcome == "not run":
        note(f"not run: {review.trial.why}")
    for check in review.trial.checks:
        if check.passed:
            note(f"ran: {check.stated}; {check.got}")
    if review.rounds:
        agreed = "" if review.agreement is None else f", {review.agreement:.0%} of those that pass compute the same"
        note(f"the first proposal did not pass; this is the best of {review.proposals}{agreed}")


def _save(answer: Answer, path: Path) -> None:
    from gatllm.answering import Transcript

    kept = Transcript()
    kept.entries = list(answer.transcript)
    kept.save(path)
