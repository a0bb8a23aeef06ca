"""Quick fixes: repairs as edits that an editor can apply, preferred unless they guess at what is being typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gatllm.editor.diagnostics import is_repairable
from gatllm.editor.documents import Document
from gatllm.editor.edits import edits
from gatllm.editor.notebooks import masked
from gatllm.editor.positions import Lines, Replacement
from gatllm.editor.unfinished import is_unfinished, only_completes
from gatllm.review.careful import ASKED
from gatllm.review.critics import compile_error
from gatllm.review.reviewer import Candidate, Reviewer

QUICK_FIX = "quickfix"
_MOST = 3  # different repairs that are offered
_LONE = re.compile(r"\r(?!\n)")


def plain(document: Document) -> str:
    """Return the text as Python reads it: a lone carriage return ends a line, a cell's magics are not code.

    Every character keeps its place.
    """
    text = _LONE.sub("\n", document.text)
    return masked(text).text if document.is_cell else text


def wanted(context: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the diagnostics that quick fixes are asked for: our own, and only if the kind is wanted."""
    only = context.get("only")
    if only is not None and not any(kind in ("", QUICK_FIX) for kind in only):
        return []
    return [one for one in context.get("diagnostics", []) if is_repairable(one)]


def quick_fixes(
    reviewer: Reviewer, document: Document, context: dict[str, Any], *, careful: bool = False
) -> list[dict[str, Any]]:
    """Return what may repair a document that does not compile, best first.

    What the gate does not let through is offered as a suggestion. For code that is being typed (its error is in the
    lines changed last, or it breaks off) nothing is preferred, and nothing is offered but what completes it. With
    ``careful``, where it is not clear what was meant, the language model's choice is offered as one more action, whose
    edit `chosen_fix` finds.
    """
    mine = wanted(context)
    text = plain(document)
    error = compile_error(text) if mine else None
    if error is None:
        return []
    typing = error.line - 1 in _around(document.edited)
    unfinished = typing or is_unfinished(text, error)
    actions: list[dict[str, Any]] = []
    offered = reviewer.fix(text, candidates=_MOST).candidates
    for candidate in offered:
        found = edits(text, candidate.text)
        if (masked(document.text).touched(found) if document.is_cell else False) or (
            unfinished and not only_completes(found)
        ):
            continue
        preferred = not actions and not unfinished and not candidate.harm
        kind = "Suggestion" if candidate.harm else "Fix"
        actions.append(_action(document, found, mine, kind=kind, preferred=preferred))
    if careful and not unfinished and _is_unclear(offered):
        about = {"uri": document.uri, "version": document.version}
        title = "Fix as the language model chooses"
        actions.append({"title": title, "kind": QUICK_FIX, "diagnostics": mine, "isPreferred": False, "data": about})
    return actions


def _is_unclear(offered: Sequence[Candidate]) -> bool:
    """Tell whether the careful tier has something to say: several repairs to choose from, or none that is sure."""
    free = [one for one in offered if not one.harm]
    return len(free) != 1 or (free[0].probability or 1.0) < ASKED


def chosen_fix(reviewer: Reviewer, document: Document, action: dict[str, Any]) -> dict[str, Any] | None:
    """Return an action of `quick_fixes` with its edit, which takes a second or more; None where nothing is sure."""
    text = plain(document)
    repair = reviewer.fix(text, candidates=_MOST)
    found = edits(text, repair.text)
    if not repair.changed or (document.is_cell and masked(document.text).touched(found)):
        return None
    return action | {"edit": {"changes": {document.uri: text_edits(document.lines, found)}}}


def _around(edited: range) -> range:
    """The lines where an edit shows: the parser often complains a line later."""
    return range(edited.start - 1, edited.stop + 1) if edited else edited


def _action(
    document: Document, found: list[Replacement], mine: list[dict[str, Any]], *, kind: str, preferred: bool
) -> dict[str, Any]:
    return {
        "title": f"{kind}: {summary(document.text, found)}",
        "kind": QUICK_FIX,
        "diagnostics": mine,
        "isPreferred": preferred,
        "edit": {"changes": {document.uri: text_edits(document.lines, found)}},
    }


def text_edits(lines: Lines, found: list[Replacement]) -> list[dict[str, Any]]:
    """Return replacements as text edits, with the line breaks that the document has."""
    ending = "\r\n" if "\r\n" in lines.text else "\r" if "\r" in lines.text else "\n"
    return [{"range": lines.range(one.start, one.end), "newText": re.sub(r"\r?\n", ending, one.text)} for one in found]


def summary(text: str, found: list[Replacement]) -> str:
    """Return in a few words what a repair does."""
    if len(found) != 1:
        return f"{len(found)} changes: {', '.join(_words(text, one) for one in found[:2])}{', …' * (len(found) > 2)}"
    return _words(text, found[0])


def _words(text: str, one: Replacement) -> str:
    old, new = text[one.start : one.end], one.text
    if not (old + new).strip():
        return "indent" if len(new) > len(old) else "dedent"
    if not old.strip():
        return f"insert `{_short(new)}`"
    return f"replace `{_short(old)}` by `{_short(new)}`" if new.strip() else f"remove `{_short(old)}`"


def _short(text: str) -> str:
    word = " ".join(text.split())
    return word if len(word) <= 30 else f"{word[:29]}…"
