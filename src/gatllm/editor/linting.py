"""Ruff as a project has set it up: real paths, ``# noqa``, the nearest ``pyproject.toml`` or ``ruff.toml``.

Only mistakes are asked for, whatever style a project wants: `E9` and `F`, without what well-kept code has on purpose
(`gatllm.review.critics.NO_MISTAKES`) unless the project selects it by its full name, and without
what the project ignores.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.review.critics import NO_MISTAKES, RULES, Finding

_OURS = re.compile(r"(?:E9\d*|E|F\d*|ALL)\Z")
_OF_VERSION = re.compile(r"on Python 3\.\d+ \(syntax was ")
VERSIONS = tuple(f"py3{minor}" for minor in range(7, 16))  # ruff's vocabulary


def is_newer(target: str) -> bool:
    """Tell whether a target version is newer than the Python that runs: its compiler can't judge then."""
    return target in VERSIONS and int(target[3:]) > sys.version_info.minor


@dataclass(frozen=True, slots=True)
class Settings:
    """What a project's ruff settings say about mistakes; ``file`` is None where there are none."""

    file: Path | None = None
    ignore: frozenset[str] = frozenset()
    selected: frozenset[str] = frozenset()
    excludes: bool = False
    target: str = ""

    def options(self, target: str) -> list[str]:
        """Return ruff's options for checking under these settings."""
        off = (frozenset(NO_MISTAKES.split(",")) - self.selected) | self.ignore
        options = ["--select", RULES, "--ignore", ",".join(sorted(off))]
        options += ["--force-exclude"] if self.excludes else []
        options += ["--isolated"] if self.file is None else []
        return options + (["--target-version", target] if target else [])


def settings_for(folder: Path) -> Settings:
    """Return the settings that hold for the files of a folder, as ruff finds them; none where they can't be read."""
    for one in (folder, *folder.parents):
        for name in (".ruff.toml", "ruff.toml", "pyproject.toml"):
            table = _table(one / name)
            if table is not None:
                return _settings(one / name, table, 0)
    return Settings()


