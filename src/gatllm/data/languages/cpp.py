"""C++ by tree-sitter: verdicts of its parser, errors against the grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gatllm.errors import GatllmError
from gatllm.tokenizers.lexing.strict import Token

_KINDS = {"string_literal": "string", "raw_string_literal": "string", "char_literal": "string", "comment": "comment"}
_NAMES = re.compile(r"identifier$")
_SPACE = re.compile(r"(\r\n|\n|\r)|([ \t\f\v]+|\\(?:\r\n|\n|\r))|([^\s\\]+|\\)")


class Cpp:
    """The C++ plug-in.

    Raises:
        GatllmError: tree-sitter is not installed.
    """

    name = "cpp"
    suffixes = (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".h")
    semantic = False

    def __init__(self) -> None:
        try:
            import tree_sitter
            import tree_sitter_cpp
        except ImportError:
            raise GatllmError("C++ needs tree-sitter", "pip install gatllm[cpp]") from None
        self._parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_cpp.language()))

    def lex(self, text: str) -> list[Token]:
        """Return the tokens."""
        data = text.encode("utf-8", "surrogatepass")
        # Byte offsets to characters; for ASCII they are the same.
        at: Any = range(len(data) + 1) if len(data) == len(text) else _character_offsets(text)
        tokens: list[Token] = []
        end = 0
        for kind, start_byte, end_byte in _leaves(self._parser.parse(data).root_node):
            start, stop = at[start_byte], at[end_byte]
            if stop <= start or start < end:
                continue
            tokens += _between(text, end, start, tokens)
            tokens.append(Token(kind, start, stop, text[start:stop]))
            end = stop
        return tokens + _between(text, end, len(text), tokens)

    def parse(self, text: str) -> tuple[object | None, str, int]:
        """Return the leaves of the syntax tree, or None with the place of the first error."""
        root = self._parser.parse(text.encode("utf-8", "surrogatepass")).root_node
        if not root.has_error:
            return tuple(_shape(root)), "", 0
        message, line = _first_error(root)
        return None, message, line

    def same(self, first: object, second: object) -> bool:
        """Tell whether two programs have the same tree."""
        return first == second


def _character_offsets(text: str) -> list[int]:
    offsets: list[int] = []
    for index, character in enumerate(text):
        offsets += [index] * len(character.encode("utf-8", "surrogatepass"))
    return [*offsets, len(text)]


def _walk(root: Any) -> Iterator[Any]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack += reversed(node.children)


def _leaves(root: Any) -> Iterator[tuple[str, int, int]]:
    stack = [root]
    while stack:
        node = stack.pop()
        kind = _KINDS.get(node.type)
        if kind or not node.children:
            yield kind or _kind(node), node.start_byte, node.end_byte
        else:
            stack += reversed(node.children)


def _kind(node: Any) -> str:
    if _NAMES.search(node.type):
        return "name"
    if node.type == "number_literal":
        return "number"
    if not node.is_named:
        return "keyword" if node.type.isidentifier() else "op"
    return "keyword" if node.type in {"primitive_type", "this", "true", "false", "auto"} else "other"


def _between(text: str, start: int, end: int, before: list[Token]) -> list[Token]:
    """Return what lies between two leaves: newlines, indents, spaces."""
    tokens: list[Token] = []
    for match in _SPACE.finditer(text, start, end):
        newline, space, _ = match.groups()
        last = tokens[-1] if tokens else before[-1] if before else None
        fresh = last is None or last.kind == "newline"
        kind = "newline" if newline else "other" if not space else "indent" if fresh else "space"
        tokens.append(Token(kind, match.start(), match.end(), match.group()))
    return tokens


def _shape(root: Any) -> Iterator[tuple[str, bytes]]:
    for node in _walk(root):
        if node.type != "comment":
            yield node.type, b"" if node.children else node.text


def _first_error(root: Any) -> tuple[str, int]:
    for node in _walk(root):
        if node.is_missing:
            return f"missing {node.type}", node.start_point[0] + 1
        if node.is_error:
            return "unexpected code", node.start_point[0] + 1
    return "does not parse", 0
