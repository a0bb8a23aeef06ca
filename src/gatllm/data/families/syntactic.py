"""Errors against the grammar: what a slip of the hand, or Python 2, leaves behind."""

from __future__ import annotations

from random import Random

from gatllm.data.code import Code, Edit, choose
from gatllm.tokenizers.lexing.strict import Token
from gatllm.tokenizers.lexing.words import CLOSING, KEYWORDS, OPENING

_FOREIGN = {
    "and": "&&",
    "or": "||",
    "not": "!",
    "!=": "<>",
    "==": "===",
    "is": "===",
    "+=": "++",
    "-=": "--",
    "**": "^^",
}
_OPERATORS = (
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "=",
    ".",
    "->",
    "+=",
    "-=",
    "**",
    "//",
    "|",
    "&",
)
_MARKS = (*sorted({*OPENING, *CLOSING}), *_OPERATORS, ",", ":", ";", "@", "!", ":=", "...", "~", "^", "<<", ">>")
_ANY = (*_MARKS, *sorted(KEYWORDS))
_BLOCKS = frozenset({"if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class"})


def _drop(token: Token) -> list[Edit]:
    return [Edit(token.start, token.end, "")]


def _put(token: Token, text: str) -> list[Edit]:
    return [Edit(token.start, token.end, text)]


def _double(token: Token) -> list[Edit]:
    return [Edit(token.end, token.end, token.text)]


def bracket(code: Code, rng: Random) -> list[Edit] | None:
    """Drop, double, or replace a bracket by another kind or direction."""
    index = choose(rng, code.where(*OPENING, *CLOSING))
    if index is None:
        return None
    token = code.solid[index]
    family = OPENING if token.text in OPENING else CLOSING
    draw = rng.random()
    if draw < 0.55:
        return _drop(token)
    if draw < 0.75:
        return _double(token)
    return _put(token, rng.choice([other for other in family if other != token.text]))


def _quote_width(token: Token) -> tuple[int, int]:
    """Return the offset of the opening quote in a string token and its width, 1 or 3."""
    prefix = min(place for place in (token.text.find('"'), token.text.find("'")) if place >= 0)
    mark = token.text[prefix]
    return prefix, 3 if token.text[prefix : prefix + 3] == mark * 3 and len(token.text) >= prefix + 6 else 1


def quote(code: Code, rng: Random) -> list[Edit] | None:
    """Drop one quote of a string, or make one end the other kind."""
    index = choose(rng, code.by_kind.get("string", []))
    if index is None:
        return None
    token = code.solid[index]
    prefix, width = _quote_width(token)
    place = token.start + prefix if rng.random() < 0.5 else token.end - width
    if rng.random() < 0.6:
        return [Edit(place, place + 1, "")]
    other = "'" if token.text[prefix] == '"' else '"'
    return [Edit(place, place + width, other * width)]


def colon(code: Code, rng: Random) -> list[Edit] | None:
    """Drop or change a colon, or end a plain line with one."""
    index = choose(rng, code.where(":"))
    draw = rng.random()
    if index is None or draw < 0.1:
        line = choose(rng, code.code_lines)
        end = None if line is None else len(code.text[line[0] : line[1]].rstrip()) + line[0]
        return None if end is None else [Edit(end, end, ":")]
    token = code.solid[index]
    return _drop(token) if draw < 0.7 else _put(token, rng.choice([";", "=", "::", ",", "."]))


def comma(code: Code, rng: Random) -> list[Edit] | None:
    """Drop, double or change a comma."""
    index = choose(rng, code.where(","))
    if index is None:
        return None
    token = code.solid[index]
    draw = rng.random()
    return _drop(token) if draw < 0.6 else _double(token) if draw < 0.8 else _put(token, rng.choice([".", ";"]))


def operator(code: Code, rng: Random) -> list[Edit] | None:
    """Drop or double an operator, or write it as another language would."""
    if rng.random() < 0.3:
        index = choose(rng, code.where(*_FOREIGN))
        if index is not None:
            return _put(code.solid[index], _FOREIGN[code.solid[index].text])
    index = choose(rng, code.where(*_OPERATORS))
    if index is None:
        return None
    token = code.solid[index]
    return _drop(token) if rng.random() < 0.6 else [Edit(token.end, token.end, f" {token.text}")]


def misspell(word: str, rng: Random) -> str:
    """Return ``word`` with one letter dropped, doubled, changed, or two swapped; never a keyword, never the same."""
    for _ in range(8):
        place = rng.randrange(len(word))
        draw = rng.randrange(4)
        letter = rng.choice("abcdefghijklmnopqrstuvwxyz")
        if draw == 0:
            typo = word[:place] + word[place + 1 :]
        elif draw == 1:
            typo = word[:place] + word[place] + word[place:]
        elif draw == 2:
            typo = word[:place] + letter + word[place + 1 :]
        else:
            typo = word[:place] + word[place : place + 2][::-1] + word[place + 2 :]
        if typo != word and typo.isidentifier() and typo not in KEYWORDS:
            return typo
    return f"{word}{word[-1]}"


