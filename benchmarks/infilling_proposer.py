"""Is the generator that fills gaps (`benchmarks/infilling.py`) of use to the game: its fills as fakes, and as repairs?

    python benchmarks/infilling.py --minutes 30 --short-first --gaps 6 --before 64 --after 40 --folder runs/infilling
    python benchmarks/infilling_proposer.py --folder runs/infilling

On packages that it was never trained on. *Fakes*: a token or an expression of a function is replaced by its fill, by
the n-gram's, or by another lexeme of the function; how well the shipped discriminator tells each from the untouched
functions (AUROC; the lower, the harder the fakes). *Repairs*: a function gets one error against the grammar; the
discriminator's map says where, the generator fills there, and the likeliest fill that compiles is its proposal. How
often that has the tree of the original, beside `gatllm fix`, all candidates of `gatllm fix`, and both pools together.
*Pretrained models* (``--peers 40``; ``--only-peers``: nothing else): the same gaps, with what lies as far around them,
filled by Qwen2.5-Coder-0.5B between its control tokens for prefix, suffix and middle, and by SmolLM2-135M, which has
none and continues the text before the gap. They don't end where the gap does: of what anyone writes as many lexemes
count as were left out.
Prints a table and, as the last line, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infilling import KINDS, Code, Design, Filler, Gap, NGrams, code_of, kept, modules, opened, scan

PLACES = 3  # of the discriminator's map


@dataclass(frozen=True)
class Placed:
    """A function as text, as lexemes, and where each lexeme stands (start, end)."""

    text: str
    code: Code
    spans: list[tuple[int, int]]


def placed(text: str) -> Placed | None:
    """Return a whole function with its places; None where it is too short, too long or no Python."""
    code = code_of(text)
    return Placed(text, code, scan(text)[1]) if code else None


def spelt(lexemes: Sequence[str]) -> str:
    """Return lexemes as people space them."""
    text = ""
    for lexeme in lexemes:
        glued = not text or text[-1] in "([{." or lexeme in ")]},:." or (lexeme in "([" and (text[-1].isalnum() or text[-1] in "_)]"))  # fmt: skip  # noqa: E501
        text += lexeme if glued else f" {lexeme}"
    return text


def writable(fill: Sequence[str]) -> bool:
    """Tell whether a fill can stand within a line."""
    return bool(fill) and not any(one.startswith("<") and len(one) > 2 for one in fill)


def auroc(real: Sequence[float], fake: Sequence[float]) -> float:
    """Return how often a fake gets the higher value than something real, ties counted half."""
    ordered = sorted(real)
    total = 0.0
    for value in fake:
        low = bisect_left(ordered, value)
        same = bisect_left(ordered, value + 1e-12) - low
        total += low + same / 2
    return total / (len(real) * len(fake))


def fakes(functions: Sequence[Placed], makers: dict[str, Any], reviewer: Any, seed: int) -> dict[str, Any]:
    """Return, for each maker of fakes, how many it made and the discriminator's AUROC."""
    from gatllm.review import compile_error, same_tree

    rng = random.Random(seed)
    real = [p for one in functions if (p := reviewer.check(one.text).probability) is not None]
    gaps = [rng.choice([gap for gap in one.code.gaps if gap.kind != "line"] or one.code.gaps) for one in functions]
    found: dict[str, Any] = {}
    for name, fill in makers.items():
        values = []
        for one, gap in zip(functions, gaps, strict=True):
            wrote = fill(one.code, gap)
            if not writable(wrote):
                continue
            first, last = one.spans[gap.start][0], one.spans[gap.stop - 1][1]
            text = one.text[:first] + spelt(wrote) + one.text[last:]
            review = reviewer.check(text)
            if compile_error(text) is None and review.probability is not None and not same_tree(text, one.text):
                values.append(review.probability)
        found[name] = {"fakes": len(values), "auroc": auroc(real, values) if values else None}
    return found


