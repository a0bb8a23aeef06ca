"""Stage 1 of a generator that fills gaps in code: a pointer-generator from nothing, beside an n-gram with copy.

    python benchmarks/infilling.py --minutes 30 --seed 1
    python benchmarks/infilling.py --minutes 30 --short-first --gaps 6 --before 64 --after 40    # the changed design

Train on the standard library and installed packages, measure on packages never trained on: how many missing tokens,
expressions and lines are written exactly. Stop rule, fixed before: at least 10 % of lines exact, and more of them than
the n-gram writes. Minutes are those of the processor, one core.

The encoder reads the function with its gaps, its header first; the decoder writes one gap. What it writes is a mixture
of its vocabulary and of copying a lexeme of the source (See et al. 2017); a lexeme out of the vocabulary can be copied.
With ``--short-first`` only tokens are left out in the first third of the time, then expressions too, lines last.
Prints a table and, as the last line, one line of JSON.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import random
import sysconfig
import time
import tokenize
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

HELD_OUT = ("rich", "cyclopts", "httpx", "starlette", "uvicorn", "markdown_it", "jsonschema", "mako", "packaging")
TRAINED = ("networkx", "sympy", "pandas", "sqlalchemy", "matplotlib", "pydantic", "aiohttp", "docutils", "sphinx",
           "sklearn", "scipy", "litellm", "optuna", "mypy", "openai", "babel", "web3", "nltk", "dateutil")  # fmt: skip
KINDS = ("token", "expression", "line")
CONTROLS = ["<pad>", "<end>", *(f"<{kind}>" for kind in KINDS)]
LONGEST = 14  # lexemes of a gap, its end among them
PAD, END, KIND0 = 0, 1, 2
BESIDE = (-2, -1, 1, 2)  # lexemes from the gap's mark
BUCKETS = 1024  # lexemes out of the vocabulary are told apart by a hash
VOCABULARY = 6000


@dataclass(frozen=True)
class Gap:
    """Lexemes ``start`` to ``stop`` of a function are missing."""

    kind: str
    start: int
    stop: int


@dataclass(frozen=True)
class Code:
    """A function as lexemes, the number of its header's, and the gaps that it may have."""

    lexemes: list[str]
    header: int
    gaps: list[Gap]


def modules(part: str) -> Iterator[str]:
    """Yield the source of modules; of packages without their tests."""
    paths = sysconfig.get_paths()
    site = Path(paths["purelib"])
    names = HELD_OUT if part == "held-out" else TRAINED
    folders = [site / name for name in names if (site / name).is_dir()]
    if part != "held-out":
        folders.append(Path(paths["stdlib"]))
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            if {"site-packages", "test", "tests", "idlelib"} & set(file.relative_to(folder).parts):
                continue
            try:
                yield file.read_text("utf-8")
            except (OSError, UnicodeDecodeError):
                continue


def scan(text: str) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the lexemes of a function and where each stands (characters), up to where Python can't read on."""
    begins = list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))
    lexemes: list[str] = []
    spans: list[tuple[int, int]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER):
                word = {tokenize.NEWLINE: "<nl>", tokenize.INDENT: "<in>", tokenize.DEDENT: "<out>"}.get(token.type)
                lexemes.append(word or (token.string if len(token.string) < 60 else "<text>"))
                (row, column), (last, end) = token.start, token.end
                spans.append((begins[row - 1] + column, begins[min(last, len(begins)) - 1] + end))
    except (SyntaxError, tokenize.TokenError):
        pass
    return lexemes, spans


