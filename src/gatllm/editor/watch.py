"""Looks at texts while they are typed: once nobody has typed for a moment, the newest text, what is quick first."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from gatllm.editor.actions import plain
from gatllm.editor.diagnostics import diagnostics
from gatllm.editor.documents import Document
from gatllm.editor.linting import Linter, is_newer
from gatllm.errors import GatllmError
from gatllm.review.critics import Finding, compile_error
from gatllm.review.region import region
from gatllm.review.reviewer import Review, Reviewer, Suspect

_PAUSE = 0.15  # seconds without a key before a text is looked at
_WHOLE = 20_000  # characters of a text that the model reads as a whole; of a longer one only what is around the error
_LONE = re.compile(r"\r(?!\n)")

Publish = Callable[[Document, list[dict[str, Any]]], None]


class Watch:
    """Two threads: one for the compiler and ruff (some 0.1 s), one for the model, which may take longer.

    Args:
        reviewer: gives the suspects.
        linter: ruff under the project's settings.
        newest: gives the document of a URI as it is now; None once it is closed.
        publish: told what was found.
    """

    def __init__(
        self, reviewer: Reviewer, linter: Linter, newest: Callable[[str], Document | None], publish: Publish
    ) -> None:
        self._reviewer = reviewer
        self._linter = linter
        self._newest = newest
        self._publish = publish
        self._change = threading.Condition()
        self._due: dict[str, float] = {}
        self._deep: dict[str, tuple[Document, Review]] = {}
        self._stopped = False
        for work in (self._quickly, self._deeply):
            threading.Thread(target=work, daemon=True).start()

    def touch(self, uri: str, *, at_once: bool = False) -> None:
        """Look at a document soon; a look that is due is put off, so that keys in a row cost one look."""
        with self._change:
            self._due[uri] = time.monotonic() + (0 if at_once else _PAUSE)
            self._deep.pop(uri, None)
            self._change.notify_all()

    def stop(self) -> None:
        """Look at nothing more."""
        with self._change:
            self._stopped = True
            self._change.notify_all()

    def look(self, document: Document) -> list[dict[str, Any]]:
        """Return all diagnostics of a document at once, as an editor that asks for them wants."""
        quick = self._quick(document)
        return diagnostics(Review(quick.verdict, None, self._suspects(document, quick), quick.findings), document.lines)

    def _quickly(self) -> None:
        while (document := self._next()) is not None:
            review = self._quick(document)
            if self._is_newest(document):
                self._publish(document, diagnostics(review, document.lines))
                with self._change:
                    self._deep[document.uri] = (document, review)
                    self._change.notify_all()

    def _deeply(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._stopped or bool(self._deep))
                if self._stopped:
                    return
                _, (document, quick) = self._deep.popitem()
            suspects = self._suspects(document, quick)
            if suspects and self._is_newest(document):
                self._publish(document, diagnostics(Review("fake", None, suspects, quick.findings), document.lines))

    def _next(self) -> Document | None:
        """Wait until a document is due; None at the end."""
        while True:
            with self._change:
                if self._stopped:
                    return None
                now = time.monotonic()
                uri = min(self._due, key=lambda one: self._due[one], default=None)
                if uri is None or self._due[uri] > now:
                    self._change.wait(None if uri is None else self._due[uri] - now)
                    continue
                del self._due[uri]
            if (document := self._newest(uri)) is not None:
                return document

    def _is_newest(self, document: Document) -> bool:
        newest = self._newest(document.uri)
        return newest is not None and newest.text == document.text and newest.version == document.version

    def _quick(self, document: Document) -> Review:
        text = plain(document)
        error = compile_error(text)
        found: tuple[Finding, ...] = ()
        try:
            if not document.is_cell:  # a cell's names come from other cells
                linted = self._linter.lint(text, document.path)
                newer = linted.parses and is_newer(self._linter.target_for(document.path))
                found, error = linted.findings, None if newer else error
        except GatllmError:
            pass  # without ruff the compiler's word still stands
        findings = (*((error,) if error is not None else ()), *found)
        return Review("fake" if findings else "real", None, (), findings)

    def _suspects(self, document: Document, quick: Review) -> tuple[Suspect, ...]:
        """What the model finds odd; while a line is being typed it has no say about it."""
        if not self._reviewer.has_model:
            return ()
        text = plain(document)
        error = next((finding for finding in quick.findings if finding.critic == "compiler"), None)
        if len(text) <= _WHOLE:
            return self._reviewer.check_all([text], linter=_no_linter)[0].suspects
        if error is None:
            return ()
        part = region(text, error)
        if part.end - part.start > _WHOLE:
            return ()
        above = text.count("\n", 0, part.start)
        (review,) = self._reviewer.check_all([text[part.start : part.end]], linter=_no_linter)
        return tuple(Suspect(s.line + above, s.column, s.words, s.probability) for s in review.suspects)


def _no_linter(texts: Sequence[str]) -> list[tuple[Finding, ...]]:
    return [()] * len(texts)
