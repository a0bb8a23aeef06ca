"""Words around the code: the prose of a prompt, and corrections said in sentences."""

from __future__ import annotations

from dataclasses import replace

from gatllm.answering.answer import CodeReview
from gatllm.answering.blocks import CodeBlock, find_code, split
from gatllm.models import Completion


def prose_of(prompt: str) -> str:
    """Return the prompt without its code."""
    text = "".join(piece.text for piece in split(prompt) if not isinstance(piece, CodeBlock))
    code = find_code(text)
    return text if code is None else text.replace(code.code.rstrip("\n"), "")


def whole_characters(said: str | Completion) -> str | Completion:
    """Put a question mark for half a character, which a byte-level generator may write: UTF-8 can't hold it."""
    if isinstance(said, Completion):
        return replace(said, text=said.text.encode("utf-8", "replace").decode())
    return said.encode("utf-8", "replace").decode()


def correction_of(review: CodeReview) -> str:
    """Say what was wrong and what was changed: it is known exactly, no generator need guess."""
    why = next((edit.why for edit in review.edits if edit.why), "")
    changes = "; ".join(describe_edits(review))
    return f"This code does not run{f' ({why})' if why else ''}. Corrected: {changes}."


def describe_edits(review: CodeReview) -> list[str]:
    """Return each correction in words: what was put where."""
    words = []
    for edit in review.edits:
        line = review.proposed.count("\n", 0, edit.start) + 1
        found, text = (f"`{part.strip()}`" if part.strip() else "white space" for part in (edit.found, edit.text))
        if not edit.found:
            words.append(f"inserted {text} in line {line}")
        elif not edit.text:
            words.append(f"removed {found} in line {line}")
        else:
            words.append(f"replaced {found} by {text} in line {line}")
    return words
