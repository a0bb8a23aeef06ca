"""Parameters of Python 2 that were tuples: ``lambda (a, b): b`` and ``def f(a, (b, c)):``."""

from __future__ import annotations

import ast
import re

from gatllm.review.statement import Body, split, step
from gatllm.tokenizers.lexing.lenient import bare

_LONGEST = 500  # characters of a list of parameters, and of a lambda's body
_COLON = re.compile(r"[ \t]*:[ \t]*")
_BLOCK = re.compile(r"\n(?:[ \t]*(?:#[^\n]*)?\n)*(?P<margin>[ \t]+)(?=\S)")
_DOCUMENTATION = re.compile(r"[rRuUbB]{0,2}(?:\"\"\"[^\\]*?\"\"\"|'''[^\\]*?'''|\"[^\"\\\n]*\"|'[^'\\\n]*')[ \t]*\n")

Paths = dict[str, str]  # a name of a tuple, and where it stands in it: `[1][0]`


def in_lambda(found: re.Match[str]) -> tuple[str, int] | None:
    """Return what to write for a lambda with a tuple among its parameters, and where in the text that ends.

    ``found`` ends behind the word. Each name of the tuple becomes an item of one parameter. None where there is no such
    tuple, where the name of that parameter is taken, or where the lambda does not end.
    """
    text = found.string
    stated = _until(text[found.end() :], ":")
    if stated is None:
        return None
    parameters, end = stated
    items: Paths = {}
    written = []
    for parameter in split(parameters, ","):
        named = _named(parameter, text)
        if named is None and parameter.startswith("("):
            return None
        name, paths = named or (parameter, {})
        items |= {one: f"{name}{path}" for one, path in paths.items()}
        written.append(name)
    body = _until(text[found.end() + end + 1 :], ",", whole=True) if written != split(parameters, ",") else None
    said = None if body is None else _with_items(body[0], items)
    if body is None or said is None:
        return None
    return f"{found[0].rstrip()} {', '.join(written)}:{said}", found.end() + end + 1 + body[1]


def in_definition(found: re.Match[str]) -> tuple[str, int] | None:
    """Return what to write for a function with a tuple among its parameters, and where in the text that ends.

    ``found`` ends behind the opening bracket. The tuple is unpacked in the first line of the body, behind its
    documentation. None where there is no such tuple, or where the name of the parameter is taken.
    """
    text = found.string
    stated = _until(text[found.end() :], ")")
    if stated is None:
        return None
    parameters = split(stated[0], ",")
    unpacked = []
    for at, parameter in enumerate(parameters):
        named = _named(parameter, text)
        if named is None and parameter.startswith("("):
            return None
        if named is not None:
            parameters[at] = named[0]
            unpacked += [f"{_target(parameter)} = {named[0]}"] if named[1] else []
    end = found.end() + stated[1] + 1
    colon = _COLON.match(text, end)
    if parameters == split(stated[0], ",") or colon is None:
        return None
    head = f"{found[0]}{', '.join(parameters)}){colon[0]}"
    block = _BLOCK.match(text, colon.end())
    if block is None:
        return head + "".join(f"{one}; " for one in unpacked), colon.end()
    documentation = _DOCUMENTATION.match(text, block.end())
    start = block.end() if documentation is None else documentation.end()
    if documentation is not None:
        return head + text[colon.end() : start] + "".join(f"{block['margin']}{one}\n" for one in unpacked), start
    return head + "".join(f"\n{block['margin']}{one}" for one in unpacked), colon.end()


def _with_items(body: Body, items: Paths) -> str | None:
    """The body of a lambda with items instead of names; None where it may bind one of the names itself."""
    pieces = [(piece.text, outside) for piece, outside in body]
    said = [text for text, _ in pieces]
    code = [(at, text) for at, (text, outside) in enumerate(pieces) if outside and text.strip()]
    if items and any(text in ("for", "lambda", ":=") for _, text in code):
        return None
    for number, (at, text) in enumerate(code):
        before = code[number - 1][1] if number else ""
        after = code[number + 1][1] if number + 1 < len(code) else ""
        if text in items and before != "." and not (after == "=" and before in ("(", ",")):
            said[at] = items[text]
    return "".join(said)


def _until(rest: str, mark: str, *, whole: bool = False) -> tuple[Body, int] | None:
    """The lexemes before a mark (or a bracket that closes more than opened) outside brackets, and where it begins.

    With ``whole`` the end of the line or of the text ends them, too. None where nothing does.
    """
    depth = 0
    out: Body = []
    for piece, outside in bare(rest[:_LONGEST]):
        depth += step(piece, outside)
        ends = outside and mark != ")" and (piece.text in (mark, ";") or piece.kind in ("line", "comment"))
        if depth < 0 or (depth == 0 and ends):
            return (out, piece.start) if whole or piece.text == mark else None
        out.append((piece, outside))
    return (out, len(rest)) if whole and len(rest) <= _LONGEST else None


def _named(parameter: str, text: str) -> tuple[str, Paths] | None:
    """The name for a parameter in brackets, and where the names of its tuple stand; no paths where it was one name."""
    if not parameter.startswith("("):
        return None
    try:
        tree = ast.parse(parameter, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if isinstance(tree, ast.Name):
        return tree.id, {}
    paths: Paths = {}
    if not _walk(tree, "", paths):
        return None
    name = "_".join(paths) if len(paths) > 1 else f"{next(iter(paths))}_"
    return None if re.search(rf"\b{name}\b", text) else (name, paths)


def _walk(node: ast.expr, path: str, paths: Paths) -> bool:
    """Tell whether a node is a tuple of names and such tuples, and note where each name stands."""
    if isinstance(node, ast.Name) and path:
        known = node.id in paths
        paths[node.id] = path
        return not known
    if not isinstance(node, ast.Tuple) or not node.elts:
        return False
    return all(_walk(one, f"{path}[{at}]", paths) for at, one in enumerate(node.elts))


def _target(parameter: str) -> str:
    """What a tuple is unpacked to: without the brackets around it, as people write it."""
    said = ast.unparse(ast.parse(parameter, mode="eval"))
    return said[1:-1] if said.startswith("(") and said.endswith(")") else said
