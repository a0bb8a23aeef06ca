"""Which small changes are not fixed mistakes: each filter with the reason why."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from gatllm.data.functions import parse
from gatllm.data.mining.difference import LINE, Difference, line_of
from gatllm.data.mining.idioms import plain
from gatllm.data.mining.kinds import bracket, kind_of
from gatllm.tokenizers.lexing.words import BUILTINS, KEYWORDS

FILTERS = {
    "path": "tests follow the code and say nothing of it; vendored, generated and version files are not its own",
    "syntax": "one side does not parse",
    "format": "the same syntax tree: layout, comments or docstrings",
    "annotation": "only type annotations differ: typing work",
    "text": "only strings differ: what a text should say can't be read off the code",
    "message": "only what is logged, printed, warned or raised with differs",
    "import": "only imports or the module before a dot differ: something moved elsewhere",
    "decorator": "only decorators differ: mostly deprecation and typing marks",
    "idiom": "the same said otherwise: `not a == b`, `.keys()`, `raise … from`, an f-string, a local renamed",
    "moved": "the same tokens elsewhere: order of statements or of branches",
    "statement": "a whole statement more or less: what it says can't be told from what is there",
    "default": "another default argument is another interface; only mutable ones are mistakes",
    "signature": "other parameters, or a call of what has other parameters now: it was right before",
    "table": "an entry of a module's table more, less or other: data, not code",
    "size": "more tokens or places than a slip has",
    "feature": "a name new to the module: it comes with code that is new elsewhere",
    "rename": "the old name is gone from the new module: it was renamed, not mistaken",
    "tuning": "a number changed by more than one: taste, not a slip",
    "deprecation": "speaks of a deprecation or of a version: the world changed, not the code's mind",
    "unaligned": "the change can't be said in edits that keep comments and docstrings",
    "repeated": "the same change in three or more functions of a step: a migration",
    "reverted": "undone elsewhere in the same history: nobody can say which side is right",
    "secret": "holds a key or token",
    "personal-data": "holds an e-mail address",
    "duplicate": "seen already",
    "kind": "not among the kinds asked for",
    "crash": "looking at it took too long or too much memory",
}

_PATHS = re.compile(
    r"(?i)(^|/)(tests?|testing|docs?|examples?|samples?|benchmarks?|_?vendor(ed)?|extern(als?)?|third_party|"
    r"migrations|conftest\.py|setup\.py|_?_?version_?_?\.py|test_[^/]*\.py|[^/]*_(test|pb2|version)\.py)(/|$)"
)
_TIMES = re.compile(r"(?i)deprecat|removed in|version_info|__version__|py_?version|FutureWarning|TYPE_CHECKING")
_VERSION = re.compile(r"(?i)^_*version|^__version__")
_LOGGERS = frozenset({"log", "logger", "logging", "_logger", "_log", "LOGGER", "LOG", "warnings", "print", "warn"})
_NAME = re.compile(r"[^\W\d]\w*")


def wrong_path(path: str) -> bool:
    """Tell whether a file is not the project's own code."""
    return bool(_PATHS.search(path))


def names_of(text: str) -> frozenset[str]:
    """Return every word of a module, those in strings and comments too."""
    return frozenset(_NAME.findall(text))


class _Bare(ast.NodeTransformer):
    """Takes out of a tree what does not count: docstrings always, and what ``without`` names."""

    def __init__(self, without: frozenset[str]) -> None:
        self._without = without

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [one for one in body if not self._idle(one)]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
        if "annotation" in self._without and isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if "decorator" in self._without:
                node.decorator_list = []
            if "annotation" in self._without and not isinstance(node, ast.ClassDef):
                node.returns = None
        return node

    def _idle(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Expr):
            if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                return True
            return "message" in self._without and _root(node.value) in _LOGGERS
        if isinstance(node, ast.Import | ast.ImportFrom):
            return "import" in self._without
        return "annotation" in self._without and isinstance(node, ast.AnnAssign) and node.value is None

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if "annotation" in self._without and node.value is not None:
            return self.generic_visit(ast.Assign([node.target], node.value, lineno=node.lineno))
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        blank = "text" in self._without and isinstance(node.value, str | bytes)
        return ast.Constant("") if blank else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("") if "text" in self._without else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if "message" in self._without and isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return self.generic_visit(node)


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Call | ast.Attribute | ast.Await):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def tree(text: str, *without: str) -> str | None:
    """Return the syntax tree of ``text`` without docstrings and what ``without`` names; None when it has none."""
    parsed = parse(text)
    return None if parsed is None else ast.dump(_Bare(frozenset(without)).visit(parsed))


@dataclass(frozen=True)
class Candidate:
    """A function (or, where ``name`` is '', a module) in two versions, and the words of the modules it stands in."""

    name: str
    old: str
    new: str
    difference: Difference
    old_names: frozenset[str]
    new_names: frozenset[str]

    @cached_property
    def hunks(self) -> list[tuple[list[str], list[str]]]:
        """The tokens of each hunk before and after."""
        return [self.difference.texts(hunk) for hunk in self.difference.hunks]


