"""Edits as coding agents break them, and who puts them right without spending a token.

    python benchmarks/agents.py --packages DIR [--cases 500] [--set tuned|untouched] [--out FILE]

Files of held-out packages (`review_packages.py` fetches them) are broken by this generator, which shares nothing with
the errors that anything was trained on: lost indentation, texts cut off, fences and prose, ``...`` placeholders,
doubled or lost brackets, edit blocks left behind, edits applied a line too far. Each case knows the syntax trees that
may have been meant. Beside `gatllm fix`: the search alone, and a script that strips fences and closes brackets.

Prints a table and one JSON line: the fraction put right (written without asking), wrong (written, and not what was
meant), suggested (the meant text is among three candidates), lines touched that the error did not need, milliseconds.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import statistics
import time
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from review_packages import newest

from gatllm.editor.checking import Source
from gatllm.editor.linting import Linter
from gatllm.editor.repairing import fix_source
from gatllm.review import Reviewer, compile_error, same_tree
from gatllm.review.default import load_reviewer
from gatllm.tokenizers.lexing.lenient import bare

LONGEST, SHORTEST = 400, 12  # lines of a file
PROSE = (
    "Here's the updated file:",
    "I've updated the function as requested. Here is the complete code:",
    "Sure! The fix is below.",
)
AFTER = ("This keeps the old behaviour and adds the check.", "Let me know if you want tests for this.", "")
CLOSES = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Case:
    """A broken text, the texts whose trees may have been meant, and what was done to it."""

    kind: str
    broken: str
    meant: tuple[str, ...]


Breaker = Callable[[str, random.Random], Iterator[tuple[str, tuple[str, ...]]]]


def lost_indentation(text: str, rng: random.Random) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A block that was pasted with another indentation than its place has."""
    lines = text.split("\n")
    blocks = [node.body for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.If | ast.For)]
    blocks = [body for body in blocks if body[0].lineno != _header(body, lines)]
    for body in rng.sample(blocks, min(4, len(blocks))):
        first, last = body[0].lineno - 1, (body[-1].end_lineno or body[-1].lineno) - 1
        if _holds_string_lines(body):
            continue
        indent = len(lines[first]) - len(lines[first].lstrip())
        shift = rng.choice([indent, 4, -4] if indent > 4 else [indent, -4])
        start = first + (rng.random() < 0.3 and last > first)  # the first line at the cursor, the others as they came
        moved = [
            line[shift:] if shift > 0 else " " * -shift + line if line.strip() else line
            for line in lines[start : last + 1]
        ]
        if all(not line[:shift].strip() for line in lines[start : last + 1] if shift > 0):
            yield "\n".join([*lines[:start], *moved, *lines[last + 1 :]]), (text,)


def cut_off(text: str, rng: random.Random) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A text that ends where the tokens ran out: inside brackets, or after the line that opens a block."""
    pieces = list(bare(text))
    depth: list[str] = []
    places: list[tuple[int, str]] = []
    for piece, outside in pieces:
        if not outside:
            continue
        if piece.text in CLOSES:
            depth.append(CLOSES[piece.text])
        elif depth and piece.text == depth[-1]:
            places.append((piece.start, "".join(reversed(depth))))
            depth.pop()
    rng.shuffle(places)
    for at, closing in places[:4]:
        if at > len(text) // 3:
            yield text[:at].rstrip(), (text[:at].rstrip() + closing + "\n",)
    heads = list(re.finditer(r"(?m)^([ ]*)(?:def|class|if|for|while|with)\b[^\n]*:\n", text))
    for found in rng.sample(heads, min(2, len(heads))):
        head = text[: found.end()]
        if found.start() > len(text) // 3:
            yield head, tuple(f"{head}{found[1]}    {body}\n" for body in ("pass", "..."))


def fences(text: str, rng: random.Random) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The code block of an answer with what was said around it."""
    end = text if text.endswith("\n") else f"{text}\n"
    said = f"{rng.choice(PROSE)}\n\n" * (rng.random() < 0.6)
    after = f"\n{rng.choice(AFTER)}\n" * (rng.random() < 0.4)
    yield f"{said}```{rng.choice(['python', 'py', ''])}\n{end}```\n{after}", (text,)
    yield f"{end}```\n", (text,)


