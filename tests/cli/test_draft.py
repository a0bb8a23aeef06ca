"""A draft is drawn while it is written and gone when the reviewed text comes."""

import io

from rich.console import Console

from gatllm.cli.draft import DraftView


def drawn(*, shown: bool) -> str:
    screen = io.StringIO()
    view = DraftView(Console(file=screen, force_terminal=True, width=60, height=12), shown=shown)
    for piece in ("Like this:\n", "```python\n", "def double(x):\n", "    return"):
        view.add(piece)
    view.clear()
    view.clear()
    return screen.getvalue()


def test_only_code_is_drawn_and_then_cleared() -> None:
    screen = drawn(shown=True)
    assert "draft, not yet reviewed" in screen
    assert "def double(x):" in screen
    assert "Like this" not in screen
    assert screen.rstrip().endswith("\x1b[2K") or "\x1b[1A" in screen.rpartition("return")[2]  # taken away again


def test_nothing_is_drawn_into_a_pipe() -> None:
    assert drawn(shown=False) == ""
