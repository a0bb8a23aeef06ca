"""Code while it is being written, marked as a draft; the reviewed text takes its place."""

from __future__ import annotations

from rich.console import Console
from rich.live import Live
from rich.text import Text


class DraftView:
    """Shows on a terminal what is held back for review, and clears it when the reviewed text comes.

    Args:
        console: where to draw.
        shown: whether to draw at all: not into files and pipes.
    """

    def __init__(self, console: Console, *, shown: bool) -> None:
        self._console = console
        self._shown = shown
        self._text = ""
        self._live: Live | None = None

    def add(self, piece: str) -> None:
        """Take more of the draft; prose is handed on at once, so that only a code block is drawn."""
        self._text += piece
        _, fence, code = self._text.partition("```")
        if not self._shown or not fence:
            return
        if self._live is None:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        lines = code.partition("\n")[2].splitlines()[-max(self._console.height - 4, 1) :]
        self._live.update(Text("\n".join(["draft, not yet reviewed:", *lines]), style="dim"), refresh=True)

    def clear(self) -> None:
        """Take the draft off the screen."""
        self._text = ""
        if self._live is not None:
            self._live.stop()
            self._live = None