def code_of(text: str) -> Code | None:
    """Return a function's lexemes and gaps; None where it is too short, too long or no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    lexemes, spans = scan(text)
    starts = {start: number for number, (start, _) in enumerate(spans)}
    ends = {end: number + 1 for number, (_, end) in enumerate(spans)}
    node = tree.body[0] if tree.body else None
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not 24 <= len(lexemes) <= 400:
        return None
    header = lexemes.index("<nl>") + 1 if "<nl>" in lexemes else 0
    gaps = [Gap("token", at, at + 1) for at in range(header, len(lexemes)) if lexemes[at][0] not in "<\"'"]
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call | ast.BinOp | ast.Compare | ast.Attribute | ast.Subscript | ast.BoolOp):
            first = starts.get(_place(text, inner.lineno, inner.col_offset))
            last = ends.get(_place(text, inner.end_lineno or 1, inner.end_col_offset or 0))
            if first is not None and last is not None and first >= header and 2 <= last - first <= LONGEST - 2:
                gaps.append(Gap("expression", first, last))
    begin = header
    for at in range(header, len(lexemes)):
        if lexemes[at] == "<nl>":
            first = begin
            while first < at and lexemes[first] in ("<in>", "<out>"):
                first += 1
            if 2 <= at - first <= LONGEST - 2 and "<text>" not in lexemes[first:at] and lexemes[at - 1] != ":":
                gaps.append(Gap("line", first, at))
            begin = at + 1
    return Code(lexemes, header, gaps) if gaps else None


def _place(text: str, line: int, offset: int) -> int:
    """Return the place in characters of an offset in bytes within a line."""
    rows = text.split("\n")
    row = rows[line - 1]
    column = offset if row.isascii() else len(row.encode()[:offset].decode("utf-8", "replace"))
    return sum(len(one) + 1 for one in rows[: line - 1]) + column


def corpus(part: str, most: int) -> list[Code]:
    """Return different functions of a part, drawn evenly from its modules."""
    from gatllm.data import functions

    found: dict[str, Code] = {}
    sources = list(modules(part))
    random.Random(0).shuffle(sources)
    for source in sources:
        for function in functions(source):
            if function.text not in found and (code := code_of(function.text)) is not None:
                found[function.text] = code
        if len(found) >= most:
            break
    return list(found.values())


def kept(part: str, most: int, folder: Path | None) -> list[Code]:
    """Return `corpus`, from a folder where it was kept."""
    if folder is None:
        return corpus(part, most)
    file = folder / f"{part}-{most}.json"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        rows = [(code.lexemes, code.header, [(g.kind, g.start, g.stop) for g in code.gaps])
                for code in corpus(part, most)]  # fmt: skip
        file.write_text(json.dumps(rows))
    return [
        Code(lexemes, header, [Gap(*gap) for gap in gaps]) for lexemes, header, gaps in json.loads(file.read_text())
    ]


@dataclass(frozen=True)
class Design:
    """Most gaps of a function in training, lexemes seen before and after the first, order of kinds, the size."""

    gaps: int
    before: int
    after: int
    short_first: bool
    width: int
    layers: int


def sight(code: Code, gaps: Sequence[Gap], design: Design) -> tuple[list[str], dict[Gap, int]]:
    """Return what the encoder sees: the header, and what lies around the first gap; and where each gap's mark is.

    A mark names the kind of what is missing. Gaps too far from the first are not seen.
    """
    marks = {gap.start: gap for gap in gaps}
    inside = {at for gap in gaps for at in range(gap.start, gap.stop)}
    whole = [at for at in range(len(code.lexemes)) if at in marks or at not in inside]
    middle = whole.index(gaps[0].start)
    first = max(0, middle - design.before)
    header = sum(at < code.header for at in whole)
    seen = (whole[: min(header, first, 24)] if first else []) + whole[first : middle + design.after]
    lexemes = [f"<{marks[at].kind}>" if at in marks else code.lexemes[at] for at in seen]
    return lexemes, {marks[at]: place for place, at in enumerate(seen) if at in marks}


class Filler:
    """Lexemes as ids, the model, and what it makes of both."""

    def __init__(self, words: Sequence[str], design: Design) -> None:
        import torch
        from torch import nn

        from gatllm.models import Seq2SeqConfig, build

        self.torch, self.design = torch, design
        width = design.width
        self.words = [*CONTROLS, *words]
        self.ids = {word: number for number, word in enumerate(self.words)}
        self.size = len(self.words)
        config = Seq2SeqConfig(
            vocabulary=self.size + BUCKETS, context=design.gaps * (LONGEST + 1) + 1,
            source_context=design.before + design.after + 24,
            layers=design.layers, decoder_layers=2, heads=4, width=width,
        )  # fmt: skip
        self.inner: Any = build(config, seed=1)
        # Attention takes thousands of updates to find the gap among a hundred lexemes, and to learn what "beside" is:
        # until then what is written does not depend on where the gap is. So each step of the decoder is told the
        # encoder's state at its gap, and the lexemes beside it as they are.
        here = nn.Linear(width, width, bias=False)
        nn.init.normal_(here.weight, std=0.02 / width**0.5)  # about the size of an embedding
        self.model = nn.ModuleDict(
            {
                "inner": self.inner,
                "here": here,
                "beside": nn.Linear(len(BESIDE) * width, width, bias=False),
                "query": nn.Linear(width, width, bias=False),
                "key": nn.Linear(width, width, bias=False),
                "gate": nn.Linear(width, 1),
            }
        )

    def read(self, lexemes: Sequence[str], known: dict[str, int] | None = None) -> tuple[list[int], list[int]]:
        """Return ids to embed, and ids to copy by: beyond the vocabulary one for each unknown lexeme of ``known``."""
        known = {} if known is None else known
        embedded, copied = [], []
        for lexeme in lexemes:
            number = self.ids.get(lexeme)
            if number is None:
                embedded.append(self.size + sum(lexeme.encode()) * 31 % BUCKETS)
                copied.append(known.setdefault(lexeme, self.size + len(known)))
            else:
                embedded.append(number)
                copied.append(number)
        return embedded, copied

    def mixture(self, source: Any, encoded: Any, padding: Any, target: Any, places: Any) -> tuple[Any, Any, Any]:
        """Return the log-probability of the vocabulary, the copying distribution over the source, and the gate.

        Args:
            source: ids (batch, source tokens).
            encoded: the encoder's states (batch, source tokens, width).
            padding: (batch, source tokens), true at padding.
            target: ids (batch, target tokens).
            places: where in the source the gap of each target token is, (batch, target tokens).
        """
        there = encoded.gather(1, places[..., None].expand(-1, -1, encoded.shape[-1]))
        near = [source.gather(1, (places + by).clamp(0, source.shape[1] - 1)) for by in BESIDE]
        beside = self.torch.cat([self.inner.embedding(ids) for ids in near], -1)
        given = self.inner.embedding(target) + self.model["here"](there) + self.model["beside"](beside)
        states = self.inner.decoder(given, None, encoded, padding)
        words = self.inner.logits(states)[..., : self.size].float().log_softmax(-1)
        scores = self.model["query"](states) @ self.model["key"](encoded).transpose(1, 2) / states.shape[-1] ** 0.5
        scores = scores.masked_fill(padding[:, None, :], float("-inf"))
        return words, scores.float().softmax(-1), self.model["gate"](states).float().sigmoid()[..., 0]

    def loss(self, batch: Sequence[tuple[Code, list[Gap]]]) -> Any:
        """Return the mean cross-entropy of the gaps' lexemes and ends, of those that can be written at all.

        The gaps of a function are one target, one after the other, so that its source is read once.
        """
        sources, copies, targets, wanteds, gaps_at = [], [], [], [], []
        for code, gaps in batch:
            known: dict[str, int] = {}
            lexemes, marks = sight(code, gaps, self.design)
            embedded, copied = self.read(lexemes, known)
            sources.append(embedded)
            copies.append(copied)
            target: list[int] = []
            wanted: list[int] = []
            at: list[int] = []
            beyond = self.size + len(known)
            for gap in gaps:
                if gap in marks:
                    given, ids = self.read(code.lexemes[gap.start : gap.stop], dict(known))
                    target += [self.ids[f"<{gap.kind}>"], *given]
                    wanted += [*(PAD if one >= beyond else one for one in ids), END]
                    at += [marks[gap]] * (len(given) + 1)
            targets.append(target)
            wanteds.append(wanted)
            gaps_at.append(at)
        source, padding = self._square(sources)
        copied_ids, _ = self._square(copies)
        target_ids, _ = self._square(targets)
        wanted_ids, _ = self._square(wanteds)
        places, _ = self._square(gaps_at)
        words, attention, gate = self.mixture(source, self.inner.encode(source, padding), padding, target_ids, places)
        plain = words.gather(-1, wanted_ids.clamp(max=self.size - 1)[..., None])[..., 0].exp() * (
            wanted_ids < self.size
        )
        same = (copied_ids[:, None, :] == wanted_ids[..., None]).float()
        probability = gate * plain + (1 - gate) * (attention * same).sum(-1)
        return -(probability + 1e-7).log()[wanted_ids != PAD].mean()

    def fill(self, code: Code, gap: Gap) -> list[str]:
        """Return the likeliest lexemes for one gap, one after the other; of a token one, as the n-gram."""
        return self.write(code, gap, 1 if gap.kind == "token" else 0)[0]

    def write(self, code: Code, gap: Gap, length: int = 0) -> tuple[list[str], float]:
        """Return what `fill` does, and the mean log-probability of its lexemes and end.

        With a ``length`` it writes so many lexemes, as one who replaces a token or an expression knows what it was.
        """
        torch = self.torch
        known: dict[str, int] = {}
        lexemes, marks = sight(code, [gap], self.design)
        embedded, copied = self.read(lexemes, known)
        names = {number: lexeme for lexeme, number in known.items()}
        source, copies = torch.tensor([embedded]), torch.tensor(copied)
        with torch.inference_mode():
            encoded = self.inner.encode(source, torch.zeros_like(source, dtype=torch.bool))
            written: list[str] = []
            given = [self.ids[f"<{gap.kind}>"]]
            likely = 0.0
            while len(written) < (length or LONGEST):
                scores = self._scores(source, encoded, copies, given, marks[gap], self.size + len(known))
                if length:
                    scores[END] = 0
                best = int(scores.argmax())
                likely += float(scores[best].clamp_min(1e-9).log())
                if best == END:
                    break
                word = names[best] if best >= self.size else self.words[best]
                written.append(word)
                given.append(self.read([word])[0][0])
        return written, likely / (len(written) + 1)

    def instead(self, code: Code, gap: Gap, rng: random.Random) -> str:
        """Draw a lexeme for a token's gap by its probability, any but the one that is missing."""
        torch = self.torch
        known: dict[str, int] = {}
        lexemes, marks = sight(code, [gap], self.design)
        embedded, copied = self.read(lexemes, known)
        (missing,) = self.read(code.lexemes[gap.start : gap.stop], known)[1]
        names = {number: lexeme for lexeme, number in known.items()}
        source, copies = torch.tensor([embedded]), torch.tensor(copied)
        with torch.inference_mode():
            encoded = self.inner.encode(source, torch.zeros_like(source, dtype=torch.bool))
            given = [self.ids[f"<{gap.kind}>"]]
            scores = self._scores(source, encoded, copies, given, marks[gap], self.size + len(known))
        chances = scores.tolist()
        chances[END] = chances[missing] = 0.0
        drawn = rng.choices(range(len(chances)), chances)[0]
        return names[drawn] if drawn >= self.size else self.words[drawn]

    def _scores(self, source: Any, encoded: Any, copies: Any, given: list[int], place: int, count: int) -> Any:
        """Return the probability of each lexeme that may come next, (vocabulary and lexemes to copy: ``count``)."""
        torch = self.torch
        target, padding = torch.tensor([given]), torch.zeros_like(source, dtype=torch.bool)
        words, attention, gate = self.mixture(source, encoded, padding, target, torch.full_like(target, place))
        scores = torch.zeros(count)
        scores[: self.size] = gate[0, -1] * words[0, -1].exp()
        scores.index_add_(0, copies, (1 - gate[0, -1]) * attention[0, -1])
        scores[[PAD, *range(KIND0, KIND0 + len(KINDS))]] = 0
        return scores

    def _square(self, rows: Sequence[Sequence[int]]) -> tuple[Any, Any]:
        longest = max(map(len, rows))
        square = self.torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows])
        lengths = self.torch.tensor([len(row) for row in rows])
        return square, self.torch.arange(longest)[None, :] >= lengths[:, None]


