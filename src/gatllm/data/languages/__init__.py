"""Languages are plug-ins: a lexer, a parser, a checker, and the corruption families that suit them."""

from gatllm.data.languages.base import Language, language, language_of, languages

__all__ = ["Language", "language", "language_of", "languages"]
