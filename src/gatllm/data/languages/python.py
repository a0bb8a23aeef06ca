"""Python: our lexer, CPython's parser."""

from __future__ import annotations

import ast
import warnings

from gatllm.tokenizers.lexing.strict import Token, lex


class Python:
    """The Python plug-in."""

    name = "python"
    suffixes = (".py",)
    semantic = True

    def lex(self, text: str) -> list[Token]:
        """Return the tokens."""
        return lex(text)

    def parse(self, text: str) -> tuple[object | None, str, int]:
        """Return the syntax tree, or None with what the parser says and where."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return ast.parse(text), "", 0
            except SyntaxError as error:
                return None, str(error.msg), error.lineno or 0
            except (ValueError, RecursionError, MemoryError) as error:
                return None, str(error), 0

    def same(self, first: object, second: object) -> bool:
        """Tell whether two trees are equal but for positions; stops at the first difference."""
        stack: list[tuple[object, object]] = [(first, second)]
        while stack:
            one, other = stack.pop()
            if type(one) is not type(other):
                return False
            if isinstance(one, ast.AST):
                stack += [(getattr(one, name, None), getattr(other, name, None)) for name in one._fields]
            elif isinstance(one, list) and isinstance(other, list):
                if len(one) != len(other):
                    return False
                stack += zip(one, other, strict=True)
            elif (one != other or isinstance(one, float)) and repr(one) != repr(other):  # nan is nan, 0.0 is not -0.0
                return False
        return True
