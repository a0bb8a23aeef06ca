"""Where a statement ends, and where its parts do, in text that need not parse."""

from __future__ import annotations

from gatllm.tokenizers.lexer import Piece, bare

Body = list[tuple[Piece, bool]]  # the pieces of a statement, and whether each stands outside strings
_MOST = 400  # lines that one statement goes on for, at most


def statement(rest: str) -> tuple[Body, str] | None:
    """The pieces of the statement that ``rest`` begins with, and what follows it: a comment, a semicolon, a line.

    None where it does not end.
    """
    depth, out = 0, []
    shown = "\n".join(rest.split("\n", _MOST)[:_MOST])
    for piece, outside in bare(shown):
        ends = piece.kind == "comment" or (outside and (piece.kind == "line" or piece.text == ";"))
        if ends and depth <= 0:
            break
        depth += step(piece, outside)
        out.append((piece, outside))
    end = out[-1][0].end if out else 0
    return None if end == len(shown) < len(rest) else (out, rest[end:])


def step(piece: Piece, outside: bool) -> int:
    """How much deeper a piece leads into brackets."""
    return outside * ((piece.text in "([{") - (piece.text in ")]}"))


def split(body: Body, mark: str) -> list[str]:
    """The parts of a statement between ``mark`` where no bracket or string is open."""
    depth, parts = 0, [""]
    for piece, outside in body:
        if outside and depth == 0 and piece.text == mark:
            parts.append("")
            continue
        depth += step(piece, outside)
        parts[-1] += piece.text
    return [part.strip() for part in parts]