class NGrams:
    """Counts of the training code and of the function itself: the longest context first, its own before others'."""

    def __init__(self, codes: Sequence[Code], order: int = 5) -> None:
        self.order = order
        self.counts: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for code in codes:
            _count(self.counts, code.lexemes, order)

    def fill(self, code: Code, gap: Gap) -> list[str]:
        """Return the likeliest lexemes, until what stands behind the gap comes next."""
        own: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        _count(own, code.lexemes[: gap.start], self.order)
        _count(own, code.lexemes[gap.stop :], self.order)
        behind = code.lexemes[gap.stop] if gap.stop < len(code.lexemes) else "<nl>"
        written = code.lexemes[max(0, gap.start - self.order) : gap.start]
        begin = len(written)
        most = 1 if gap.kind == "token" else LONGEST
        while len(written) - begin < most:
            best = self._next(written, own)
            if best is None or (len(written) > begin and best == behind):
                break
            written.append(best)
        return written[begin:]

    def _next(self, written: Sequence[str], own: dict[tuple[str, ...], Counter[str]]) -> str | None:
        for length in range(self.order - 1, 0, -1):
            context = tuple(written[-length:])
            for counts in (own, self.counts):
                if counts.get(context):
                    return counts[context].most_common(1)[0][0]
        return None


