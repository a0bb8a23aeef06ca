"""What a question takes for granted of the standard library and is not so: dotted names, parameters, functions.

Only what is certain is said: the running interpreter is asked, and where its answer may not be whole (functions that
take any keyword, names that the documentation has and the signature has not) nothing is.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

from gatllm.answering.knowledge import Mention, mentions
from gatllm.answering.library_names import UNKNOWN, member, module, signature

_PARAMETER = r"(?:parameter|argument|keyword|option|flag)s?(?:\s+(?:named|called))?"
# Bounded, for hostile prompts: no name of the library is longer or deeper.
_NAME = r"[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){0,5}"
_CALLABLE = rf"(?:the\s+)?(?:(?:function|method|class|constructor)\s+)?`?(?P<name>{_NAME})(?![\w.]*\w)(?:\(\))?`?"
_OF = r"\s+(?:of|in|for|from|does|do|von|bei|de)\s+"
_ASKED = (
    re.compile(rf"(?i)\b{_PARAMETER}\s+`(?P<parameter>[A-Za-z_]\w*)=?`{_OF}{_CALLABLE}"),
    re.compile(rf"(?i)`(?P<parameter>[A-Za-z_]\w*)=?`\s+{_PARAMETER}{_OF}{_CALLABLE}"),
)
_CALL = re.compile(rf"(?<![\w.]){_NAME}\([^()\n=]{{0,200}}=[^()\n]{{0,200}}\)")
# "my", "write" and the like: a function that is yet to be, or the user's own, may be called anything.
_WHERE = re.compile(
    r"(?i)\b(?:which|what)\s+(?:\w+\s+){0,2}?(?:module|package)\b(?P<words>[^`?!\n]{0,80})`(?P<name>[A-Za-z_]\w*)(?:\(\))?`"
)
_LIBRARY = re.compile(r"(?i)\bstandard\s+library|\bstdlib\b")
_OWN = re.compile(r"(?i)\b(?:my|our|own|new|write|put|place|called|named|should|like)\b")
_BOUND = re.compile(
    r"(?m)^\s*(?:async\s+def|def|class)\s+(\w+)|^\s*(\w+)\s*[:=]|\bas\s+(\w+)|['\"]([A-Za-z_]\w*)['\"]|"
    r"(?:\bimport|,)[ \t]+\(?(\w+)"
)
# Who has a function written may call it as a builtin is called.
_WRITTEN = re.compile(
    r"(?i)\b(?:write|implement|create|define|make|build|add|code|def|functions?|methods?|class|my|our|own|schreib\w*|"
    r"erstell\w*|funktion|écri\w*|fonction|escrib\w*|función|crea\w*)\b|[^\x00-\u024f\W\d_]"
)
_SKIPPED = frozenset(["test", "tests", "site-packages", "idlelib", "lib2to3", "turtledemo", "__pycache__"])
_ENOUGH = 20_000  # names; fewer, and the library's sources are not all here


def mentioned(prose: str) -> list[Mention]:
    """Return the library's names that the prose of a question speaks of, and what it asks about that does not exist."""
    found = mentions(prose)
    return found + _parameters(prose) + (_functions(prose) if _LIBRARY.search(prose) else [])


def _parameters(prose: str) -> list[Mention]:
    asked = [(match["name"].rstrip("."), match["parameter"]) for each in _ASKED for match in each.finditer(prose)]
    for match in _CALL.finditer(prose):
        try:
            call = ast.parse(match[0], mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if isinstance(call, ast.Call):
            asked += [(ast.unparse(call.func), keyword.arg) for keyword in call.keywords if keyword.arg]
    written = _WRITTEN.search(prose) is not None
    return [
        Mention(f"{name}({parameter}=…)", False, f"`{name}` has no parameter `{parameter}`.")
        for name, parameter in dict.fromkeys(asked)
        if ("." in name or not written) and _lacks(_target(name), parameter)
    ]


def _target(name: str) -> Any:
    """Return what a builtin, or a dotted name of the library, stands for; `UNKNOWN` where it stands for nothing."""
    first, *rest = name.split(".")
    if not rest:
        return getattr(builtins, first, UNKNOWN)
    owner: Any = module(first) or (kind if isinstance(kind := getattr(builtins, first, None), type) else UNKNOWN)
    for at, part in enumerate(rest, 2):
        inner = member(owner, part)
        owner = module(".".join([first, *rest][:at])) or UNKNOWN if inner is UNKNOWN else inner
    return owner


def _lacks(target: Any, parameter: str) -> bool:
    """Tell whether a callable certainly has no parameter of that name."""
    known = signature(target) if target is not UNKNOWN and callable(target) else None
    if known is None or parameter in known.parameters:
        return False
    kinds = {each.kind for each in known.parameters.values()}
    if kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}:
        return False
    return not re.search(rf"\b{parameter}\b", inspect.getdoc(target) or "")


def _functions(prose: str) -> list[Mention]:
    names = [match["name"] for match in _WHERE.finditer(prose) if not _OWN.search(match["words"])]
    return [
        Mention(name, False, f"No module of the standard library has `{name}`.")
        for name in dict.fromkeys(names)
        if len(_bound()) >= _ENOUGH and name not in _bound() and module(name) is None
    ]


@cache
def _bound() -> frozenset[str]:
    """Return every name that the library's sources bind or quote, and what its compiled modules hold."""
    found = set(dir(builtins))
    root = Path(sysconfig.get_paths()["stdlib"])
    for file in root.rglob("*.py"):
        if not _SKIPPED.intersection(file.relative_to(root).parts):
            for names in _BOUND.findall(file.read_text("utf-8", "replace")):
                found.update(names)
    for top in sorted(sys.stdlib_module_names):
        if not str(getattr(opened := module(top), "__file__", None) or "").endswith(".py"):
            for name in dir(opened):
                inner = getattr(opened, name, None)
                found |= {name, *(dir(inner) if isinstance(inner, type) else ())}
    return frozenset(found)
