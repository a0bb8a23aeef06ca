"""Look before repairing: what a text is tells more than the first place where the compiler stops.

A merge that nobody finished, an edit block of a chat, a patch, a template, a file for a newer Python: what the compiler
says of them is true and helps nobody. They are told by marks that stand outside strings.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gatllm.errors import GatllmError
from gatllm.review.critics import Finding, compile_error
from gatllm.tokenizers.lexing.lenient import all_bare, outside_strings

DetectionKind = Literal["conflict", "edit block", "patch", "template", "newer Python", "other language", "binary data"]

_OURS = re.compile(r"<{7}(?: .*)?\r?")
_BASE = re.compile(r"\|{7}(?: .*)?\r?")
_MIDDLE = re.compile(r"={7}\r?")
_THEIRS = re.compile(r">{7}(?: .*)?\r?")
_SEARCH = re.compile(r"<{5,9} ?(?:SEARCH|ORIGINAL|OLD|BEFORE)\b.*", re.IGNORECASE)
_FILE = re.compile(r"[`*#]*\s*(?:[\w.-]+/)*[\w-]+\.\w{1,4}:?\s*[`*]*")  # the name of the file that a block is about
_DIVIDER = re.compile(r"={5,9}\s*")
_REPLACE = re.compile(r">{5,9} ?(?:REPLACE|UPDATED|NEW|AFTER)\b.*", re.IGNORECASE)
_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@.*|@@.*@@|@@")
_PATCH_HEAD = re.compile(
    r"(?:diff --git |index [\da-f]+\.\.|--- \S|\+\+\+ \S|new file mode |deleted file mode |\*\*\* )"
)
_NO_NEWLINE = "\\ No newline at end of file"
_TEMPLATE = re.compile(
    r"\{%-?\s*(?:if|for|set|block|extends|include|macro|endif|endfor|else|elif|raw|import|from|with)\b[^\n]*%\}"
    r"|\{\{-?\s*[A-Za-z_][\w.]*(?:\s*\|\s*\w+(?:\([^()\n]*\))?)*\s*-?\}\}|<%[=@!]?\s[^\n]*%>|\$\{[A-Za-z_][\w.]*\}"
)
# What is taken is not given back: blank lines before something else would be shared out in every way.
_LANGUAGES = (
    ("a page of HTML", re.compile(r"\s*(?:<!DOCTYPE\s+html|<html\b|<\?xml\b|<svg\b)", re.IGNORECASE)),
    ("PHP", re.compile(r"\s*<\?php\b")),
    ("a shell script", re.compile(r"#!.*\b(?:bash|zsh|ksh|sh)\b")),
    ("C or C++", re.compile(r"(?:\s*+(?://.*+|/\*(?:[^*]|\*(?!/))*+\*/))*+\s*+#include\s*[<\"]")),
    ("Go", re.compile(r"(?:\s*+//.*+)*+\s*+package\s+\w+\s*\n")),
    ("Rust", re.compile(r"(?:\s*+//.*+)*+\s*+(?:use\s+\w+::|fn\s+main\s*\(\)\s*\{|pub\s+(?:fn|struct|mod)\b)")),
    ("Java", re.compile(r"(?:\s*+(?://.*+|(?:import|package)\s+[\w.*]++;))*+\s*+public\s+(?:final\s+)?class\s+\w")),
    ("JavaScript", re.compile(r"(?:\s*+//.*+)*+\s*+(?:['\"]use strict['\"];|const\s+\w+\s*=\s*require\()")),
)  # fmt: skip
_CYTHON = re.compile(
    r"^[ \t]*(?:cp?def[ \t]+(?:inline[ \t]+)?[\w.*]+[ \t*]+\w|c(?:type)?def[ \t]+(?:class|struct|enum|extern|fused)\b"
    r"|(?:from[ \t]+[\w.]+[ \t]+)?cimport[ \t]+\w)",
    re.M,
)
_NEWER = re.compile(r"\b(?:def|class)\s+\w+\s*\[|^\s*type\s+\w+|\b[rR]?[fFtT][rR]?['\"]", re.M)
_VISIBLE = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]")
_NEAR = 3  # lines around the error in which the newer form stands
_ADDED_IN = re.compile(r"on Python 3\.\d+ \(syntax was added in Python (3\.\d+)\)")
_NOT_FOR_THAT = re.compile("exception types|reuse outer quote")  # rules have an answer that every Python reads
_LONGEST = 1 << 20  # characters


@dataclass(frozen=True, slots=True)
class Detection:
    """What a text is, instead of a Python file with a slip in it.

    Args:
        kind: what it is.
        line: where that can be seen, from 1.
        words: what to tell a person, with the way out.
        candidates: whole texts that may be meant, the likeliest first.
        sure: whether the first candidate is what anybody would have meant.
        needs: the Python version that it is for, where that is a newer one than this.
    """

    kind: DetectionKind
    line: int
    words: str
    candidates: tuple[str, ...] = ()
    sure: bool = False
    needs: str = ""


def detect(text: str, error: Finding | None = None) -> Detection | None:
    """Return what a text that does not compile is; None where it is a Python file like any other.

    Args:
        text: the text.
        error: the compiler's complaint, if it is known.
    """
    error = error or compile_error(text)
    if error is None or len(text) > _LONGEST:
        return None
    if not _VISIBLE.search(text):
        return Detection("binary data", 1, "nothing in it can be seen: this is not text")
    lines = text.split("\n")
    for look in (_edit_blocks, _conflict, _patch):
        if (found := look(text, lines)) is not None:
            return found
    return _language(text) or _template(text) or for_newer(text, error, unanswered=False)


def _outside(text: str) -> set[int]:
    """The lines (from 0) that begin outside strings."""
    found, number, quoted = {0}, 0, False
    for piece, outside in all_bare(text):
        breaks = piece.text.count("\n")
        quoted = not outside and piece.kind not in ("comment",)
        for _ in range(breaks):
            number += 1
            if not quoted or piece.kind == "comment":
                found.add(number)
    return found


def _blocks(
    text: str, lines: list[str], marks: tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]
) -> list[tuple[int, int, int]]:
    """Where the three marks of each block stand, lines from 0; nothing where they are not all there, or in a string."""
    first, middle, last = marks
    opens = [n for n, line in enumerate(lines) if first.fullmatch(line)]
    if not opens:
        return []
    outside = _outside(text[: sum(len(line) + 1 for line in lines[: opens[0]])])
    if opens[0] not in outside:
        return []
    found: list[tuple[int, int, int]] = []
    for begins in opens:
        split = next((n for n in range(begins + 1, len(lines)) if middle.fullmatch(lines[n])), None)
        ends = next((n for n in range((split or begins) + 1, len(lines)) if last.fullmatch(lines[n])), None)
        if split is not None and ends is not None and (not found or begins > found[-1][2]):
            found.append((begins, split, ends))
    return found


def _conflict(text: str, lines: list[str]) -> Detection | None:
    blocks = _blocks(text, lines, (_OURS, _MIDDLE, _THEIRS))
    if not blocks:
        return None
    sides: list[list[str]] = [[], []]
    at = 0
    for begins, split, ends in blocks:
        base = next((n for n in range(begins, split) if _BASE.fullmatch(lines[n])), split)
        for side, kept in zip(sides, (lines[begins + 1 : base], lines[split + 1 : ends]), strict=True):
            side += [*lines[at:begins], *kept]
        at = ends + 1
    whole = tuple("\n".join([*side, *lines[at:]]) for side in sides)
    places = ", ".join(f"{begins + 1} to {ends + 1}" for begins, _, ends in blocks[:3])
    more = f" and {len(blocks) - 3} more" if len(blocks) > 3 else ""
    words = f"merge conflict, lines {places}{more}: keep one side (--candidates 2 shows both)"
    return Detection("conflict", blocks[0][0] + 1, words, tuple(dict.fromkeys(whole)))


def _edit_blocks(text: str, lines: list[str]) -> Detection | None:
    """Blocks of a chat that say what to search for and what to put there: the file has what was put there."""
    blocks = _blocks(text, lines, (_SEARCH, _DIVIDER, _REPLACE))
    if not blocks:
        return None
    out: list[str] = []
    at = 0
    swaps: list[tuple[str, str]] = []
    for begins, split, ends in blocks:
        named = begins - 1 if begins > at and _FILE.fullmatch(lines[begins - 1].strip()) else begins
        out += lines[at:named]
        old, new = "\n".join(lines[begins + 1 : split]), "\n".join(lines[split + 1 : ends])
        rest = "\n".join([*lines[:begins], *lines[ends + 1 :]])
        if old.strip() and rest.count(old) == 1:
            swaps.append((old, new))  # the edit was left beside the code that it is about
        else:
            out += lines[split + 1 : ends]
        at = ends + 1
    kept = "\n".join([*out, *lines[at:]])
    for old, new in swaps:
        kept = kept.replace(old, new)
    words = f"edit block of a chat, lines {blocks[0][0] + 1} to {blocks[0][2] + 1}"
    return Detection("edit block", blocks[0][0] + 1, words, (kept,), sure=compile_error(kept) is None)


def _patch(text: str, lines: list[str]) -> Detection | None:
    hunks = [n for n, line in enumerate(lines) if _HUNK.fullmatch(line.rstrip("\r"))]
    heads = [n for n, line in enumerate(lines) if _PATCH_HEAD.match(line)]
    plus = [n for n, line in enumerate(lines) if re.match(r"\+(?!\+\+ )", line)]
    minus = [n for n, line in enumerate(lines) if re.match(r"-(?!-- )", line)]
    marked = len(plus) + len(minus)
    first = next((n for n, line in enumerate(lines) if line.strip()), 0)
    if not (hunks or heads[:1] == [first] or (plus and marked > 1)) or not marked:
        return None
    outside = _outside(text)
    if not any(n in outside for n in (*hunks, *plus)):
        return None
    skipped = {n for n in heads if hunks or heads[:1] == [first]} | set(hunks) | set(minus)
    skipped |= {n for n, line in enumerate(lines) if line.startswith(_NO_NEWLINE)}
    candidates = [
        "\n".join(_new_side(line, n in plus, blank) for n, line in enumerate(lines) if n not in skipped)
        for blank in (1, 0)
    ]
    sound = [one for one in candidates if compile_error(one) is None]
    best = sorted(sound, key=_crooked)
    where = (hunks or heads or plus)[0] + 1
    return Detection("patch", where, f"a patch (diff), line {where}", tuple(best[:1]), sure=bool(best))


def _new_side(line: str, added: bool, blank: int) -> str:
    """A line of a patch as the new file has it; ``blank`` is how many spaces stand before an unchanged line."""
    return line[1:] if added or (blank and line[:1] == " ") else line


def _crooked(text: str) -> int:
    """How many lines are indented by no multiple of four."""
    return sum((len(line) - len(line.lstrip(" "))) % 4 > 0 for line in text.split("\n") if line.strip())


def _language(text: str) -> Detection | None:
    for name, pattern in _LANGUAGES:
        if pattern.match(text):
            return Detection("other language", 1, f"this looks like {name}, not Python")
    for line, words in _standing_outside(_CYTHON, text):
        return Detection("other language", line, f"this looks like Cython, line {line} (`{words}`), not Python")
    return None


def _template(text: str) -> Detection | None:
    for line, words in _standing_outside(_TEMPLATE, text):
        return Detection("template", line, f"a template, line {line} (`{words}`): render it first")
    return None


def _standing_outside(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, str]]:
    """Yield what a pattern finds outside strings: its line (from 1) and its first words."""
    for found in pattern.finditer(text):
        start = text.rfind("\n", 0, found.start()) + 1
        end = text.find("\n", found.start())
        line = text[start : end if end >= 0 else len(text)]
        number = text.count("\n", 0, found.start())
        if outside_strings(line)[found.start() - start] and number in _outside(text[:start]):
            yield number + 1, found[0].strip()[:40]


def for_newer(text: str, error: Finding, *, unanswered: bool = True) -> Detection | None:
    """Return whether the text is right for a newer Python than this one; ruff's parser knows them all.

    Args:
        text: what does not compile.
        error: what the compiler says of it.
        unanswered: also tell of forms that rules can write for every Python: none of them did.
    """
    near = text.split("\n")[max(error.line - 1 - _NEAR, 0) : error.line + _NEAR]
    if not _NEWER.search("\n".join(near)):
        return None  # ruff is another process: most slips need not wait for it
    version = f"3.{sys.version_info.minor}"
    versions: list[tuple[int, str, str]] = []
    for line, message in _ruff_syntax(text, version):
        added = _ADDED_IN.search(message)
        if added is None:
            known = [one for one in versions if "type" in one[2]]  # other forms may be slips of the hand
            return _also_broken(known[0], version, line, message) if known else None
        if unanswered or not _NOT_FOR_THAT.search(message):
            versions.append((line, added[1], message))
    if not versions:
        return None
    needs = max((one for _, one, _ in versions), key=lambda one: int(one.split(".")[1]))
    words = f"valid in Python {needs} and newer, this is {version} (line {versions[0][0]}): nothing to repair"
    return Detection("newer Python", versions[0][0], words, needs=needs)


def _also_broken(newer: tuple[int, str, str], version: str, line: int, message: str) -> Detection:
    words = f"needs Python {newer[1]} (line {newer[0]}), this is {version}; line {line}: {message}"
    return Detection("newer Python", line, words, needs=newer[1])


def _ruff_syntax(text: str, version: str) -> Iterator[tuple[int, str]]:
    """Yield (line, message) of ruff's parser for a target version; first those about versions."""
    from ruff import find_ruff_bin

    command = [find_ruff_bin(), "check", "--isolated", "--no-cache", "--exit-zero", "--quiet", "--select", "E9"]
    command += ["--target-version", f"py{version.replace('.', '')}", "--output-format", "concise", "-"]
    try:
        done = subprocess.run(
            command, input=text.encode("utf-8", "surrogatepass"), capture_output=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise GatllmError(f"ruff does not run: {error}", "install ruff") from None
    found = re.findall(r"^-:(\d+):\d+: invalid-syntax: (.*)$", done.stdout.decode("utf-8", "replace"), re.M)
    yield from sorted(((int(line), words) for line, words in found), key=lambda one: not _ADDED_IN.search(one[1]))
