"""The page that rounds are judged by: a table, curves, and who tells whose samples."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gatllm.adversarial.standing import Standing
from gatllm.figures import SERIES, markdown_table, new_figure, plain, save
from gatllm.records import new_folder
from gatllm.training.fewshot import wilson

FOLDER = "report"
Value = float | None
_DEMONSTRATION = (
    "The generator is a small model trained from nothing: what it writes shows how the rounds go and is not usable "
    "code. Answers to people come from a pretrained model."
)

COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("repaired", "repaired", "%"),
    ("AUROC meaning", "auroc", ""),
    ("AUROC replaced", "auroc_replaced", ""),
    ("false alarms", "false_alarms", "%"),
    ("AUROC samples", "auroc_samples", ""),
    ("AUROC first samples", "auroc_first", ""),
    ("first judge's AUROC", "auroc_start", ""),
    ("parse", "samples_parse", "%"),
    ("compile", "samples_compile", "%"),
    ("clean", "samples_clean", "%"),
    ("held-out loss", "loss", ""),
    ("distinct", "distinct", ""),
    ("tokens", "length", "n"),
    ("mined AUROC", "real_auroc", ""),
    ("mined repaired", "real_repaired", "%"),
)


MEANINGS = {
    "repaired": "fraction of held-out grammar errors whose syntax tree came back",
    "auroc": "how well held-out errors of meaning are told from untouched code (0.5: not at all, 1: always)",
    "auroc_replaced": "the same for tokens that the first generator put in the place of others",
    "false_alarms": "fraction of untouched code that is called broken",
    "auroc_samples": "how well what this round's generator writes is told from people's code",
    "auroc_first": "the same for what the first generator wrote",
    "auroc_start": "how well the first discriminator tells this round's samples: lower, the more real they look to it",
    "samples_parse": "fraction of the generator's samples that parse",
    "samples_compile": "fraction that compile",
    "samples_clean": "fraction in which the linter finds no mistake",
    "loss": "the generator's cross-entropy on people's code, in nats per token",
    "distinct": "fraction of different runs of four tokens in the samples: low, when it repeats itself",
    "length": "mean number of tokens of a sample",
    "real_auroc": "AUROC on mistakes that people made, mined from histories",
    "real_repaired": "fraction of these that are repaired",
}


def rows(standings: Sequence[Standing]) -> tuple[list[str], list[list[str]]]:
    """Return the table of the standings: names of the columns that were measured, and a row for each."""
    used = [column for column in COLUMNS if any(getattr(one, column[1]) is not None for one in standings)]
    table = [[_name(one), *(_text(getattr(one, name), kind) for _, name, kind in used)] for one in standings]
    return ["round", *(title for title, _, _ in used)], table


def _name(standing: Standing) -> str:
    mark = "" if standing.kept else " (generator put back)"
    return f"{standing.round if standing.phase == 'round' else standing.phase}{mark}"


def _text(value: Value, kind: str) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if kind == "%" else f"{value:.0f}" if kind == "n" else f"{value:.3f}"


def write_page(
    out: Path,
    standings: Sequence[Standing],
    entries: Sequence[Mapping[str, Any]],
    samples: Mapping[int, Sequence[Mapping[str, Any]]],
    untouched: int = 0,
) -> Path:
    """Write (or renew) the report of rounds and return its page.

    ``samples`` is what each round's generator wrote, ``untouched`` how many functions false alarms were counted on.
    """
    with new_folder(out / FOLDER, replace=True) as folder:
        _draw(standings, folder / "rounds.png")
        (folder / "rounds.json").write_text(
            json.dumps([one.as_dict() for one in standings], indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
        (folder / "report.md").write_text(_page(standings, entries, samples, untouched), encoding="utf-8")
    return out / FOLDER / "report.md"


def _page(
    standings: Sequence[Standing],
    entries: Sequence[Mapping[str, Any]],
    samples: Mapping[int, Sequence[Mapping[str, Any]]],
    untouched: int,
) -> str:
    names, table = rows(standings)
    parts = [
        "# Adversarial rounds",
        "Both sides on a fixed held-out set. Round 0 is before the first. *First samples*: what the first generator "
        "wrote; *first judge*: the discriminator that the rounds began with, on this round's samples (lower: they look "
        "more real to it).",
        markdown_table(names, table),
        _meanings(standings),
        _alarms(standings, untouched),
        _intervals(standings, samples),
        "![Both sides over the rounds](rounds.png)",
        _written(samples),
        _course(entries),
        _crossed(entries),
        _missed(standings),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _meanings(standings: Sequence[Standing]) -> str:
    """Say what the columns that were measured mean."""
    lines = [
        f"- *{title}*: {MEANINGS[name]}"
        for title, name, _ in COLUMNS
        if any(getattr(one, name) is not None for one in standings)
    ]
    return "\n".join(lines)


def _alarms(standings: Sequence[Standing], untouched: int) -> str:
    """Return the false alarms with their 95 % intervals."""
    if not untouched:
        return ""
    table = []
    for one in standings:
        low, high = wilson(round(one.false_alarms * untouched), untouched)
        table.append([_name(one), f"{one.false_alarms:.1%} ({low:.1%} to {high:.1%})"])
    heading = f"## False alarms on {untouched} untouched functions, with 95 % intervals\n\n"
    return heading + markdown_table(["round", "false alarms"], table)


def _intervals(standings: Sequence[Standing], samples: Mapping[int, Sequence[Mapping[str, Any]]]) -> str:
    """Return the fractions of the generator's samples with their 95 % intervals: few samples say little."""
    fractions = ("samples_parse", "samples_compile", "samples_clean")
    table = []
    for one in standings:
        count = len(samples.get(one.round, ())) if one.phase == "round" else 0
        if not count or one.samples_parse is None:
            continue
        cells = []
        for name in fractions:
            fraction = getattr(one, name) or 0.0
            low, high = wilson(round(fraction * count), count)
            cells.append(f"{fraction:.1%} ({low:.0%} to {high:.0%})")
        table.append([_name(one), str(count), *cells])
    if not table:
        return ""
    return "## Samples, with 95 % intervals\n\n" + markdown_table(
        ["round", "samples", "parse", "compile", "clean"], table
    )