def keyword_typo(code: Code, rng: Random) -> list[Edit] | None:
    """Misspell a keyword, or write it with the wrong case."""
    index = choose(rng, code.by_kind.get("keyword", []))
    if index is None:
        return None
    token = code.solid[index]
    if rng.random() < 0.15:
        return _put(token, token.text.swapcase() if len(token.text) > 2 else token.text.title())
    return _put(token, misspell(token.text, rng))


def indent(code: Code, rng: Random) -> list[Edit] | None:
    """Indent one line a little, or a level, too far or too little."""
    line = choose(rng, code.code_lines[1:])
    if line is None:
        return None
    start = line[0]
    width = len(code.text[start : line[1]]) - len(code.text[start : line[1]].lstrip(" \t"))
    step = rng.choice([1, 2, 3, 4, 4, 4])
    if width and rng.random() < 0.5:
        return [Edit(start, start + min(step, width), "")]
    return [Edit(start, start, " " * step)]


def tabs(code: Code, rng: Random) -> list[Edit] | None:
    """Write the indentation of one line with a tab."""
    indents = [token for token in code.tokens if token.kind == "indent" and set(token.text) == {" "}]
    token = choose(rng, indents)
    if token is None:
        return None
    width = len(token.text)
    tab = "\t" * max(1, width // 8) if rng.random() < 0.5 else "\t" + " " * max(0, width - 4)
    return _put(token, tab)


def token(code: Code, rng: Random) -> list[Edit] | None:
    """Delete or double any token, or swap it with the next."""
    if len(code.solid) < 2:
        return None
    index = rng.randrange(len(code.solid) - 1)
    this, following = code.solid[index], code.solid[index + 1]
    draw = rng.random()
    if draw < 0.5:
        return _drop(this)
    if draw < 0.75:
        space = " " if this.text[-1:].isalnum() else ""
        return [Edit(this.end, this.end, space + this.text)]
    between = code.text[this.end : following.start]
    return [Edit(this.start, following.end, following.text + (between or " ") + this.text)]


def stray(code: Code, rng: Random) -> list[Edit] | None:
    """Put a mark or keyword where it has no business: the hand was elsewhere, or a paste left it behind."""
    index = choose(rng, list(range(len(code.solid))))
    if index is None:
        return None
    end, mark = code.solid[index].end, rng.choice(_ANY)
    return [Edit(end, end, rng.choice((f" {mark} ", f" {mark}")))]


def exchanged(code: Code, rng: Random) -> list[Edit] | None:
    """Put another mark in place of a mark, another keyword in place of a keyword, or any in place of any."""
    index = choose(rng, code.where(*_ANY))
    if index is None:
        return None
    token = code.solid[index]
    like = tuple(sorted(KEYWORDS)) if token.text in KEYWORDS else _MARKS
    others = like if rng.random() < 0.5 else _ANY
    return _put(token, rng.choice([mark for mark in others if mark != token.text]))


def line(code: Code, rng: Random) -> list[Edit] | None:
    """Delete or double a line that begins a block or stands in one, or join it to the next."""
    blocks = [(start, end) for start, end in code.code_lines if code.text[start:end].split()[0].rstrip(":") in _BLOCKS]
    chosen = choose(rng, blocks if blocks and rng.random() < 0.6 else code.code_lines)
    if chosen is None:
        return None
    start, end = chosen
    draw = rng.random()
    if draw < 0.45:
        return [Edit(start, end, "")]
    if draw < 0.7:
        return [Edit(end, end, code.text[start:end])]
    content = len(code.text[start:end].rstrip("\r\n"))
    rest = code.text[end:]
    space = len(rest) - len(rest.lstrip(" \t"))
    return [Edit(start + content, end + space, " ")]


def print_statement(code: Code, rng: Random) -> list[Edit] | None:
    """Write a call of ``print`` as Python 2 did."""
    index = choose(rng, [at for at in code.where("print") if at + 1 < len(code.solid)])
    if index is None or code.solid[index + 1].text != "(":
        return None
    depth = 0
    for token in code.solid[index + 1 :]:
        depth += (token.text in OPENING) - (token.text in CLOSING) if token.kind == "op" else 0
        if depth == 0:
            first = code.solid[index + 1]
            return [Edit(first.start, first.end, " "), Edit(token.start, token.end, "")]
    return None


def except_comma(code: Code, rng: Random) -> list[Edit] | None:
    """Write ``except E as e`` as ``except E, e``."""
    ways = []
    for index in code.where("except"):
        for after in range(index + 1, min(index + 12, len(code.solid))):
            token = code.solid[after]
            if token.text == ":":
                break
            if token.text == "as":
                ways.append([Edit(code.solid[after - 1].end, token.end, ",")])
    return choose(rng, ways)


def f_string(code: Code, rng: Random) -> list[Edit] | None:
    """Drop or double a brace of an f-string."""
    braces = []
    for index in code.by_kind.get("string", []):
        token = code.solid[index]
        if "f" in token.text[:2].lower():
            braces += [token.start + at for at, letter in enumerate(token.text) if letter in "{}"]
    place = choose(rng, braces)
    if place is None:
        return None
    return [Edit(place, place + 1, "")] if rng.random() < 0.6 else [Edit(place, place, code.text[place])]
