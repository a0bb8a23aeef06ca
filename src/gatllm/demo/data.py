"""Step 1: the standard library becomes a positive and a negative dataset."""

from __future__ import annotations

from gatllm.demo.stage import Outcome, Session, Stage

POSITIVE, NEGATIVE = "datasets/stdlib", "datasets/stdlib-broken"
_PAIRS = 20_000


def build_datasets(session: Session, stage: Stage) -> Outcome:
    """Build both datasets, check them against their Merkle roots and tell what was kept and why the rest was not."""
    from gatllm.data import Dataset, build, build_negative

    positive, negative = session.folder(POSITIVE), session.folder(NEGATIVE)
    good = Dataset.open(positive) if positive.exists() else build("stdlib", positive, report=stage.report)
    reasons = sorted(good.manifest.rejected.items(), key=lambda item: -item[1])
    examples = {entry["reasons"][0]["rule"]: entry["reasons"][0]["message"] for entry in good.rejected()}
    stage.say(f"  kept {len(good):,} files; rejected {sum(good.manifest.rejected.values()):,}")
    for rule, count in reasons[:6]:
        stage.say(f"    {count:5,}  {rule:<10} such as: {examples[rule].splitlines()[0][:80]}")
    stage.say(f"    each with its reason in {positive / 'rejected.jsonl'}")
    if negative.exists():
        broken = Dataset.open(negative)
    else:
        seed = session.options.seed
        broken = build_negative(good, negative, limit=_PAIRS, seed=seed, report=stage.report)
    first = next(record for record in broken.records() if record["level"] == 1)
    stage.say(f"  broke {len(broken):,} functions, errors graded 1 to 5; one of level 1, and its correction:")
    stage.diff(first["broken"], first["text"], first["origin"].rpartition(":")[2])
    for dataset in (good, broken):
        dataset.verify()
        stage.say(f"  Merkle root of {dataset.path.name}: {dataset.manifest.merkle_root}")
    return Outcome(
        "done",
        numbers={
            "files kept": len(good),
            "files rejected": sum(good.manifest.rejected.values()),
            "broken pairs": len(broken),
        },
        made={"positive dataset": str(positive), "negative dataset": str(negative)},
    )
