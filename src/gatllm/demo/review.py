"""Step 5: held-out real code is broken, and the discriminator finds and mends it."""

from __future__ import annotations

from random import Random
from typing import Any

from gatllm.demo.stage import Outcome, Session, Stage
from gatllm.progress import Progress

_CASES = 200
_SHOWN = 3


def _held_out(session: Session) -> list[tuple[str, str]]:
    """Origin and text of functions from modules that no training row came from."""
    from gatllm.data import Dataset, functions, split_of

    dataset = Dataset.open(session.folder("datasets/stdlib"))
    return [
        (str(record["origin"]), function.text)
        for record in dataset.records()
        if split_of(str(record["origin"])) == "validation"
        for function in functions(str(record["text"]))
        if 4 < function.text.count("\n") < 80
    ]


def review_code(session: Session, stage: Stage) -> Outcome:
    """Break held-out functions with one error each; show repairs, and the share mended with and without the model."""
    from gatllm.data import FAMILIES, corrupt
    from gatllm.review import Reviewer, same_tree

    rng = Random(session.options.seed)
    families = [name for name, family in FAMILIES.items() if family.syntactic]
    reviewer, alone = Reviewer.load(session.folder("runs/discriminator")), Reviewer()
    pool = _held_out(session)
    counts = {"parses": 0, "mended": 0, "mended by search alone": 0}
    shown = done = 0
    for _ in range(20 * _CASES):
        origin, text = rng.choice(pool)
        made = corrupt(text, rng, 1, families)
        if made is None or not made.syntactic:
            continue
        repair = reviewer.fix(made.broken, seconds=2.0)
        right = same_tree(repair.text, text)
        counts["parses"] += repair.compiles
        counts["mended"] += right
        counts["mended by search alone"] += same_tree(alone.fix(made.broken, seconds=2.0).text, text)
        if right and repair.by == "model" and shown < _SHOWN:
            shown += 1
            review = reviewer.check(made.broken)
            stage.say(f"  {origin}: {made.families[0]}")
            for finding in review.findings[:1]:
                stage.say(f"    the compiler says, line {finding.line}: {finding.message}")
            for suspect in review.suspects[:2]:
                stage.say(f"    the discriminator, line {suspect.line}: {suspect.words} ({suspect.probability:.0%})")
            stage.diff(made.broken, repair.text, origin.rpartition(":")[2])
        done += 1
        stage.report(Progress("mend", done, _CASES, "functions"))
        if done == _CASES:
            break
    if not done:
        return Outcome("failed", why="no held-out function could be broken")
    numbers: dict[str, Any] = {"functions broken": done}
    numbers |= {name: f"{count / done:.1%}" for name, count in counts.items()}
    stage.say(
        f"  of {done} broken functions of modules never trained on, {numbers['mended']} have their syntax tree back"
    )
    alone_share = numbers["mended by search alone"]
    stage.say(f"  ({numbers['parses']} compile again; the search without the model mends {alone_share})")
    return Outcome("done", numbers=numbers)
