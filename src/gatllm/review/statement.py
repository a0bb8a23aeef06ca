"""Where a statement ends, and where its parts do, in text that need not parse."""

from __future__ import annotations

from collections.abc import Sequence

from gatllm.tokenizers.lexing.lenient import Lexeme, bare

Body = list[tuple[Lexeme, bool]]  # the lexemes of a statement, and whether each stands outside strings
_MOST = 400  # lines that one statement continues for, at most


def statement(rest: str) -> tuple[Body, str] | None:
    """The lexemes of the statement that ``rest`` begins with, and what follows it: a comment, a semicolon, a line.

    None where it does not end.
    """
    depth, out = 0, []
    shown = "\n".join(rest.split("\n", _MOST)[:_MOST])
    for lexeme, outside in bare(shown):
        ends = lexeme.kind == "comment" or (outside and (lexeme.kind == "line" or lexeme.text == ";"))
        if ends and depth <= 0:
            break
        depth += step(lexeme, outside)
        out.append((lexeme, outside))
    end = out[-1][0].end if out else 0
    return None if end == len(shown) < len(rest) else (out, rest[end:])


def step(lexeme: Lexeme, outside: bool) -> int:
    """How much deeper a lexeme leads into brackets."""
    return outside * ((lexeme.text in "([{") - (lexeme.text in ")]}"))


def open_brackets(code: Sequence[str]) -> int:
    """How many more brackets a text, or what lexemes say, opens than it closes; those in strings count as well."""
    return sum(map(code.count, "([{")) - sum(map(code.count, ")]}"))


def leaves_open(code: str) -> bool:
    """Tell whether a text opens more brackets of some kind than it closes: `{1)` does, though the sum is none."""
    return any(code.count(opening) > code.count(closing) for opening, closing in ("()", "[]", "{}"))


def split(body: Body, mark: str) -> list[str]:
    """The parts of a statement between ``mark`` where no bracket or string is open."""
    depth, parts = 0, [""]
    for lexeme, outside in body:
        if outside and depth == 0 and lexeme.text == mark:
            parts.append("")
            continue
        depth += step(lexeme, outside)
        parts[-1] += lexeme.text
    return [part.strip() for part in parts]
