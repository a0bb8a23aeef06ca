"""Errors against the meaning: the code still parses, and does something else (or fails when it runs)."""

from __future__ import annotations

from random import Random

from gatllm.data.code import Code, Edit, choose
from gatllm.data.families.syntactic import misspell
from gatllm.tokenizers.lexing.words import BUILTINS, CLOSING, OPENING

_COMPARISONS = {
    "<": ("<=", ">"), "<=": ("<", ">="), ">": (">=", "<"), ">=": (">", "<="), "==": ("!=",), "!=": ("==",),
    "is": ("is not",), "in": ("not in",),
}  # fmt: skip
_ARITHMETIC = {
    "+": ("-",), "-": ("+",), "*": ("+", "/"), "/": ("//", "*"), "//": ("/",), "%": ("//",), "**": ("*",),
    "and": ("or",), "or": ("and",), "+=": ("-=", "="), "-=": ("+=",), "&": ("|",), "|": ("&",),
    "<<": (">>",), ">>": ("<<",),
}  # fmt: skip
_EXCEPTIONS = {
    "KeyError": "IndexError", "IndexError": "KeyError", "ValueError": "TypeError", "TypeError": "ValueError",
    "AttributeError": "KeyError", "OSError": "ValueError", "FileNotFoundError": "ValueError",
    "ImportError": "NameError", "StopIteration": "IndexError", "RuntimeError": "OSError",
    "NotImplementedError": "AttributeError", "ZeroDivisionError": "OverflowError",
    "UnicodeDecodeError": "UnicodeEncodeError", "TimeoutError": "KeyError",
}  # fmt: skip


def _replace(code: Code, index: int, text: str) -> list[Edit]:
    token = code.solid[index]
    return [Edit(token.start, token.end, text)]


def underscore(code: Code, rng: Random) -> list[Edit] | None:
    """Drop an underscore of a name, or write one too many."""
    index = choose(rng, [at for at in code.by_kind.get("name", []) if "_" in code.solid[at].text.strip("_")])
    if index is None or rng.random() < 0.15:
        index = choose(rng, [at for at in code.by_kind.get("name", []) if "_" in code.solid[at].text])
    if index is None:
        return None
    name = code.solid[index].text
    place = rng.choice([at for at, letter in enumerate(name) if letter == "_"])
    if rng.random() < 0.75:
        wrong = name[:place] + name[place + 1 :]
        return _replace(code, index, wrong) if wrong.isidentifier() else None
    return _replace(code, index, name[:place] + "_" + name[place:])


def builtin_typo(code: Code, rng: Random) -> list[Edit] | None:
    """Misspell a builtin."""
    index = choose(rng, [at for at in code.by_kind.get("name", []) if code.solid[at].text in BUILTINS])
    return None if index is None else _replace(code, index, misspell(code.solid[index].text, rng))


def name(code: Code, rng: Random) -> list[Edit] | None:
    """Put another name of the same code in a name's place (variable misuse), or misspell it."""
    places = code.by_kind.get("name", [])
    plain = [at for at in places if at == 0 or code.solid[at - 1].text not in {".", "def", "class", "import", "from"}]
    index = choose(rng, plain)
    if index is None:
        return None
    word = code.solid[index].text
    others = sorted({code.solid[at].text for at in plain} - {word})
    if others and rng.random() < 0.75:
        return _replace(code, index, rng.choice(others))
    return _replace(code, index, misspell(word, rng))


def _arguments(code: Code, opening: int) -> list[tuple[int, int]] | None:
    """Return (start, end) of each positional argument of the call whose bracket is at ``opening``; None if unclear."""
    spans: list[tuple[int, int]] = []
    depth, begin = 0, opening + 1
    for at in range(opening, len(code.solid)):
        token = code.solid[at]
        if token.kind == "op" and token.text in OPENING:
            depth += 1
        elif token.kind == "op" and token.text in CLOSING:
            depth -= 1
        ends = depth == 0 or (depth == 1 and token.text == ",")
        if ends and at > begin:
            piece = code.solid[begin:at]
            if not any(one.text in {"=", "*", "**", "for"} for one in piece):
                spans.append((piece[0].start, piece[-1].end))
        if ends:
            begin = at + 1
        if depth == 0:
            return spans
    return None


def argument(code: Code, rng: Random) -> list[Edit] | None:
    """Swap two neighbouring positional arguments of a call."""
    calls = [
        at
        for at in code.where("(")
        if at and code.solid[at - 1].kind == "name" and (at < 2 or code.solid[at - 2].text not in {"def", "class"})
    ]
    opening = choose(rng, calls)
    spans = None if opening is None else _arguments(code, opening)
    if not spans or len(spans) < 2:
        return None
    first = rng.randrange(len(spans) - 1)
    (a, b), (c, d) = spans[first], spans[first + 1]
    return [Edit(a, b, code.text[c:d]), Edit(c, d, code.text[a:b])] if code.text[a:b] != code.text[c:d] else None


