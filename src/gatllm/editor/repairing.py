"""Repairs files, modules and notebooks, and says what was done so that programs can act on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gatllm.editor.checking import NOTEBOOK, Source
from gatllm.editor.edits import edits
from gatllm.editor.linting import Linter, is_newer
from gatllm.editor.notebooks import Notebook, masked
from gatllm.editor.positions import Lines, Replacement
from gatllm.errors import GatllmError
from gatllm.review.critics import LARGEST, compile_error
from gatllm.review.reviewer import Candidate, Repair, Reviewer, too_large


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of a file: its text before and after, the candidates with the repair first, then suggestions.

    ``compiles`` is false where something is left to do; ``why`` says what, or why nothing was changed.
    """

    name: str
    before: str
    text: str
    compiles: bool
    by: str
    why: str
    candidates: tuple[Candidate, ...] = ()
    rules: tuple[str, ...] = ()
    needs: str = ""
    tier: str = "fast"

    @property
    def changed(self) -> bool:
        """Whether there is a repair."""
        return self.text != self.before

    def as_json(self, diff: str) -> dict[str, Any]:
        """Return what an agent needs: where to put which text, how sure that is, what else it may be."""
        return {
            "file": self.name,
            "changed": self.changed,
            "compiles": self.compiles,
            "by": self.by,
            "why": self.why,
            "rules": list(self.rules),
            "needs": self.needs,
            "tier": self.tier,
            "probability": _rounded(self.candidates[0].probability) if self.candidates else None,
            "edits": edits_as_json(self.before, self.text),
            "diff": diff,
            "candidates": [
                {
                    "edits": edits_as_json(self.before, one.text),
                    "probability": _rounded(one.probability),
                    "suggestion": one.text != self.text,
                    "harm": list(one.harm),
                }
                for one in self.candidates
            ],
        }


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 4)


def edits_as_json(before: str, after: str) -> list[dict[str, Any]]:
    """Return what turns ``before`` into ``after``: lines, columns from 1 in characters, the end one past the last."""
    lines = Lines(before)
    return [_as_json(lines, one) for one in edits(before, after)]


def _as_json(lines: Lines, one: Replacement) -> dict[str, Any]:
    line, column = lines.row_and_column(one.start)
    end_line, end_column = lines.row_and_column(one.end)
    return {"line": line, "column": column, "end_line": end_line, "end_column": end_column, "text": one.text}


def fix_source(
    reviewer: Reviewer, linter: Linter, source: Source, *, candidates: int = 1, semantic: bool = False
) -> Repaired:
    """Repair a module or a notebook; where it can't be done it is left as it is.

    Raises:
        GatllmError: a file is not a notebook though its name says so.
    """
    if source.name.endswith(NOTEBOOK):
        return _fix_notebook(reviewer, source)
    if len(source.text) > LARGEST:
        return _too_large(linter, source)
    target = linter.target_for(source.name)
    if target and (settled := _by_version(linter, source, target)) is not None:
        return settled
    repair = reviewer.fix(source.text, candidates=candidates, semantic=semantic)
    return Repaired(
        source.name,
        source.text,
        repair.text,
        repair.compiles,
        repair.by,
        repair.why,
        repair.candidates,
        repair.rules,
        repair.needs,
        repair.tier,
    )


def _too_large(linter: Linter, source: Source) -> Repaired:
    """Say at once of a large file what ruff says of it, for the compiler would take many seconds."""
    linted = linter.lint(source.text, source.name)
    if linted.parses:
        return Repaired(source.name, source.text, source.text, True, "", "it compiles already")
    where = f"line {linted.errors[0].line}: {linted.errors[0].message}; " if linted.errors else ""
    return Repaired(source.name, source.text, source.text, False, "", where + too_large(source.text))


def _by_version(linter: Linter, source: Source, target: str) -> Repaired | None:
    """What is only a matter of the Python version aimed at is not an error that a repair could end."""
    error = compile_error(source.text)
    if error is not None and not is_newer(target):
        return None
    linted = linter.lint(source.text, source.name)
    if error is not None and linted.parses:
        return Repaired(source.name, source.text, source.text, True, "", f"it is valid for {target} already")
    older = next((finding for finding in linted.findings if finding.code == "target-version"), None)
    if error is None and older is not None:
        return Repaired(source.name, source.text, source.text, False, "", f"line {older.line}: {older.message}")
    return None


def _fix_notebook(reviewer: Reviewer, source: Source) -> Repaired:
    try:
        notebook = Notebook(source.text)
        changes: dict[int, list[Replacement]] = {}
        left: list[str] = []
        by = ""
        for cell in notebook.cells if notebook.is_python else ():
            text = masked(cell.source)
            if not text.python or compile_error(text.text) is None:
                continue
            repair: Repair = reviewer.fix(text.text)
            found = edits(text.text, repair.text)
            if not repair.changed or text.touched(found):
                left.append(f"cell {cell.number}: {repair.why or 'the repair would touch a magic'}")
            else:
                changes[cell.number], by = found, repair.by
        after = notebook.with_changes(changes) if changes else source.text
    except GatllmError as error:
        raise GatllmError(f"{source.name} {error.cause}", error.cure) from None
    why = "; ".join(left) or ("" if changes else "every cell compiles already")
    return Repaired(source.name, source.text, after, not left, by, why, (Candidate(after, None),) if changes else ())