def _written(samples: Mapping[int, Sequence[Mapping[str, Any]]]) -> str:
    """Return what the first and the last generator wrote to the same prompt."""
    wanted = sorted({min(samples), max(samples)}) if samples else []
    parts = [
        f"Round {number}:\n\n````python\n{samples[number][0]['text']}\n````" for number in wanted if samples[number]
    ]
    return f"## What it writes\n\n{_DEMONSTRATION}\n\n" + "\n\n".join(parts) if parts else ""


def _course(entries: Sequence[Mapping[str, Any]]) -> str:
    course = [entry for entry in entries if entry["event"] == "course"]
    if not course:
        return ""
    rewards = {entry["round"]: entry["rewarded"] for entry in entries if entry["event"] == "reward"}
    table = []
    for entry in course:
        broken, reward = entry["errors"], rewards.get(entry["round"], {})
        table.append(
            [
                str(entry["round"]),
                f"{broken['drafted']} / {broken['counted']} / {broken['records']}",
                str(entry.get("fakes", {}).get("records", "")),
                f"{entry['accused']['alarms']} of {entry['accused']['judged']}",
                f"{reward['chosen']} of {reward['answers']}" if reward else "",
            ]
        )
    names = ["round", "errors drafted / that count / kept", "fakes", "falsely accused", "answers rewarded"]
    return "## What was played\n\n" + markdown_table(names, table)


def _crossed(entries: Sequence[Mapping[str, Any]]) -> str:
    last = next((entry for entry in reversed(entries) if entry["event"] == "cross"), None)
    if last is None:
        return ""
    names = ["discriminator of round", *(f"samples {number}" for number in range(len(last["auroc"])))]
    table = [[str(number), *(_text(value, "") for value in row)] for number, row in enumerate(last["auroc"])]
    return "## Who tells whose samples (AUROC)\n\n" + markdown_table(names, table)


def _missed(standings: Sequence[Standing]) -> str:
    families = sorted({name for one in standings for name in one.missed})
    table = [[name, *(_text(one.missed.get(name), "%") for one in standings)] for name in families]
    return "## Missed, by kind of error\n\n" + markdown_table(["kind", *(_name(one) for one in standings)], table)


def _draw(standings: Sequence[Standing], target: Path) -> None:
    figure = new_figure(11, 10)
    # One quantity a panel: lines on different scales in one picture seem to meet where they have nothing in common.
    panels = (
        ("discriminator: AUROC", ("auroc", "auroc_replaced", "auroc_samples", "auroc_first")),
        ("discriminator: fraction of errors repaired", ("repaired",)),
        ("discriminator: fraction of false alarms", ("false_alarms",)),
        ("generator: fraction of its samples", ("samples_parse", "samples_compile", "samples_clean")),
        ("generator: held-out loss, nats per token", ("loss",)),
        ("generator: fraction of distinct 4-grams", ("distinct",)),
    )
    for axes, (title, names) in zip(figure.subplots(3, 2).flat, panels, strict=True):
        _panel(axes, title, names, standings)
    save(figure, target)


def _panel(axes: Any, title: str, names: Sequence[str], standings: Sequence[Standing]) -> None:
    played = [one for one in standings if one.phase == "round"]
    read: Callable[[str], list[tuple[int, float]]] = lambda name: [  # noqa: E731
        (one.round, getattr(one, name)) for one in played if getattr(one, name) is not None
    ]
    drawn = False
    for colour, name in zip(SERIES, names, strict=False):
        points = read(name)
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, marker="o", ms=4, label=name.replace("_", " "))
            drawn = True
    axes.set(title=title, xlabel="round")
    axes.set_xticks([one.round for one in played])
    plain(axes)
    if drawn and len(names) > 1:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")  # beside the lines