def placeholders(text: str, rng: random.Random) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Statements that were not written out."""
    lines = text.split("\n")
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef) and len(n.body) > 2]
    for node in rng.sample(functions, min(3, len(functions))):
        first, last = node.body[1].lineno - 1, (node.body[-2].end_lineno or 0)
        if first <= node.body[0].lineno - 1 or last <= first:
            continue
        indent = " " * node.body[0].col_offset
        word = rng.choice(
            ["... existing code ...", "... rest of the function unchanged ...", "...existing logic here..."]
        )
        without = "\n".join([*lines[:first], *lines[last:]])
        dots = "\n".join([*lines[:first], f"{indent}...", *lines[last:]])
        yield "\n".join([*lines[:first], indent + word, *lines[last:]]), (without, dots)


def brackets(text: str, rng: random.Random) -> Iterator[tuple[str, tuple[str, ...]]]:
    """One bracket twice, or not at all."""
    places = [piece for piece, outside in bare(text) if outside and piece.text in "()[]{}" and len(piece.text) == 1]
    for piece in rng.sample(places, min(4, len(places))):
        twice = rng.random() < 0.5
        yield text[: piece.start] + piece.text * 2 * twice + text[piece.end :], (text,)


def edit_blocks(text: str, rng: random.Random) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A SEARCH/REPLACE block that was written into the file instead of being applied."""
    lines = text.split("\n")
    statements = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Assign | ast.Return | ast.Expr)]
    statements = [n for n in statements if isinstance(n, ast.Assign | ast.Return) and n.value is not None]
    for node in rng.sample(statements, min(2, len(statements))):
        first, last = node.lineno - 1, node.end_lineno or node.lineno
        old = lines[first:last]
        if old[0][: node.col_offset].strip():
            continue
        indent = " " * node.col_offset
        before = [f"{indent}result = None", *old[:1]] if len(old) == 1 else [f"{indent}# before", f"{indent}pass"]
        block = ["<<<<<<< SEARCH", *before, "=======", *old, ">>>>>>> REPLACE"]
        yield "\n".join([*lines[:first], *block, *lines[last:]]), (text,)


def drift(text: str, rng: random.Random) -> Iterator[tuple[str, tuple[str, ...]]]:
    """An edit applied a line too far: a line that is not a statement of its own stands there twice, or is gone."""
    lines = text.split("\n")
    odd = [
        n
        for n, line in enumerate(lines)
        if re.fullmatch(r"\s*(?:[)\]}]+,?|(?:else|try|finally):|(?:def|if|for|with) .*:)", line)
    ]
    for number in rng.sample(odd, min(4, len(odd))):
        gone = lines[number].strip()[:1] in ")]}" and rng.random() < 0.4
        yield "\n".join([*lines[:number], *([] if gone else [lines[number]] * 2), *lines[number + 1 :]]), (text,)


BREAKERS: dict[str, Breaker] = {
    "lost indentation": lost_indentation,
    "cut off": cut_off,
    "fences": fences,
    "placeholders": placeholders,
    "brackets": brackets,
    "edit blocks": edit_blocks,
    "drift": drift,
}


def _header(body: list[ast.stmt], lines: list[str]) -> int:
    return body[0].lineno if lines[body[0].lineno - 1][: body[0].col_offset].strip() else 0


def _holds_string_lines(body: list[ast.stmt]) -> bool:
    """Tell whether moving the lines would change a string."""
    return any(
        isinstance(node, ast.Constant | ast.JoinedStr) and (node.end_lineno or 0) > node.lineno
        for statement in body
        for node in ast.walk(statement)
    )


def files(packages: Path, half: str, rng: random.Random) -> list[str]:
    """Files of the newest wheels, in any order: of the fifteen that were looked at while tuning, or the others."""
    wheels = list(newest("held-out", packages).values())
    wheels = wheels[:15] if half == "tuned" else wheels[15:]
    found = []
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".py"):
                    text = archive.read(name).decode("utf-8", "replace")
                    if SHORTEST <= text.count("\n") <= LONGEST and "\r" not in text and compile_error(text) is None:
                        found.append(text)
    rng.shuffle(found)
    return found


def cases(packages: Path, half: str, count: int, seed: int) -> list[Case]:
    """Return ``count`` cases, the kinds in turn; none compiles, and each text that may have been meant does."""
    rng = random.Random(seed)
    texts = iter(files(packages, half, rng))
    out: list[Case] = []
    kinds = list(BREAKERS)
    while len(out) < count:
        text = next(texts)
        kind = kinds[len(out) % len(kinds)]
        for broken, meant in BREAKERS[kind](text, rng):
            if compile_error(broken) is not None and all(compile_error(one) is None for one in meant):
                out.append(Case(kind, broken, meant))
                break
    return out