def _table(file: Path) -> dict[str, Any] | None:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        if file.name == "pyproject.toml":
            table = table["tool"]["ruff"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return table if isinstance(table, dict) else None


def _settings(file: Path, table: dict[str, Any], depth: int) -> Settings:
    lint = table["lint"] if isinstance(table.get("lint"), dict) else {}

    def named(*keys: str) -> frozenset[str]:
        found = [one for key in keys for one in (table.get(key, []), lint.get(key, [])) if isinstance(one, list)]
        return frozenset(str(rule) for rules in found for rule in rules)

    above = Settings()
    if isinstance(extended := table.get("extend"), str) and depth < 10:
        parent = (file.parent / Path(extended).expanduser()).resolve()
        above = _settings(parent, _table(parent) or {}, depth + 1)
    if "select" in table or "select" in lint:  # it begins anew: what is above ignores and selects no longer counts
        above = replace(above, ignore=frozenset(), selected=frozenset())
    chosen = named("select", "extend-select")
    ignored = {rule for rule in named("ignore", "extend-ignore") if _OURS.match(rule)}
    # Ruff lets the longer selector win: what leaves out more than we ask for must be said as closely.
    ignored |= {"E9", "F"} if "ALL" in ignored else {"E9"} if "E" in ignored else set()
    return Settings(
        file=file,
        ignore=(above.ignore | ignored) - {"ALL", "E"},
        selected=above.selected | (chosen & frozenset(NO_MISTAKES.split(","))),
        excludes=above.excludes or "exclude" in table or "extend-exclude" in table or "exclude" in lint,
        target=str(table.get("target-version", above.target)),
    )


@dataclass(frozen=True, slots=True)
class Linted:
    """What ruff found in one text; ``parses`` whether it is valid for the version that was aimed at.

    ``errors`` are ruff's own words about syntax, for texts that are too large for the compiler.
    """

    findings: tuple[Finding, ...]
    parses: bool
    cells: tuple[int, ...] = ()  # of a notebook: the cell of each finding, from 1
    errors: tuple[Finding, ...] = ()


class Linter:
    """Runs ruff on texts that have names, each under the settings of its own project.

    Args:
        target: the Python version to judge by, as ruff names it (``py312``); "" for the project's own.
        note: told once, in one line, when a project's settings can't be used.
    """

    def __init__(self, target: str = "", note: Callable[[str], None] = lambda _: None) -> None:
        self.target = target
        self._note = note
        self._noted: set[Path | None] = set()

    def lint(self, text: str, path: str) -> Linted:
        """Judge one text under the name of a file, which need not exist."""
        settings = settings_for(Path(os.path.abspath(path)).parent)  # noqa: PTH100  # links stay as they are named
        data = text.encode("utf-8", "surrogatepass")
        try:
            return _linted(self._run(settings, ["--stdin-filename", path, "-"], data), self._target(settings))
        except RuffCrashError:
            return Linted((), False)

    def lint_files(self, paths: Sequence[str]) -> list[Linted]:
        """Judge files as they lie on the disk: UTF-8, names that print. One process for each project's settings."""
        groups: dict[Settings, list[str]] = {}
        known: dict[Path, Settings] = {}
        for path in paths:
            folder = Path(os.path.abspath(path)).parent  # noqa: PTH100
            if folder not in known:
                known[folder] = settings_for(folder)
            groups.setdefault(known[folder], []).append(path)
        found: dict[str, Linted] = {}
        for settings, names in groups.items():
            try:
                entries = self._run(settings, ["--", *names])
            except RuffCrashError:  # one of them is nested deeper than its stack: the others are judged all the same
                found |= {name: one for name in names for one in [self._alone(settings, name)]}
                continue
            by_name: dict[str, list[dict[str, Any]]] = {}
            for entry in entries:
                by_name.setdefault(entry["filename"], []).append(entry)
            for name in names:
                found[name] = _linted(by_name.get(os.path.abspath(name), []), self._target(settings))  # noqa: PTH100
        return [found[path] for path in paths]

    def _alone(self, settings: Settings, name: str) -> Linted:
        try:
            return _linted(self._run(settings, ["--", name]), self._target(settings))
        except RuffCrashError:
            return Linted((), False)

    def target_for(self, path: str) -> str:
        """Return the version that a file is judged by: the one asked for, else the project's, else ""."""
        return self._target(settings_for(Path(os.path.abspath(path)).parent))  # noqa: PTH100

    def _target(self, settings: Settings) -> str:
        return self.target or settings.target

    def _run(self, settings: Settings, names: list[str], data: bytes | None = None) -> list[dict[str, Any]]:
        try:
            return ruff_check([*settings.options(self.target), *names], data)
        except GatllmError as error:
            if settings.file is None or isinstance(error, RuffCrashError):
                raise
            if settings.file not in self._noted:
                self._noted.add(settings.file)
                self._note(f"{settings.file}: ruff can't use these settings ({error.cause}); judged without them")
            plain = Settings(ignore=settings.ignore, selected=settings.selected)
            return ruff_check([*plain.options(self._target(settings)), *names], data)


class RuffCrashError(GatllmError):
    """Ruff was ended by a signal: its stack is too small for code that is nested without end."""


def ruff_check(arguments: list[str], data: bytes | None) -> list[dict[str, Any]]:
    """Run ``ruff check`` and return its findings.

    Raises:
        RuffCrashError: a signal ended it.
        GatllmError: it does not run, or refuses its settings; the cause is ruff's own.
    """
    from ruff import find_ruff_bin

    command = [find_ruff_bin(), "check", "--no-cache", "--exit-zero", "--quiet", "--output-format", "json"]
    try:
        done = subprocess.run([*command, *arguments], input=data, capture_output=True, check=False, timeout=300)
        if done.returncode == 0:
            found: list[dict[str, Any]] = json.loads(done.stdout or b"[]")
            return found
        if done.returncode < 0:
            raise RuffCrashError("ruff was ended by a signal", "the file may be nested too deeply for it")
        words = done.stderr.decode(errors="replace").split("Cause:")[-1]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        words = str(error)
    raise GatllmError(" ".join(words.split()) or "ruff does not run", "install ruff again")


def _linted(entries: list[dict[str, Any]], target: str) -> Linted:
    findings, cells, errors, parses = [], [], [], True
    for entry in entries:
        code = entry["code"] or "invalid-syntax"
        place = entry["location"] or {"row": 1, "column": 1}
        if code in ("invalid-syntax", "E902"):
            parses = False
            if not (target and _OF_VERSION.search(entry["message"])):  # that is the compiler's part
                errors.append(Finding(place["row"], place["column"], "SyntaxError", entry["message"], "compiler"))
                continue
            code = "target-version"
        findings.append(Finding(place["row"], place["column"], code, entry["message"], "ruff"))
        cells.append(int(entry.get("cell") or 0))
    return Linted(tuple(findings), parses, tuple(cells), tuple(errors))