def _count(counts: dict[tuple[str, ...], Counter[str]], lexemes: Sequence[str], order: int) -> None:
    for at in range(1, len(lexemes)):
        for length in range(1, min(order, at + 1)):
            counts[tuple(lexemes[at - length : at])][lexemes[at]] += 1


def drawn(code: Code, rng: random.Random, design: Design, progress: float) -> list[Gap]:
    """Return gaps of one function that don't overlap, each kind as likely as the others."""
    allowed = KINDS[: 1 + int(3 * progress)] if design.short_first else KINDS
    kinds = [kind for kind in allowed if any(gap.kind == kind for gap in code.gaps)] or list(KINDS[:1])
    if not any(gap.kind in kinds for gap in code.gaps):
        return []
    taken: list[Gap] = []
    for _ in range(design.gaps):
        kind = rng.choice(kinds)
        gap = rng.choice([one for one in code.gaps if one.kind == kind])
        near = not taken or -design.before < gap.start - taken[0].start < design.after
        if near and all(gap.stop < one.start or gap.start > one.stop for one in taken):
            taken.append(gap)
    return taken


SAVED = "training.safetensors"
SAVE_EVERY = 3.0  # minutes of the processor


def train(
    filler: Filler, codes: Sequence[Code], minutes: float, seed: int, batch: int, folder: Path | None, tell: Any,
    *, precision: str = "fp32",
) -> tuple[int, float]:  # fmt: skip
    """Train for so many minutes of the processor; return updates and minutes. A folder is gone on with."""
    import torch

    from gatllm.training.optimizer import Optimizer
    from gatllm.training.tables import TrainTable

    table = TrainTable(minutes=minutes, optimizer="muon", lr=2e-3, matrix_lr=0.015, warmup=0.02)
    optimizer = Optimizer(filler.model, table, products=torch.bfloat16 if precision == "bf16" else torch.float32)
    rng = random.Random(seed)
    updates, sums, before = 0, 0.0, 0.0
    if folder is not None and (folder / SAVED).is_file():
        updates, before = restore(filler, optimizer, folder)
        rng = random.Random(f"{seed}/{updates}")
        tell(f"goes on after {updates} updates, {before:.1f} min")
    began, kept = time.process_time(), before
    while (spent := before + (time.process_time() - began) / 60) < minutes:
        progress = spent / minutes
        rows = [
            (code, gaps) for code in rng.choices(codes, k=batch) if (gaps := drawn(code, rng, filler.design, progress))
        ]
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = filler.loss(rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(filler.model.parameters(), 1.0)
        optimizer.set_rates(progress)
        optimizer.step()
        optimizer.zero_grad()
        updates, sums = updates + 1, sums + loss.item()
        if updates % 100 == 0:
            tell(f"{spent:5.1f} min, {updates} updates, loss {sums / 100:.3f}")
            sums = 0.0
        if folder is not None and spent - kept >= SAVE_EVERY:
            save(filler, optimizer, updates, spent, folder)
            kept = spent
    if folder is not None:
        save(filler, optimizer, updates, spent, folder)
    filler.model.eval()
    return updates, spent


def save(filler: Filler, optimizer: Any, updates: int, spent: float, folder: Path) -> None:
    """Write what training goes on from, whole or not at all."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model/{name}": tensor.clone() for name, tensor in filler.model.state_dict().items()}
    tensors |= {f"optimizer/{name}": tensor.clone() for name, tensor in optimizer.tensors().items()}
    notes = {
        "updates": updates,
        "spent": spent,
        "words": filler.words[len(CONTROLS) :],
        "design": asdict(filler.design),
    }
    save_file(tensors, folder / f"{SAVED}.partial", {name: json.dumps(value) for name, value in notes.items()})
    (folder / f"{SAVED}.partial").replace(folder / SAVED)


def opened(folder: Path) -> Filler:
    """Return the generator that `save` wrote, as it was designed."""
    from safetensors import safe_open

    with safe_open(folder / SAVED, "pt") as file:
        notes = file.metadata()
    filler = Filler(json.loads(notes["words"]), Design(**json.loads(notes["design"])))
    restore(filler, None, folder)
    filler.model.eval()
    return filler


def restore(filler: Filler, optimizer: Any, folder: Path) -> tuple[int, float]:
    """Take back what `save` wrote (None for the optimizer: the model alone); return updates and minutes."""
    from safetensors import safe_open

    with safe_open(folder / SAVED, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
        notes = file.metadata()
    parts: dict[str, dict[str, Any]] = {"model": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    filler.model.load_state_dict(parts["model"])
    if optimizer is not None:
        optimizer.load(parts["optimizer"])
    return json.loads(notes["updates"]), json.loads(notes["spent"])


def measure(filler: Filler | NGrams, cases: Sequence[tuple[Code, Gap]]) -> dict[str, list[int]]:
    """Return for each kind the number exactly right and the number asked."""
    found = {kind: [0, 0] for kind in KINDS}
    for code, gap in cases:
        right = filler.fill(code, gap) == code.lexemes[gap.start : gap.stop]
        found[gap.kind][0] += right
        found[gap.kind][1] += 1
    return found


def main() -> None:
    """Train, measure both, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--folder", type=Path, help="where training is kept, so that the same command goes on with it")
    parser.add_argument("--corpus", type=Path, help="folder that keeps the functions, which take a minute to collect")
    parser.add_argument("--short-first", action="store_true")
    parser.add_argument("--gaps", type=int, default=3)
    parser.add_argument("--before", type=int, default=112)
    parser.add_argument("--after", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--functions", type=int, default=30_000)
    parser.add_argument("--cases", type=int, default=400, help="of each kind")
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of products in training")
    options = parser.parse_args()
    began = time.monotonic()

    def tell(text: str) -> None:
        print(text, flush=True)

    codes, held = kept("train", options.functions, options.corpus), kept("held-out", 4000, options.corpus)
    seen = {tuple(code.lexemes) for code in codes}
    held = [code for code in held if tuple(code.lexemes) not in seen]
    words = [word for word, _ in Counter(word for code in codes for word in code.lexemes).most_common(VOCABULARY)]
    tell(f"{len(codes)} functions to train on, {len(held)} held out, {time.monotonic() - began:.0f} s")
    rng = random.Random(7)
    cases = []
    for kind in KINDS:
        with_kind = [code for code in held if any(gap.kind == kind for gap in code.gaps)]
        for code in rng.sample(with_kind, min(options.cases, len(with_kind))):
            cases.append((code, rng.choice([gap for gap in code.gaps if gap.kind == kind])))
    filler = Filler(words, Design(options.gaps, options.before, options.after, options.short_first, options.width,
                                  options.layers))  # fmt: skip
    size = sum(parameter.numel() for parameter in filler.model.parameters())
    grams = measure(NGrams(codes), cases)
    tell(f"n-gram with copy: {grams}; model of {size / 1e6:.1f} million parameters")
    updates, spent = train(filler, codes, options.minutes, options.seed, options.batch, options.folder, tell,
                           precision=options.precision)  # fmt: skip
    found = measure(filler, cases)
    from gatllm.training.fewshot import wilson

    print(f"{'kind':12} {'asked':>6} {'pointer-generator (95 %)':>28} {'n-gram with copy':>18}")
    for kind in KINDS:
        (right, asked), (other, _) = found[kind], grams[kind]
        low, high = wilson(right, asked)
        rate = f"{right / asked:.1%} ({low:.1%} to {high:.1%})"
        print(f"{kind:12} {asked:6} {rate:>28} {other / asked:>18.1%}")
    for code, gap in cases[-6:]:
        wanted = " ".join(code.lexemes[gap.start : gap.stop])
        print(f"  {wanted!r} ← {' '.join(filler.fill(code, gap))!r}")
    print(json.dumps({"updates": updates, "parameters": size, "minutes": spent, "filler": found, "ngram": grams}))


if __name__ == "__main__":
    main()
