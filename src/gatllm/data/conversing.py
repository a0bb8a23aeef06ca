"""Conversations out of code and text: documented functions, repaired errors, questions that a model asks of a passage.

What a model asks is kept only where its answer stands in the passage and is found there again by asking anew, where it
is not a copy, and where nothing like it was kept before; the others are counted by reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from gatllm.data.building import made_with
from gatllm.data.corruption import Corruption, corrupt
from gatllm.data.dataset import Dataset, DatasetWriter
from gatllm.data.families import FAMILIES
from gatllm.data.functions import Function, functions
from gatllm.data.manifest import FILE_NAME, Contributor
from gatllm.data.sources import open_source
from gatllm.data.verdicts.verdict import decode
from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report, silent
from gatllm.records import digest, new_folder

# Takes questions to a chat model and returns its answers, in order.
Ask = Callable[[Sequence[str]], list[str]]

_SHORTEST, _LONGEST = 40, 2400  # characters of a function
_FEWEST_WORDS = 4  # of a docstring that tells what to write
_PASSAGE = 900  # characters that a model is shown at once
_ASKED = 3  # questions of a passage
_AT_ONCE = 8
_GROUNDED = 0.8  # of an answer's telling words stand in the passage
_AGREES = 0.5  # F1 of words between the answer and what the passage gives when it is asked anew
_COPIED = 8  # words in a row that make a question a copy
_ALIKE = 0.75  # of the words of two questions are the same
_WORD = re.compile(r"\w+")
_PAIR = re.compile(
    r"Q(?:uestion)?\s*\d*\s*[:.)]\s*(.+?)\s*\n+\s*A(?:nswer)?\s*\d*\s*[:.)]\s*(.+?)(?=\n\s*(?:\d+[.)]\s*)?Q|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_EMPTY = (
    "a an and are as at be by do does for from how in is it its of on or that the this to was were what when where "
    "which who why will with you your can has have not if then than there their they"
)
_EMPTY_WORDS = frozenset(_EMPTY.split())
_WAYS = (
    "Write a Python function that does this:\n\n{what}\n\nIt begins with\n\n```python\n{header}\n```",
    "Complete this function.\n\n```python\n{header}\n```\n\n{what}",
    "How would you write `{name}` in Python? {what}\n\n```python\n{header}\n```",
)
_EXPLAIN = "What does this function do?\n\n```python\n{code}\n```"
_WHICH = (
    "Which function of {library} does this: {what}",
    "What do I call in {library} for this? {what}",
    "I use {library}. Name the function that fits: {what}",
)
_MEANS = ("What does `{name}` of {library} do?", "Explain {name} of {library}.")
_RECITE = ("Write the function `{name}` of {library}.", "Show me how {library} implements {name}.")
_ABOUT = ("What does {title} say about {heading}?", "{title}: {heading}?")
_SECTION = 600  # characters of a section that is an answer
_BROKEN = (
    "This does not work. What is wrong?\n\n```python\n{code}\n```",
    "Find and repair the mistake.\n\n```python\n{code}\n```",
    "Why does this fail?\n\n```python\n{code}\n```",
)
_QUESTIONS = (
    "Read the passage and write {count} questions that it answers, each with a short answer in the passage's words. "
    "Write them as\nQ: question\nA: answer\n\nPassage:\n{passage}"
)
_AGAIN = (
    "Answer the question with the passage, in a few words. If it is not in the passage, say unknown.\n\n"
    "Passage:\n{passage}\n\nQuestion: {question}"
)


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    origin: str
    licence: str
    is_code: bool


def converse(
    sources: Sequence[str],
    out: Path | str,
    *,
    ask: Ask | None = None,
    limit: int | None = None,
    seed: int = 0,
    contributor: Contributor | None = None,
    replace: bool = False,
    report: Report = silent,
) -> Dataset:
    """Write a conversation dataset of what stands in code and text.

    Every documented function becomes the question to write it and the question what it does, with its code in sight and
    by its name alone, and the question which function does that; every function becomes a broken one with the repair
    and its reason; every section under a heading the question about that. With ``ask`` a model puts three questions to
    each passage.

    Args:
        sources: as `open_source`, or dataset folders.
        out: the dataset folder; it appears whole or not at all.
        ask: a chat model; None: without one.
        limit: conversations at most, drawn by the seed from all.
        seed: what chance derives from.
        contributor: who brings the data.
        replace: put the new dataset in the place of one that is there.
        report: told how far it is.

    Raises:
        UsageError: a source does not exist.
        GatllmError: nothing in them makes a conversation, or ``out`` is there.
    """
    out = Path(out)
    if out.exists() and not replace:
        raise GatllmError(f"{out} is already there", "name another folder or remove it")
    read = list(_texts(sources))
    rng = Random(seed)
    records: dict[str, dict[str, Any]] = {}
    counts: Counter[str] = Counter()
    for number, one in enumerate(read):
        for kind, messages, origin in _of_code(one, rng) if one.is_code else _of_sections(one):
            _add(records, counts, kind, messages, origin, one.licence)
        report(Progress("converse", number + 1, len(read), "texts", f"{len(records):,} conversations"))
    asked: Counter[str] = Counter()
    if ask is not None:
        for messages, origin, licence in _of_passages(read, ask, asked, report):
            _add(records, counts, "asked", messages, origin, licence)
    found = list(records.values())
    if not found:
        raise GatllmError("nothing in there makes a conversation", "name Python code with functions, or give --model")
    if limit is not None and limit < len(found):
        found = rng.sample(found, limit)
    with new_folder(out, replace=replace) as folder, DatasetWriter(folder, "conversation", out.name) as writer:
        for record in found:
            writer.add(record)
        notes = {"kinds": dict(counts), "asked": dict(asked), "seed": seed, "limit": limit}
        writer.finish(sources=list(sources), contributor=contributor, made_with=made_with(**notes))
    return Dataset.open(out)


def _add(
    records: dict[str, dict[str, Any]],
    counts: Counter[str],
    kind: str,
    messages: list[dict[str, str]],
    origin: str,
    licence: str,
) -> None:
    name = digest(messages)[:16]
    if name not in records:
        counts[kind] += 1
        records[name] = {"id": name, "messages": messages, "licence": licence, "origin": origin}


def _texts(sources: Sequence[str]) -> Iterator[_Text]:
    for source in sources:
        if (Path(source) / FILE_NAME).is_file():
            for record in Dataset.open(source).records():
                if record.get("text"):
                    yield _Text(record["text"], record["origin"], record["licence"], bool(functions(record["text"])))
            continue
        for item in open_source(source):
            if item.problem is not None or item.content not in ("code", "text"):
                continue
            try:
                code = item.content == "code"
                text = decode(item.read()) if code else item.read().decode("utf-8-sig")
            except (OSError, SyntaxError, UnicodeDecodeError, LookupError):
                continue
            yield _Text(text, item.origin, item.licence, code)


def _of_code(one: _Text, rng: Random) -> Iterator[tuple[str, list[dict[str, str]], str]]:
    for function in functions(one.text):
        if not _SHORTEST <= len(function.text) <= _LONGEST:
            continue
        origin = f"{one.origin}#{function.name}"
        what = _first_paragraph(function.docstring)
        body = function.text[len(function.prompt) :]
        if len(_WORD.findall(what)) >= _FEWEST_WORDS and function.text.startswith(function.prompt) and body.strip():
            bare = f"{function.header}\n{body.lstrip(chr(10))}"
            request = rng.choice(_WAYS).format(what=what, header=function.header.strip(), name=function.name)
            yield "written", _turns(request, f"```python\n{function.text.strip()}\n```"), origin
            yield "explained", _turns(_EXPLAIN.format(code=bare.strip()), what), origin
            yield from _by_heart(function, what, one.origin)
        if (repaired := _repair(function, rng)) is not None:
            yield "repaired", repaired, origin


def _by_heart(function: Function, what: str, origin: str) -> Iterator[tuple[str, list[dict[str, str]], str]]:
    """Yield what one who knows a library answers without its code in sight; of functions that others may call."""
    if any(part.startswith("_") for part in function.name.split(".")):
        return
    library = origin.partition(":")[0].removesuffix(".py")
    names = {"name": function.name, "library": library, "what": what}
    where = f"{origin}#{function.name}"
    for question in _WHICH:
        yield "named", _turns(question.format(**names), f"`{function.name}`: {what}"), where
    for question in _MEANS:
        yield "known", _turns(question.format(**names), what), where
    for question in _RECITE:
        yield "recited", _turns(question.format(**names), f"```python\n{function.text.strip()}\n```"), where


def _of_sections(one: _Text) -> Iterator[tuple[str, list[dict[str, str]], str]]:
    """Yield what a page says under each of its headings (Markdown), asked by title and heading."""
    parts = re.split(r"^#{1,4} +(.+?) *#*$", one.text, flags=re.MULTILINE)
    title = " ".join(parts[1].split()) if len(parts) > 1 else ""
    for heading, body in zip(parts[3::2], parts[4::2], strict=True):
        answer = " ".join(body.strip().split("\n\n")[0].split())
        if len(_WORD.findall(answer)) >= _FEWEST_WORDS and len(answer) <= _SECTION and "```" not in answer:
            for question in _ABOUT:
                yield "told", _turns(question.format(title=title, heading=heading), answer), one.origin


def _first_paragraph(docstring: str) -> str:
    return " ".join(docstring.strip().split("\n\n")[0].split())


def _repair(function: Function, rng: Random) -> list[dict[str, str]] | None:
    made = corrupt(function.text, rng, rng.choice((1, 2)), errors=(1, 1))
    if made is None:
        return None
    answer = f"{reason(made)}\n\n```python\n{function.text.strip()}\n```"
    return _turns(rng.choice(_BROKEN).format(code=made.broken.strip("\n")), answer)


def reason(made: Corruption) -> str:
    """Return in plain words what is wrong with broken code: where, the kind of mistake, what should stand there."""
    start, end = made.edits[0][0], made.edits[-1][1]
    line = made.broken.count("\n", 0, start)
    last = made.broken.count("\n", 0, end)
    good = made.repair().split("\n")
    before = made.broken.split("\n")
    more = len(good) - len(before)
    wrong = "\n".join(before[line : last + 1]).strip()
    right = "\n".join(good[line : last + 1 + more]).strip()
    what = FAMILIES[made.families[0]].what
    where = f"Line {line + 1}"
    if not wrong or not right or wrong == right:
        return f"{where} has {what}."
    if "\n" in wrong + right:
        return f"{where} has {what}. There should stand:\n\n```python\n{right}\n```"
    return f"{where} has {what}: `{wrong}` should be `{right}`."


def _turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _of_passages(
    read: Sequence[_Text], ask: Ask, asked: Counter[str], report: Report
) -> Iterator[tuple[list[dict[str, str]], str, str]]:
    """Yield the questions that a model puts to passages and that hold; ``asked`` counts all, by what became of them."""
    pieces = [(passage, one) for one in read for passage in passages(one.text, code=one.is_code)]
    kept: list[frozenset[str]] = []
    for first in range(0, len(pieces), _AT_ONCE):
        some = pieces[first : first + _AT_ONCE]
        written = ask([_QUESTIONS.format(count=_ASKED, passage=passage) for passage, _ in some])
        found = [
            (question, answer, passage, one)
            for (passage, one), text in zip(some, written, strict=True)
            for question, answer in read_pairs(text)[:_ASKED]
        ]
        asked["missing"] += _ASKED * len(some) - len(found)
        plausible = []
        for question, answer, passage, one in found:
            why = _fault(question, answer, passage, kept)
            if why:
                asked[why] += 1
            else:
                kept.append(telling(question))
                plausible.append((question, answer, passage, one))
        again = ask([_AGAIN.format(passage=passage, question=question) for question, _, passage, _ in plausible])
        for (question, answer, _, one), second in zip(plausible, again, strict=True):
            if not _agree(answer, second):
                asked["not found again"] += 1
                continue
            asked["kept"] += 1
            yield _turns(question, answer), one.origin, one.licence
        report(Progress("questions", first + len(some), len(pieces), "passages", f"{asked['kept']:,} kept"))


def passages(text: str, *, code: bool) -> list[str]:
    """Return the passages of a text: paragraphs joined to some 900 characters; of code its documented functions."""
    if code:
        return [one.prompt for one in functions(text) if len(_WORD.findall(one.docstring)) >= 3 * _FEWEST_WORDS]
    found, passage = [], ""
    for paragraph in re.split(r"\n\s*\n", text):
        piece = paragraph.strip()
        if passage and len(passage) + len(piece) > _PASSAGE:
            found.append(passage)
            passage = ""
        passage = f"{passage}\n\n{piece}".strip()[:_PASSAGE]
    return [one for one in [*found, passage] if len(_WORD.findall(one)) >= 5 * _FEWEST_WORDS]


def read_pairs(text: str) -> list[tuple[str, str]]:
    """Return the questions and answers that a model wrote one after the other as ``Q: …`` and ``A: …``."""
    return [(" ".join(question.split()), " ".join(answer.split())) for question, answer in _PAIR.findall(text)]


def _fault(question: str, answer: str, passage: str, kept: Sequence[frozenset[str]]) -> str:
    """Return why a question is not kept, before it is asked anew; nothing where it may be."""
    words = telling(question)
    if not question.endswith("?") or len(words) < 2 or not telling(answer):
        return "no question"
    spoken = _spoken(question)
    runs = {" ".join(spoken[at : at + _COPIED]) for at in range(max(0, len(spoken) - _COPIED + 1))}
    if any(run in " ".join(_spoken(passage)) for run in runs) or len(answer) > max(200, len(passage) // 2):
        return "a copy"
    there = telling(passage)
    if len(telling(answer) & there) < _GROUNDED * len(telling(answer)):
        return "not in the passage"
    if any(len(words & other) >= _ALIKE * len(words | other) for other in kept):
        return "repeated"
    return ""


def _agree(answer: str, again: str) -> bool:
    mine, theirs = telling(answer), telling(again)
    if not mine or not theirs or "unknown" in theirs:
        return False
    common = len(mine & theirs)
    return bool(common) and (2 * common / (len(mine) + len(theirs)) >= _AGREES or mine <= theirs)


def telling(text: str) -> frozenset[str]:
    """Return the words of a text that say something, without case."""
    return frozenset(_spoken(text)) - _EMPTY_WORDS


def _spoken(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