def refuse(candidate: Candidate) -> str | None:
    """Return the filter that refuses a change, if any; its size was looked at before."""
    if (before := tree(candidate.old)) is None or (after := tree(candidate.new)) is None:
        return "syntax"
    if before == after:
        return "format"
    for name in ("annotation", "text", "message", "import", "decorator"):
        if tree(candidate.old, name, "text") == tree(candidate.new, name, "text"):
            return name
    if plain(candidate.old) == plain(candidate.new):
        return "idiom"
    return next((name for name, test in _TESTS.items() if test(candidate)), None)


def _signature(candidate: Candidate) -> bool:
    """Other parameters than before, but for a ``self`` or ``cls`` that was missing."""
    old, new = parameters(candidate.old), parameters(candidate.new)
    return old != new and not (len(new) == len(old) + 1 and new[0] in {"self", "cls"} and new[1:] == old)


def parameters(text: str) -> list[str]:
    """Return the names of the parameters of the function that ``text`` is; none when it is not a function."""
    parsed = parse(text)
    head = parsed.body[0] if parsed is not None and len(parsed.body) == 1 else None
    if not isinstance(head, ast.FunctionDef | ast.AsyncFunctionDef):
        return []
    given = head.args
    stars = [one for one in (given.vararg, given.kwarg) if one is not None]
    return [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, *stars)]


def _new_words(candidate: Candidate) -> set[str]:
    words: set[str] = set()
    for old, new in candidate.hunks:
        for number, word in enumerate(new):
            keyword = number + 1 < len(new) and new[number + 1] == "="  # that of a call names nothing of the module
            if _NAME.fullmatch(word) and word not in old and not keyword:
                words.add(word)
    return words


def _feature(candidate: Candidate) -> bool:
    return bool(_new_words(candidate) - candidate.old_names - BUILTINS - KEYWORDS)


def _rename(candidate: Candidate) -> bool:
    gone = {w for old, new in candidate.hunks for w in old if _NAME.fullmatch(w) and w not in new}
    gone -= BUILTINS | KEYWORDS
    return bool(_new_words(candidate)) and any(word not in candidate.new_names for word in gone)


def _tuning(candidate: Candidate) -> bool:
    sides = [(old[0], new[0]) for old, new in candidate.hunks if len(old) == len(new) == 1]
    numbers = [(a, b) for a, b in sides if a[0].isdecimal() and b[0].isdecimal()]
    return any(not (a.isdecimal() and b.isdecimal() and abs(int(a) - int(b)) == 1) for a, b in numbers)


def _deprecation(candidate: Candidate) -> bool:
    difference = candidate.difference
    return any(
        _TIMES.search(" ".join((*old, *new)))
        or _VERSION.search(" ".join(piece.key for piece in line_of(difference.old, hunk.first)))
        for (old, new), hunk in zip(candidate.hunks, difference.hunks, strict=True)
    )


def _import(candidate: Candidate) -> bool:
    """``module.name`` for ``name``, or the other way round."""
    changed = [[word for word in old + new if word not in old or word not in new] for old, new in candidate.hunks]
    return any(len(words) == 2 and words[1] == "." and words[0] not in {"self", "cls"} for words in changed)


def _moved(candidate: Candidate) -> bool:
    old, new = (Counter(w for pair in candidate.hunks for w in pair[side] if w != LINE) for side in (0, 1))
    across = len(candidate.hunks) > 1 or any(LINE in side for pair in candidate.hunks for side in pair)
    return bool(old) and across and old == new


def _statement(candidate: Candidate) -> bool:
    """Lines more or less, but for those that only leave a block or a function."""
    for old, new in candidate.hunks:
        words = [word for word in old + new if word != LINE]
        if LINE in old + new and words and words[0] not in {"return", "continue", "break"}:
            return True
    return False


def _table(candidate: Candidate) -> bool:
    """Outside of functions and inside brackets that are not a call."""
    if candidate.name:
        return False
    return any(bracket(candidate.difference.old, hunk.first)[0] == "group" for hunk in candidate.difference.hunks)


def callees(candidate: Candidate) -> list[str]:
    """Return what the calls are of whose arguments changed."""
    found = (bracket(candidate.difference.old, hunk.first) for hunk in candidate.difference.hunks)
    return sorted({name for kind, name in found if kind == "call"})


def _default(candidate: Candidate) -> bool:
    kinds = [kind_of(candidate.difference, hunk) for hunk in candidate.difference.hunks]
    return "default" in kinds


def _only_strings(candidate: Candidate) -> bool:
    """Nothing but strings, commas and line breaks in the hunks: another entry of a list of words, too."""
    words = (word for pair in candidate.hunks for side in pair for word in side)
    return all(word in {LINE, ","} or word[-1] in "\"'" or word[0] == "\0" for word in words)


_TESTS: dict[str, Callable[[Candidate], bool]] = {
    "text": _only_strings,
    "import": _import,
    "moved": _moved,
    "statement": _statement,
    "signature": _signature,
    "default": _default,
    "table": _table,
    "tuning": _tuning,
    "deprecation": _deprecation,
    "feature": _feature,
    "rename": _rename,
}
