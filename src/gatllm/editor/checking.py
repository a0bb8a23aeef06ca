"""Checks files as a project means them: modules and notebooks, under their own names and settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from gatllm.editor.linting import Linted, Linter, is_newer
from gatllm.editor.notebooks import Cell, Notebook, masked
from gatllm.errors import GatllmError
from gatllm.review.critics import LARGEST, Finding, compile_error
from gatllm.review.detection import detect
from gatllm.review.meaning import CRITIC as MEANING
from gatllm.review.reviewer import Review, Reviewer

NOTEBOOK = ".ipynb"
_NOQA = re.compile(r"#\s*noqa\s*(?:#|$)", re.IGNORECASE | re.MULTILINE)
_NOQA_FILE = re.compile(r"^\s*#\s*(?:ruff|flake8)\s*:\s*noqa\s*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Source:
    """A text with its file's name; ``on_disk`` says that ruff may read it there: the file holds this text in UTF-8."""

    name: str
    text: str
    on_disk: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """The review of a file, or of one cell of a notebook; ``place`` turns a line and column of it into the file's."""

    name: str
    review: Review
    cell: int = 0
    place: Callable[[int, int], tuple[int, int]] = lambda line, column: (line, column)


def check_sources(reviewer: Reviewer, linter: Linter, sources: Sequence[Source]) -> list[Checked | GatllmError]:
    """Check files together; one entry for each, for a notebook one for each cell with something in it.

    An entry is an error where a file is not a notebook though its name says so.
    """
    large = [one for one in sources if len(one.text) > LARGEST and not one.name.endswith(NOTEBOOK)]
    modules = [one for one in sources if not one.name.endswith(NOTEBOOK) and one not in large]
    with ThreadPoolExecutor(1) as beside:
        linting = beside.submit(_lint, linter, modules)
        found = reviewer.check_all([source.text for source in modules], linter=lambda _: _findings(linting.result()))
        linted = linting.result()
    reviews = {
        id(source): _detected(
            _for_target(_without_noqa(review, source.text), one, linter.target_for(source.name)), source.text
        )
        for source, review, one in zip(modules, found, linted, strict=True)
    }
    for source, one in zip(large, _lint(linter, large), strict=True):
        said = (*one.errors[:1], *one.findings)
        reviews[id(source)] = Review("real" if one.parses and not said else "fake", None, (), said)
    out: list[Checked | GatllmError] = []
    for source in sources:
        if id(source) in reviews:
            out.append(Checked(source.name, reviews[id(source)]))
        else:
            try:
                out += _check_notebook(reviewer, linter, source)
            except GatllmError as error:
                out.append(GatllmError(f"{source.name} {error.cause}", error.cure))
    return out


def _lint(linter: Linter, sources: Sequence[Source]) -> list[Linted]:
    plain = [source.name for source in sources if source.on_disk and source.name.isprintable()]
    known = dict(zip(plain, linter.lint_files(plain), strict=True))
    return [known.get(source.name) or linter.lint(source.text, source.name) for source in sources]


def _findings(linted: Sequence[Linted]) -> list[tuple[Finding, ...]]:
    return [one.findings for one in linted]


def _without_noqa(review: Review, text: str) -> Review:
    """Leave out what is ours on lines that say ``# noqa``, or in a file that does, as ruff does with its own."""
    if "noqa" not in text or not (review.suspects or any(one.critic == MEANING for one in review.findings)):
        return review
    lines = text.split("\n")
    whole = _NOQA_FILE.search(text) is not None

    def silenced(line: int) -> bool:
        return whole or _NOQA.search(lines[line - 1]) is not None

    suspects = tuple(one for one in review.suspects if not silenced(one.line))
    findings = tuple(one for one in review.findings if one.critic != MEANING or not silenced(one.line))
    return replace(review, suspects=suspects, findings=findings, verdict="fake" if suspects or findings else "real")


def _for_target(review: Review, linted: Linted, target: str) -> Review:
    """Leave out what only this interpreter is too old for: the target's grammar, as ruff has it, takes the text."""
    compiler = [finding for finding in review.findings if finding.critic == "compiler"]
    if not compiler or not linted.parses or not is_newer(target):
        return review
    findings = tuple(finding for finding in review.findings if finding.critic != "compiler")
    return Review("fake" if findings else "real", None, (), findings)


def _detected(review: Review, text: str) -> Review:
    """Say what a text is where that tells more than the place at which the compiler stops: a merge conflict, say."""
    error = next((finding for finding in review.findings if finding.critic == "compiler"), None)
    seen = detect(text, error) if error is not None else None
    if error is None or seen is None:
        return review
    told = replace(error, line=seen.line, column=1, message=seen.words)
    findings = tuple(told if finding is error else finding for finding in review.findings)
    return replace(review, findings=findings, suspects=())


def _check_notebook(reviewer: Reviewer, linter: Linter, source: Source) -> list[Checked]:
    notebook = Notebook(source.text)
    if not notebook.is_python:
        return [Checked(source.name, Review("real", None, (), ()))]
    linted = linter.lint(source.text, source.name)
    of_cell: dict[int, list[Finding]] = {}
    for number, finding in zip(linted.cells, linted.findings, strict=True):
        of_cell.setdefault(number, []).append(finding)
    out = []
    for cell in notebook.cells:
        text = masked(cell.source)
        error = compile_error(text.text) if text.python else None
        findings = (*((error,) if error is not None else ()), *of_cell.get(cell.number, ()))
        review = Review("fake" if findings else "real", None, (), findings)
        if error is not None:  # names come from other cells: the model is asked where something is wrong, and no more
            (seen,) = reviewer.check_all([text.text], linter=lambda texts: [()] * len(texts))
            lines = text.text.split("\n")
            kept = [one for one in seen.suspects if not text.masks(lines, one.line, one.column)]
            review = replace(review, suspects=tuple(kept), probability=seen.probability)
        if findings:
            out.append(Checked(source.name, review, cell.number, _placer(notebook, cell)))
    return out or [Checked(source.name, Review("real", None, (), ()))]


def _placer(notebook: Notebook, cell: Cell) -> Callable[[int, int], tuple[int, int]]:
    lines = cell.source.split("\n")

    def place(line: int, column: int) -> tuple[int, int]:
        row = min(line, len(lines)) - 1
        offset = sum(len(one) + 1 for one in lines[:row]) + min(column - 1, len(lines[row]))
        return notebook.place(cell, offset)

    return place