def off_by_one(code: Code, rng: Random) -> list[Edit] | None:
    """Make an integer one larger or smaller, or a length one too many."""
    numbers = [at for at in code.by_kind.get("number", []) if code.solid[at].text.isdecimal()]
    index = choose(rng, numbers)
    if index is None:
        return None
    value = int(code.solid[index].text)
    return _replace(code, index, str(value + 1 if value == 0 or rng.random() < 0.5 else value - 1))


def comparison(code: Code, rng: Random) -> list[Edit] | None:
    """Flip a comparison or move its bound."""
    places = [at for at in code.where(*_COMPARISONS) if code.solid[at].text != "in" or not _belongs_to_for(code, at)]
    index = choose(rng, places)
    if index is None:
        return None
    word = code.solid[index].text
    following = code.solid[index + 1] if index + 1 < len(code.solid) else None
    previous = code.solid[index - 1] if index else None
    if word == "is" and following is not None and following.text == "not":
        return [Edit(code.solid[index].end, following.end, "")]
    if word == "in" and previous is not None and previous.text == "not":
        return [Edit(previous.start, code.solid[index].start, "")]
    return _replace(code, index, rng.choice(_COMPARISONS[word]))


def _belongs_to_for(code: Code, index: int) -> bool:
    for at in range(index - 1, max(-1, index - 24), -1):
        if code.solid[at].text == "for":
            return True
        if code.solid[at].text in {"if", "while", "in", "return", "=", ":"}:
            return False
    return False


def arithmetic(code: Code, rng: Random) -> list[Edit] | None:
    """Put another binary operator of the same kind in the place of one."""
    index = choose(rng, [at for at in code.where(*_ARITHMETIC) if _is_binary(code, at)])
    return None if index is None else _replace(code, index, rng.choice(_ARITHMETIC[code.solid[index].text]))


def _is_binary(code: Code, index: int) -> bool:
    if code.solid[index].text not in {"+", "-", "*", "**"}:
        return True
    if index == 0:
        return False
    before = code.solid[index - 1]
    return before.kind in {"name", "number", "string"} or (before.kind == "op" and before.text in CLOSING)


def missing_return(code: Code, rng: Random) -> list[Edit] | None:
    """Forget a ``return``, keeping its value."""
    ways = []
    for index in code.where("return"):
        token = code.solid[index]
        line_end = code.text.find("\n", token.end)
        if code.text[token.end : line_end if line_end >= 0 else None].strip():
            ways.append([Edit(token.start, token.end + 1, "")])
        else:
            ways.append([Edit(token.start, token.end, "pass")])
    return choose(rng, ways)


def missing_self(code: Code, rng: Random) -> list[Edit] | None:
    """Forget ``self`` before an attribute or among the parameters."""
    ways = []
    for index in code.where("self"):
        if index + 1 >= len(code.solid):
            continue
        token, following = code.solid[index], code.solid[index + 1]
        if following.text == ".":
            ways.append([Edit(token.start, following.end, "")])
        elif index and code.solid[index - 1].text == "(" and index > 2 and code.solid[index - 3].text == "def":
            end = code.solid[index + 2].start if following.text == "," and index + 2 < len(code.solid) else token.end
            ways.append([Edit(token.start, end, "")])
    return choose(rng, ways)


def missing_await(code: Code, rng: Random) -> list[Edit] | None:
    """Forget an ``await``."""
    index = choose(rng, code.where("await"))
    return None if index is None else [Edit(code.solid[index].start, code.solid[index].end + 1, "")]


def mutable_default(code: Code, rng: Random) -> list[Edit] | None:
    """Make a parameter that defaults to None default to a list or dict that all calls share."""
    ways = []
    for index in code.where("def"):
        depth = 0
        for at in range(index + 2, len(code.solid)):
            token = code.solid[at]
            if token.kind == "op":
                depth += (token.text in OPENING) - (token.text in CLOSING)
            if depth == 0:
                break
            if token.text == "None" and code.solid[at - 1].text == "=":
                ways.append([Edit(token.start, token.end, rng.choice(["[]", "{}"]))])
    return choose(rng, ways)


def wrong_exception(code: Code, rng: Random) -> list[Edit] | None:
    """Catch or raise an exception that does not fit."""
    index = choose(
        rng, [at for at in code.where(*_EXCEPTIONS) if at and code.solid[at - 1].text in {"except", "raise", "(", ","}]
    )
    return None if index is None else _replace(code, index, _EXCEPTIONS[code.solid[index].text])