def proposals(filler: Filler, reviewer: Any, broken: str) -> list[tuple[float, str]]:
    """Return texts that compile, each with the mean log-probability of its fill, the likeliest first."""
    from gatllm.review import compile_error

    lexemes, spans = scan(broken)
    if not lexemes:
        return []
    header = lexemes.index("<nl>") + 1 if "<nl>" in lexemes else 0
    found: dict[str, float] = {}
    for start, end, _ in reviewer.localise(broken, PLACES):
        inside = [at for at, (first, last) in enumerate(spans) if first < end and last > start]
        at = inside[0] if inside else next((at for at, (first, _) in enumerate(spans) if first >= start), len(spans))
        tries = []
        for number in (at, inside[-1] + 1 if inside else at + 1):  # something is missing before or behind the place
            if number <= len(spans):
                here = spans[number][0] if number < len(spans) else spans[-1][1]
                row = [*lexemes[:number], "<text>", *lexemes[number:]]
                tries.append((row, Gap("token", number, number + 1), (here, here)))
        if inside:  # what stands there is wrong
            whole = (spans[inside[0]][0], spans[inside[-1]][1])
            tries.append((lexemes, Gap("token", inside[0], inside[-1] + 1), whole))
        for row, gap, (first, last) in tries:
            wrote, likely = filler.write(Code(row, header, [gap]), gap, gap.stop - gap.start)
            if writable(wrote):
                text = f"{broken[:first]}{spelt(wrote)}{' ' if first == last else ''}{broken[last:]}"
                if compile_error(text) is None:
                    found[text] = max(likely, found.get(text, likely))
    return sorted(((likely, text) for text, likely in found.items()), reverse=True)


def repairs(functions: Sequence[Placed], filler: Filler, reviewer: Any, seed: int) -> dict[str, int]:
    """Return how many errors were made, and how many of them each pool repairs."""
    from gatllm.data import corrupt
    from gatllm.review import compile_error, same_tree

    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    for one in functions:
        made = corrupt(one.text, rng, 1)
        if made is None or compile_error(made.broken) is None:
            continue
        counts["broken"] += 1
        repair = reviewer.fix(made.broken, candidates=4)
        pool = [candidate.text for candidate in repair.candidates]
        own = [text for _, text in proposals(filler, reviewer, made.broken)]
        fixed = repair.changed and same_tree(repair.text, one.text)
        inside = any(same_tree(text, one.text) for text in pool)
        filled = [same_tree(text, one.text) for text in own]
        counts["fix"] += fixed
        counts["fix, any of four"] += inside
        counts["generator, first"] += bool(filled) and filled[0]
        counts["generator, any"] += any(filled)
        counts["right only with the generator"] += any(filled) and not inside
        counts["fix changes nothing, generator's first is right"] += not repair.changed and bool(filled) and filled[0]
        counts["fix changes nothing, generator's first is wrong"] += (
            not repair.changed and bool(filled) and not filled[0]
        )
    return dict(counts)


def continued(lm: Any, tokens: Sequence[int], most: int) -> str:
    """Return what a pretrained model writes after some ids, greedily, up to its end or a control token."""
    from gatllm.models import ChatOptions
    from gatllm.models.decoding import Decoder

    decoder = Decoder(lm.model, [list(tokens)], ChatOptions(most), 0)
    written: list[int] = []
    while len(written) < most:
        ((token, _),) = decoder.step().values()
        if lm.is_end(token) or token in lm.tokenizer.added_tokens_decoder:
            break
        written.append(token)
    text: str = lm.tokenizer.decode(written, skip_special_tokens=True)
    return text


def in_the_middle(lm: Any, one: Placed, gap: Gap, design: Design) -> list[str]:
    """Return the lexemes that a pretrained model puts into a gap, as many as were left out.

    It sees the header and as much around the gap as the generator.
    """
    first, last = one.spans[gap.start][0], one.spans[gap.stop - 1][1]
    begin = one.spans[max(0, gap.start - design.before)][0]
    end = one.spans[min(len(one.spans), gap.stop + design.after) - 1][1]
    header = one.spans[min(one.code.header, gap.start)][0]
    head = one.text[:header].rstrip() + "\n" if begin >= header else one.text[:begin]
    before, after = lm.encode((head + one.text[begin:first]).rstrip(" ")), lm.encode(one.text[last:end])
    length = gap.stop - gap.start
    marks = [lm.tokenizer.convert_tokens_to_ids(f"<|fim_{name}|>") for name in ("prefix", "suffix", "middle")]
    known = lm.tokenizer.get_vocab()
    if "<|fim_middle|>" in known:
        before = [marks[0], *before, marks[1], *after, marks[2]]
    wrote = scan(continued(lm, before, 3 * length + 3).strip())[0]
    return [word for word in wrote if word not in ("<nl>", "<in>", "<out>")][:length]


