"""``gatllm ask`` and ``gatllm chat``: answers in the terminal, with what is known about them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gatllm.cli.answer_view import show_confidence, show_review
from gatllm.cli.assistant_options import AssistantOptions
from gatllm.cli.console import err, note, print_json, progress_report
from gatllm.cli.draft import DraftView
from gatllm.errors import UsageError

if TYPE_CHECKING:
    from gatllm.answering import Answer, Assistant
    from gatllm.models import ChatOptions, Message

_FLAG = Parameter(negative=())
_DEFAULTS = AssistantOptions()


def ask(
    *prompt: str,
    options: AssistantOptions = _DEFAULTS,
    number: Annotated[int, Parameter(name=["--number", "-n"])] = 1,
    council: list[str] | None = None,
    retrieval: bool = True,
    stop: list[str] | None = None,
    only_confident: Annotated[bool, _FLAG] = False,
    transcript: Path | None = None,
    json: Annotated[bool, _FLAG] = False,
) -> int:
    """Ask one question; the code in the answer is checked and corrected before it is shown.

    Below the answer: its confidence, a warning where it is low, the discriminator's verdict and corrections, and the
    records that the answer resembles. A prompt of - is read from standard input.

    Args:
        prompt: the question, with or without quotes around it.
        number: how many answers; beyond the first they are drawn with the seeds that follow.
        council: how many proposals of this generator have to agree on the answer; or, repeated, the addresses of the
            members that have to agree: [KEY@]http://HOST:PORT[=STAKE] (see `gatllm node`). A stake is a number, or the
            0x… account on the chain (GATLLM_RPC, else the local one) whose balance it is.
        retrieval: show the generator code from the datasets that is near the question.
        stop: end the answer before this text; may be repeated.
        only_confident: do not answer below the threshold; exit code 1 then.
        transcript: write the hash-chained record of the answer here.
        json: print the answer as JSON.
    """
    text = " ".join(prompt)
    if text == "-":
        text = sys.stdin.read()
    if not text.strip():
        raise UsageError("there is no question", "write it behind `gatllm ask`, or pipe it in and say -")
    if number < 1 or (number > 1 and options.temperature == 0):
        raise UsageError(f"--number {number} gives no different answers", "raise --temperature, for example to 0.8")
    if council == ["0"]:
        raise UsageError("a council of 0 can't answer", "name 1 or more")
    assistant = _open(options, council, retrieval, tuple(stop or ()))
    answers = []
    for at in range(number):
        chosen = replace(assistant.options, seed=options.seed + at)
        if at and not json:
            print(f"\n── answer {at + 1} ──")
        answers.append(_answer(assistant, text, [], chosen, quiet=json, proceed=not only_confident))
        if transcript is not None:
            name = transcript if number == 1 else transcript.with_stem(f"{transcript.stem}-{at + 1}")
            _save(answers[-1], name)
    if json:
        print_json(answers[0].to_json() if number == 1 else [answer.to_json() for answer in answers])
    return int(all(answer.declined for answer in answers))


def chat(*, options: AssistantOptions = _DEFAULTS) -> None:
    """Talk with the assistant; an empty line or Ctrl-D ends it, Ctrl-C stops an answer.

    Before it answers a prompt below the threshold it asks whether to go on. `/new` forgets the conversation.
    """
    assistant = _open(options)
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
            answer = _answer(assistant, prompt, history, assistant.options, quiet=False, proceed=False)
            if answer.declined:
                if _read("go on all the same? [y/N] ").strip().lower() not in ("y", "yes"):
                    continue
                answer = _answer(assistant, prompt, history, assistant.options, quiet=False, proceed=True, warn=False)
        except KeyboardInterrupt:
            note("\nstopped; this question is forgotten")
            continue
        history += [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer.text}]


def _open(
    options: AssistantOptions, council: list[str] | None = None, retrieval: bool = True, stop: tuple[str, ...] = ()
) -> Assistant:
    from gatllm.answering.opening import open_assistant

    with progress_report() as report:
        return open_assistant(
            model=options.model,
            small=options.small,
            data=options.data or [],
            discriminator=options.discriminator,
            data_requests=options.requests(),
            options=options.chat_options(stop),
            council=[_with_stake(address) for address in council or ()],
            retrieval=retrieval,
            report=report,
        )


def _with_stake(address: str) -> str:
    """Put a member's stake for the account that its address names: what that account holds, in ether."""
    place, named, account = address.rpartition("=0x")
    if not named:
        return address
    from gatllm.cli.market_options import MarketOptions

    held = MarketOptions().chain(account=False).balance_of(f"0x{account}") / 1e18
    if held <= 0:
        raise UsageError(f"0x{account} holds nothing on this chain", "name another account, or the stake as a number")
    return f"{place}={held:.18f}"


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
        for event in assistant.stream(prompt, history, options, proceed=proceed, learn=True):
            if isinstance(event, Answer):
                answer = event
            elif quiet:
                continue
            elif isinstance(event, Assessment) and warn:
                show_confidence(event)
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
        show_review(answer)
    return answer


def _save(answer: Answer, path: Path) -> None:
    from gatllm.answering import Transcript

    kept = Transcript()
    kept.entries = list(answer.transcript)
    kept.save(path)
