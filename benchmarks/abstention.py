"""Learning to say "I do not know": a small model that knows half of a corpus by heart, before and after.

    python benchmarks/abstention.py --known 180 --unknown 240 --steps 300

The corpus are public functions and classes of the standard library: "which module has NAME?". The model (from nothing,
by `TextGeneration`) learns one half and never sees the other. What it knows is found by asking (`training.refusing`),
on two thirds of the first half and half of the second; on the mix of answers and refusals it is trained on. Measured is
on the rest: names that it knew and that were not in the mix, and names that it never saw. Beside it thresholds that may
lose 5 % of the answers. Prints a table and, as the last line, one line of JSON.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import random
import sysconfig
import tempfile
from pathlib import Path
from typing import Any


def names(count: int, seed: int) -> list[tuple[str, str]]:
    """Return questions and answers about names that one module alone has."""
    found: dict[str, set[str]] = {}
    for file in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, set()).add(file.stem)
    single = sorted((name, min(modules)) for name, modules in found.items() if len(modules) == 1)
    chosen = random.Random(seed).sample(single, count)
    return [(f"which module has {name}?", module) for name, module in chosen]


def main() -> None:
    """Learn, find out, teach, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--known", type=int, default=180)
    parser.add_argument("--unknown", type=int, default=240)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, help="where risk over coverage is drawn")
    options = parser.parse_args()
    import torch

    from gatllm.training import Recipe, train
    from gatllm.training.measures import measure, open_subject
    from gatllm.training.measures.questions import learnt_to_refuse
    from gatllm.training.refusing import probe, write_refusals
    from gatllm.training.rewards import Asked, load_reward
    from gatllm.training.text_generation import TextGeneration

    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())
    every = names(options.known + options.unknown, options.seed)
    known, unknown = every[: options.known], every[options.known :]
    first = TextGeneration(known, folder / "first", train__threads=1, train__samples=0).fit()
    assert first.run is not None
    print("learnt", first.run.metrics, flush=True)
    taught = known[: 2 * len(known) // 3] + unknown[: len(unknown) // 2]
    subject = open_subject(str(first.run.path))
    asked = [Asked(question, answer, key=f"names:{number}") for number, (question, answer) in enumerate(taught)]
    probed = probe(
        asked, lambda prompts, n, temperature: [
            [text for text, _ in group] for group in subject.write(prompts, tokens=24, n=n, temperature=temperature)
        ], load_reward("exact"),
    )  # fmt: skip
    mix = write_refusals(probed, folder / "mix", source="names")
    print("probed", {key: mix.manifest.made_with[key] for key in ("known", "unknown", "unsure")}, flush=True)
    recipe = first.run.recipe.to_dict()
    recipe |= {"start": str(first.run.path), "name": "careful", "tokenizer": {"kind": "bpe", "size": 1024}}
    recipe["data"] |= {"source": str(mix.path), "source_tokens": 128, "target_tokens": 64}
    recipe["train"] |= {"steps": options.steps, "lr": 1e-3, "matrix_lr": 0.006, "until": {}, "measure": "loss",
                        "select": "last", "evaluations": 2}  # fmt: skip
    careful = train(Recipe.of(recipe), folder / "careful")
    held = folder / "held-out.json"
    held.write_text(json.dumps(dict(known[2 * len(known) // 3 :] + unknown[len(unknown) // 2 :])))
    later = open_subject(str(careful.path))
    before, after = (measure(f"abstention:{held}", one, limit=10_000) for one in (subject, later))
    gains = learnt_to_refuse(before, after)
    rows: dict[str, Any] = {
        "before": {name: value[0] for name, value in before.numbers.items()},
        "after": {name: value[0] for name, value in after.numbers.items()},
        "as taught": gains,
        "thresholds": thresholds(subject, later, held, options.picture),
    }
    for name, found in [("as taught", gains), *rows["thresholds"].items()]:
        told = {part: f"{value:.1%} ({low:.1%} to {high:.1%})" for part, (value, low, high) in found.items()}
        print(f"{name:24} refused {told.get('refused', '-'):26} lost {told.get('lost', '-')}")
    print(json.dumps(rows))


def thresholds(before: Any, after: Any, held: Path, picture: Path | None) -> dict[str, Any]:
    """Return what a threshold gives that may lose 5 % of the answers, set on one half and judged on the other.

    Answered is what the model before says, by its own probability; by how sure the taught one is that it answers or
    refuses; and by both.
    """
    from gatllm.training.measures.questions import by_threshold
    from gatllm.training.refusing import is_refusal

    pairs = list(json.loads(held.read_text()).items())
    random.Random(5).shuffle(pairs)
    said = [group[0] for group in before.write([question for question, _ in pairs], tokens=48)]
    then = [group[0] for group in after.write([question for question, _ in pairs], tokens=48)]
    right = [text.strip() == answer for (text, _), (_, answer) in zip(said, pairs, strict=True)]
    own = [logprob for _, logprob in said]
    # How sure it is that there is an answer: sure refusals lowest, sure answers highest.
    taught = [-math.exp(logprob) if is_refusal(text) else math.exp(logprob) for text, logprob in then]
    both = [math.exp(one) + other for one, other in zip(own, taught, strict=True)]
    scores = {"threshold before": own, "threshold of the taught": taught, "threshold of both": both}
    if picture is not None:
        draw(scores, right, picture)
    return {name: by_threshold(list(zip(right, found, strict=True))) for name, found in scores.items()}


def draw(scores: dict[str, list[float]], right: list[bool], picture: Path) -> None:
    """Draw the risk at each coverage, one line for each score."""
    from gatllm.figures import new_figure, plain, save

    figure = new_figure(6, 4)
    axes = figure.subplots()
    plain(axes)
    for name, values in scores.items():
        order = sorted(range(len(values)), key=lambda at: -values[at])
        wrong, curve = 0, []
        for count, at in enumerate(order, 1):
            wrong += not right[at]
            curve.append(wrong / count)
        axes.plot([count / len(curve) for count in range(1, len(curve) + 1)], curve, label=name)
    axes.set(xlabel="coverage", ylabel="risk", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False)
    save(figure, picture)


if __name__ == "__main__":
    main()