def peers(held: Sequence[Placed], filler: Filler, grams: NGrams, count: int, seed: int) -> dict[str, dict[str, int]]:
    """Return for each model and kind of gap how many of ``count`` gaps are filled exactly."""
    from gatllm.models.pretrained import PretrainedLM

    rng = random.Random(seed)
    cases = []
    for kind in KINDS:
        some = [one for one in held if any(gap.kind == kind for gap in one.code.gaps)]
        for one in rng.sample(some, min(count, len(some))):
            cases.append((one, rng.choice([gap for gap in one.code.gaps if gap.kind == kind])))
    found = {"generator": Counter[str](), "generator, length told": Counter[str](), "n-gram": Counter[str]()}
    for one, gap in cases:
        wanted = one.code.lexemes[gap.start : gap.stop]
        found["generator"][gap.kind] += filler.fill(one.code, gap) == wanted
        found["generator, length told"][gap.kind] += filler.write(one.code, gap, len(wanted))[0] == wanted
        found["n-gram"][gap.kind] += grams.fill(one.code, gap)[: len(wanted)] == wanted
    for name, small in (("SmolLM2-135M", True), ("Qwen2.5-Coder-0.5B", False)):
        lm = PretrainedLM.load(None, small=small, dtype="int8")
        found[name] = Counter()
        for one, gap in cases:
            wrote = in_the_middle(lm, one, gap, filler.design)
            found[name][gap.kind] += wrote == one.code.lexemes[gap.start : gap.stop]
        print(f"{name:20} {dict(found[name])}", flush=True)
    return {name: dict(counts) for name, counts in found.items()}


def tell(filled: dict[str, dict[str, int]], count: int) -> None:
    """Print how many gaps each filled exactly."""
    for name, counts in filled.items():
        print(f"{name:24} of {count} each: {', '.join(f'{kind} {counts.get(kind, 0)}' for kind in KINDS)}")


def main() -> None:
    """Restore the generator, make fakes, propose repairs, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of `benchmarks/infilling.py`")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--functions", type=int, default=30_000, help="that the n-gram counts, as it was trained")
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--peers", type=int, default=0, help="gaps of each kind that pretrained models fill as well")
    parser.add_argument("--only-peers", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    import torch

    from gatllm.data import functions
    from gatllm.review.default import load_reviewer

    torch.set_num_threads(1)
    began = time.process_time()
    codes = kept("train", options.functions, options.corpus)
    filler = opened(options.folder)
    rng = random.Random(options.seed)
    sources = list(modules("held-out"))
    rng.shuffle(sources)
    held: list[Placed] = []
    for source in sources:
        held += [one for text in functions(source) if (one := placed(text.text)) is not None]
        if len(held) >= 4 * options.cases:
            break
    held = rng.sample(held, min(options.cases, len(held)))
    grams = NGrams(codes)
    if options.only_peers:
        tell(peers(held, filler, grams, options.peers, options.seed), options.peers)
        return
    reviewer = load_reviewer()

    def other(code: Code, gap: Gap) -> list[str]:
        return [rng.choice([lexeme for lexeme in code.lexemes[code.header :] if lexeme[0] not in "<\"'"])]

    def own(code: Code, gap: Gap) -> list[str]:
        return filler.write(code, gap, gap.stop - gap.start)[0]

    made = fakes(held, {"generator": own, "n-gram": grams.fill, "another lexeme": other}, reviewer, options.seed)
    print(f"{len(held)} functions of packages never trained on")
    for name, one in made.items():
        print(f"{name:16} {one['fakes']:4} fakes, AUROC of the discriminator {one['auroc'] or 0:.3f}")
    pooled = repairs(held, filler, reviewer, options.seed)
    for name, count in pooled.items():
        print(f"{name:48} {count:4}")
    filled = peers(held, filler, grams, options.peers, options.seed) if options.peers else {}
    tell(filled, options.peers)
    print(f"{time.process_time() - began:.0f} s of the processor")
    print(json.dumps({"fakes": made, "repairs": pooled, "exact": filled}))


if __name__ == "__main__":
    main()
