"""Asks the running interpreter's standard library which modules, members and signatures it has."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import sys
import warnings
from functools import cache
from types import ModuleType
from typing import Any

UNKNOWN: Any = object()
# Importing these opens windows or browsers, prints, or is meant for tests.
_SHUNNED = "antigravity this idlelib turtledemo turtle tkinter test lib2to3 distutils ensurepip venv __main__"
_NEVER = frozenset(_SHUNNED.split())


@cache
def module(name: str) -> ModuleType | None:
    """Return a module of the standard library, imported; None for any other and for those that must not be."""
    top = name.partition(".")[0]
    if top not in sys.stdlib_module_names or top in _NEVER or name.endswith("__main__"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except Exception:  # a module of another platform fails as it likes
        return None


@cache
def module_exists(name: str) -> bool | None:
    """Tell whether a module of the standard library exists; None when that can't be told."""
    top, _, rest = name.partition(".")
    if top not in sys.stdlib_module_names or top in _NEVER:
        return None
    if not rest:
        return True
    if module(name) is not None:
        return True
    parent, _, last = name.rpartition(".")
    owner = module(parent)
    if owner is None:
        return False if module_exists(parent) is False else None
    if not hasattr(owner, "__path__"):
        return isinstance(getattr(owner, last, None), ModuleType)
    return importlib.util.find_spec(name) is not None


def member(owner: Any, name: str) -> Any:
    """Return what ``owner`` (a module or a class) calls ``name``; `UNKNOWN` where there is nothing of that name."""
    if isinstance(owner, type):
        return inspect.getattr_static(owner, name, UNKNOWN)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(owner, name, UNKNOWN)
    except Exception:  # a module's own `__getattr__` fails as it likes
        return UNKNOWN


@cache
def installed(top: str) -> bool:
    """Tell whether a module can be found, without importing it."""
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


def near(name: str, owner: Any) -> str:
    """Return the one member of ``owner`` whose name is near; '' when there is none, or more than one."""
    known = [other for other in dir(owner) if not other.startswith("_")]
    same = [other for other in known if other.lower().replace("_", "") == name.lower().replace("_", "")]
    found = same or difflib.get_close_matches(name, known, 2, 0.8)
    return found[0] if len(found) == 1 else ""


def signature(target: Any) -> inspect.Signature | None:
    """Return a callable's signature, or None where it has none that can be relied on."""
    if isinstance(target, type) and issubclass(target, BaseException):
        return None
    try:
        return inspect.signature(target)
    except (ValueError, TypeError):
        return None
