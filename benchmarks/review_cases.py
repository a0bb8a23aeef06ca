"""What the reviewer is measured on: whole code of packages that nothing was trained on, and the same code broken."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from review_packages import newest

from gatllm.data import FAMILIES, Dataset, corrupt, functions, open_source
from gatllm.data.code import Code as Analysed
from gatllm.data.code import Edit, analyse, apply, choose
from gatllm.data.families.syntactic import misspell
from gatllm.data.functions import parse
from gatllm.data.mining.filters import wrong_path
from gatllm.data.verdicts.verdict import decode
from gatllm.records import digest
from gatllm.review.critics import compile_error
from gatllm.review.tags import BRACKETS, OPERATORS, TAG_IDS, WORDS, Tag
from gatllm.tokenizers.lexing.lenient import lexemes

# Installed with gatllm and left out of every training set, but looked at while the reviewer was tuned.
TUNED = (
    *("rich", "jinja2", "fastapi", "starlette", "anyio", "httpx", "h11", "markdown-it-py", "networkx", "uvicorn"),
    *("cyclopts", "websockets", "httpcore", "import-linter", "prometheus_client"),
)
# The slips below measure the other two.
SYNTACTIC = [name for name, family in FAMILIES.items() if family.syntactic and name not in ("stray", "exchanged")]
SEMANTIC = [name for name, family in FAMILIES.items() if not family.syntactic]
SIZES = {"1": (1,), "2": (3,), "3-5": (4, 5)}  # errors: levels of corruption
SLIP = "slip"
_SLIPS = ("deleted", "added", "replaced", "typo", "indent")
_MARKS = (*BRACKETS, *OPERATORS, *WORDS)


@dataclass(frozen=True)
class Case:
    """Broken code, the original, how many errors, of which families, whether what was lost can be known."""

    broken: str
    text: str
    errors: int
    families: tuple[str, ...]
    knowable: bool


@dataclass
class Code:
    """Whole code: ``packages`` it is of, functions of 4 to 150 lines, modules of 20 to 1,500 lines (name, text)."""

    packages: list[str]
    functions: list[str]
    modules: list[list[str]]


def read(which: str, folder: Path, against: Path | None) -> Code:
    """Read the code of the ``held-out`` packages (wheels below ``folder``) or of the ``tuned`` ones (installed).

    What also stands in the dataset ``against`` (that which was trained on) is left out.
    """
    sources = {name: str(path) for name, path in newest("held-out", folder).items()}
    if which == "tuned":
        sources = {name: f"dist:{name}" for name in TUNED}
    if not sources:
        raise SystemExit(
            f"no wheels in {folder / 'held-out'}: run `python benchmarks/review_packages.py {folder}` first"
        )
    root = Dataset.open(against).manifest.merkle_root if against is not None else ""
    cache = folder / f"code-{digest([which, sources, root, platform.python_version()])[:12]}.json"
    if cache.is_file():  # reading thirty packages takes a minute
        return Code(**json.loads(cache.read_text(encoding="utf-8")))
    code = _read(sources, _known(against) if against is not None else frozenset())
    if folder.is_dir():
        cache.write_text(json.dumps(asdict(code)), encoding="utf-8")
    return code


def _read(sources: dict[str, str], known: frozenset[str]) -> Code:
    found: dict[str, None] = {}
    modules: dict[str, str] = {}
    for name, source in sorted(sources.items()):
        try:
            files = list(open_source(source))
        except Exception as error:  # a package that is not installed here
            print(f"left out: {error}", file=sys.stderr)
            continue
        for file in files:
            origin = file.origin.rpartition(":")[2]
            if wrong_path(origin) or file.problem is not None or (text := _text(file.read())) is None:
                continue
            if 20 <= text.count("\n") <= 1500 and text not in known:
                modules.setdefault(text, f"{name}:{origin}")
            found |= {f.text: None for f in functions(text) if 4 <= f.text.count("\n") <= 150 and f.text not in known}
    return Code(sorted(sources), list(found), [[name, text] for text, name in modules.items()])


def _text(data: bytes) -> str | None:
    try:
        text = decode(data)
    except (SyntaxError, ValueError, LookupError):
        return None
    return text if parse(text) is not None else None


def _known(folder: Path) -> frozenset[str]:
    texts: set[str] = set()
    for record in Dataset.open(folder).records():
        texts.add(record["text"])
        texts |= {one.text for one in functions(record["text"])}
    return frozenset(texts)


def _knowable(edits: tuple[tuple[int, int, str], ...], broken: str) -> bool:
    for start, end, lost in edits:
        for piece in lexemes(lost):
            sayable = piece.kind in ("space", "line", "joined") or Tag("insert", piece.text) in TAG_IDS
            moved = piece.text in broken[max(start - 40, 0) : end + 40]
            if not sayable and not (end > start and moved) and not (end > start and len(lost) < 12):
                return False
    return True


def cases(pool: list[str], count: int, errors: str, seed: str) -> list[Case]:
    """``count`` broken texts; ``errors`` is 1, 2, 3-5 or a slip. The same pool and seed give the same cases."""
    rng = Random(seed)
    if errors == SLIP:
        return slips(pool, count, rng)
    out: list[Case] = []
    while len(out) < count:
        text = rng.choice(pool)
        made = corrupt(text, rng, rng.choice(SIZES[errors]), SYNTACTIC)
        if made is None or not made.syntactic or len(made.families) > 5:
            continue
        knowable = _knowable(made.edits, made.broken)
        out.append(Case(made.broken, text, len(made.families), made.families, knowable))
    return out


def slips(pool: list[str], count: int, rng: Random) -> list[Case]:
    """Texts with one slip that a mark or a word can undo: the mix on which the edit tagger of the notes was measured.

    A mark or keyword deleted, added after any token, or put in place of another; a keyword misspelt; a line shifted.
    """
    out: list[Case] = []
    while len(out) < count:
        text, kind = rng.choice(pool), rng.choice(_SLIPS)
        edit = _slip(analyse(text), kind, rng)
        broken = text if edit is None else apply(text, [edit])
        if compile_error(broken) is not None:
            out.append(Case(broken, text, 1, (kind,), knowable=True))
    return out


def _slip(code: Analysed, kind: str, rng: Random) -> Edit | None:
    if kind == "indent":
        line = choose(rng, code.code_lines[1:])
        if line is None:
            return None
        deeper = rng.random() < 0.5 or not code.text.startswith("    ", line[0])
        return Edit(line[0], line[0] + (0 if deeper else 4), " " * 4 if deeper else "")
    known = code.solid if kind == "added" else [code.solid[at] for at in code.where(*_MARKS)]
    if kind == "typo":
        known = [code.solid[at] for at in code.by_kind.get("keyword", [])]
    token = choose(rng, known)
    if token is None:
        return None
    if kind == "deleted":
        return Edit(token.start, token.end, "")
    if kind == "typo":
        return Edit(token.start, token.end, misspell(token.text, rng))
    mark = rng.choice([mark for mark in _MARKS if mark != token.text])
    return Edit(token.end, token.end, f" {mark} ") if kind == "added" else Edit(token.start, token.end, mark)