Answer = tuple[str, list[str]]  # what would be written, and the other candidates


def fixer(reviewer: Reviewer) -> Callable[[str], Answer]:
    """`gatllm fix` from a warm process, as agents call it."""
    linter = Linter()

    def answer(text: str) -> Answer:
        repaired = fix_source(reviewer, linter, Source("agent.py", text), candidates=3)
        return repaired.text, [one.text for one in repaired.candidates]

    return answer


def trivial(text: str) -> Answer:
    """Strip fences, close what is open at the end."""
    lines = [line for line in text.split("\n") if not line.startswith("```")]
    stripped = "\n".join(lines)
    still: list[str] = []
    for piece, outside in bare(stripped):
        if outside and piece.text in CLOSES:
            still.append(CLOSES[piece.text])
        elif outside and still and piece.text == still[-1]:
            still.pop()
    closed = stripped.rstrip() + "".join(reversed(still)) + "\n" if still else stripped
    return (closed if compile_error(closed) is None else text), []


def same(first: str, meant: tuple[str, ...]) -> bool:
    """Tell whether a text has one of the trees that may have been meant."""
    return any(same_tree(first, one) for one in meant)


def touched(before: str, after: str) -> set[int]:
    """The lines of ``before`` that are changed, or next to which something is put."""
    old, new = before.split("\n"), after.split("\n")
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return {line for tag, first, last, _, _ in codes if tag != "equal" for line in range(first, max(last, first + 1))}


def measure(answer: Callable[[str], Answer], some: list[Case], failures: list[dict[str, object]]) -> dict[str, object]:
    """Let one side answer all cases; what it does not put right is added to ``failures``."""
    right: dict[str, list[bool]] = defaultdict(list)
    wrong = suggested = collateral = lines = 0
    times, processor = [], []
    for case in some:
        start, begun = time.perf_counter(), time.process_time()
        text, others = answer(case.broken)
        times.append(1000 * (time.perf_counter() - start))
        processor.append(1000 * (time.process_time() - begun))
        good = same(text, case.meant)
        right[case.kind].append(good)
        wrong += text != case.broken and not good
        suggested += good or any(same(other, case.meant) for other in others)
        if not good:
            failures.append(
                {"kind": case.kind, "broken": case.broken, "meant": case.meant, "got": text, "others": others}
            )
        if good:
            needed = set().union(*(touched(case.broken, one) for one in case.meant))
            collateral += len(touched(case.broken, text) - needed)
            lines += case.broken.count("\n")
    times.sort()
    processor.sort()
    return {
        "right": sum(sum(one) for one in right.values()) / len(some),
        "wrong": wrong / len(some),
        "suggested": suggested / len(some),
        "collateral_lines": collateral / max(lines, 1),
        "median_ms": statistics.median(times),
        "p95_ms": times[int(0.95 * len(times))],
        "p95_processor_ms": processor[int(0.95 * len(processor))],
        "by_kind": {kind: sum(one) / len(one) for kind, one in right.items()},
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--set", default="untouched", choices=["tuned", "untouched"])
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--out", type=Path, help="write the cases that gatllm did not put right, as JSON lines")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    some = cases(options.packages, options.set, options.cases, options.seed)
    sides: dict[str, Callable[[str], Answer]] = {
        "gatllm fix": fixer(load_reviewer(quick=True)),
        "search alone": fixer(Reviewer()),
        "trivial": trivial,
    }
    for side in sides.values():  # warm
        side("x = (1\n")
    failures: dict[str, list[dict[str, object]]] = {name: [] for name in sides}
    table = {name: measure(side, some, failures[name]) for name, side in sides.items()}
    print(f"{len(some)} edits, {options.set} packages, seed {options.seed}")
    print(f"{'':14}{'right':>7}{'wrong':>7}{'sugg.':>7}{'coll.':>8}{'median':>9}{'p95 ms':>9}  by kind")
    for name, row in table.items():
        kinds = " ".join(f"{kind} {fraction:.0%}" for kind, fraction in row["by_kind"].items())  # type: ignore[attr-defined]
        print(
            f"{name:14}{row['right']:7.1%}{row['wrong']:7.1%}{row['suggested']:7.1%}{row['collateral_lines']:8.2%}"
            f"{row['median_ms']:9.1f}{row['p95_ms']:9.1f}  {kinds}"
        )
    print(json.dumps({"benchmark": "agents", "cases": len(some), "set": options.set, "sides": table}))
    if options.out is not None:
        lines = [json.dumps(one) + "\n" for one in failures["gatllm fix"]]
        options.out.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
