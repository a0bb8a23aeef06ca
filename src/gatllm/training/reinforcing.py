"""Reinforcement in rounds: a model answers, its answers are judged, it learns from them; each round a run of its own.

The answers of a round are a dataset with every verdict in it, and the round's run commits to that dataset's root: what
was learnt, and why it was thought worth learning, is part of the proof of the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from gatllm.data import Dataset, DatasetWriter
from gatllm.errors import GatllmError, UsageError
from gatllm.models import choose_device, load_run, weights_root
from gatllm.models.tuned import KIND, build_tuned, is_tuned, read_tuned
from gatllm.progress import Progress, Report, silent
from gatllm.records import HashLog, new_folder, read_log, sha256
from gatllm.training.allocator import give_back_memory
from gatllm.training.objectives.answers import Written
from gatllm.training.objectives.data_tables import PolicyTable
from gatllm.training.objectives.policy import RIGHT, Policy, prepare
from gatllm.training.objectives.questions import load_questions
from gatllm.training.recipe import Recipe
from gatllm.training.rewards import Asked, Judged
from gatllm.training.run import Run
from gatllm.training.seeds import derive
from gatllm.training.training import train

LOG = "reinforce.jsonl"
_REPEATING = 0.5  # of the first round's different answers must be left
_PARTS = 4  # times ``data.prompts`` questions that a round asks at most
_TEACHING = 0.25  # of ``data.prompts``: groups of different worth that are enough for a round

EventCallback = Callable[["Round"], None]


@dataclass(frozen=True)
class Round:
    """What a round gave. Round 0 is the model before.

    ``mixed``, ``right``, ``wrong``: groups with answers of different worth, all right, all equally short of it (the
    last two teach nothing). ``reward`` is the mean of the answers drawn, ``held_out`` that of greedy answers to
    held-out questions, ``exact`` the fraction of those that are right. ``distinct`` is the fraction of different texts
    among the first answers to the questions. ``kept``: the model that came out is continued.
    """

    number: int
    run: str
    held_out: float
    exact: float
    loss: float
    learnt: int = 0
    mixed: int = 0
    right: int = 0
    wrong: int = 0
    reward: float = 0.0
    distinct: float = 1.0
    kept: bool = True
    why: str = ""


def reinforce(
    recipe: Recipe | str | Path,
    out: str | Path,
    *,
    observe: EventCallback = lambda _: None,
    report: Report = silent,
) -> list[Round]:
    """Reinforce the model that the recipe begins with, and return how it stood before and after each round.

    Called again with the same folder it continues where it was, whenever it was stopped. It ends early when nothing is
    left to learn, or when a round forgets what it knew (the loss of held-out references rises by more than
    ``data.unlearnt``) or says the same again and again; such a round is kept in the folder and not continued.

    Raises:
        UsageError: the recipe's objective is not ``policy``, it has no model to begin with, or the folder holds other
            rounds.
        GatllmError: the reward tells nothing apart, the questions can't be read, or training fails.
    """
    wanted = _whole(recipe if isinstance(recipe, Recipe) else Recipe.load(recipe))
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    table = cast(PolicyTable, wanted.data)
    with HashLog(folder / LOG) as log:
        entries = read_log(folder / LOG) if log.size else []
        began = {"recipe": wanted.to_dict(), "questions": load_questions(table, wanted.seed).root}
        if not entries:
            log.append("start", durable=True, **began)
        elif any(entries[0].get(key) != value for key, value in json.loads(json.dumps(began)).items()):
            raise UsageError(f"{folder} holds rounds of another recipe or other questions", "name another --out")
        rounds = [Round(**entry["standing"]) for entry in entries if entry["event"] == "round"]
        for standing in rounds:
            observe(standing)
        while not rounds or (rounds[-1].kept and rounds[-1].number < table.rounds and rounds[-1].exact < 1.0):
            report(Progress("rounds", len(rounds), table.rounds + 1, "rounds"))
            standing = _play(wanted, folder, rounds, log, report)
            rounds.append(standing)
            log.append("round", durable=True, standing=asdict(standing))
            observe(standing)
    return rounds


def result(rounds: Sequence[Round]) -> Round:
    """Return the last round that was kept: its run is the model that came out."""
    return [one for one in rounds if one.kept][-1]


def _whole(recipe: Recipe) -> Recipe:
    """Return the recipe with the model's table of the run that it begins with."""
    if recipe.objective != "policy":
        raise UsageError(
            f"{recipe.name} has the objective {recipe.objective}", 'reinforcement has objective = "policy"'
        )
    if recipe.start:
        model = {**Run.open(recipe.start).recipe.model, **recipe.model}
        return recipe.replace({"model": model})
    if recipe.model.get("kind") != KIND:
        raise UsageError("there is no model to reinforce", "--set start=RUN, or model.kind = pretrained")
    return recipe


def _play(wanted: Recipe, folder: Path, rounds: list[Round], log: HashLog, report: Report) -> Round:
    """Measure the model before the first round, or play the next round."""
    if not rounds:
        policy, model = _opened(wanted, wanted.start, report)
        metrics = _measured(policy, model)
        return Round(0, wanted.start, metrics["reward"], metrics["right"], metrics["loss"])
    number, before = len(rounds), rounds[-1].run
    place = folder / f"round-{number:02d}"
    answers, notes = _collected(wanted, number, before, place / "answers", report)
    if not len(answers):
        if not notes["groups"]:
            raise GatllmError(
                f"no question of {cast(PolicyTable, wanted.data).source} can be asked: they are too few, or too long",
                "add questions, raise model.context, or lower data.tokens",
            )
        if number == 1 and not notes["right"]:
            raise GatllmError(
                f"the reward tells none of {notes['groups']} groups of answers apart (all get {notes['reward']:.2f})",
                "raise data.answers or temperature, take easier questions, or a reward that differs",
            )
        last = rounds[-1]
        nothing = {key: notes[key] for key in ("mixed", "right", "wrong", "reward", "distinct")}
        return Round(
            number, before, last.held_out, last.exact, last.loss, kept=False, why="nothing to learn", **nothing
        )
    run = train(_round_recipe(wanted, number, before, answers.path), place / "run", report=report)
    give_back_memory()  # the next answers need some of it
    log.append("answers", merkle_root=answers.manifest.merkle_root, **notes)
    counts = {key: notes[key] for key in ("mixed", "right", "wrong", "reward", "distinct")}
    metrics = run.metrics
    standing = Round(
        number, str(run.path), metrics["reward"], metrics["right"], metrics["loss"], learnt=len(answers), **counts
    )
    why = _collapsed(standing, rounds, cast(PolicyTable, wanted.data))
    return Round(**{**asdict(standing), "kept": not why, "why": why})


def _round_recipe(wanted: Recipe, number: int, before: str, answers: Path) -> Recipe:
    """Return the recipe of a round's run. Rates fall from round to round, as they would over one long run: at the first
    round's rates a model that is nearly always right is moved about rather than improved.
    """
    left = 1 - (number - 1) / cast(PolicyTable, wanted.data).rounds
    changes = {
        "name": f"{wanted.name}-{number}",
        "start": before,
        "data.collected": str(answers),
        "train.lr": wanted.train.lr * left,
        "train.matrix_lr": wanted.train.matrix_lr * left,
    }
    return wanted.replace(changes)


def _collapsed(now: Round, rounds: Sequence[Round], table: PolicyTable) -> str:
    """Return why a round is not continued; nothing where it may be."""
    first = rounds[0]
    if now.loss > first.loss + table.unlearnt:
        return f"the loss of held-out references rose from {first.loss:.3f} to {now.loss:.3f}"
    if len(rounds) > 1 and now.distinct < _REPEATING * rounds[1].distinct:
        return f"only {now.distinct:.0%} of the questions get an answer of their own, {rounds[1].distinct:.0%} at first"
    return ""


def _opened(wanted: Recipe, before: str, report: Report) -> tuple[Policy, nn.Module]:
    """Return the objective and the model of the run ``before`` (of the base where there is none yet)."""
    tokenizer, model = None, cast("nn.Module | None", None)
    if before and not is_tuned(before):
        loaded = load_run(before)
        tokenizer, model = loaded.tokenizer, loaded.model
    policy = prepare(wanted.replace({"start": before}), tokenizer, report)
    if model is None:
        if before:
            model = read_tuned(before)
        else:
            from gatllm.models.tuned import PretrainedConfig

            config = PretrainedConfig.model_validate(policy.model_config)
            model = build_tuned(config, seed=derive(wanted.seed, "init"))
    return policy, model.to(choose_device(wanted.train.device)).eval()


def _measured(policy: Policy, model: nn.Module) -> dict[str, float]:
    with torch.no_grad():
        return policy.evaluate(model)


def _collected(
    wanted: Recipe, number: int, before: str, place: Path, report: Report
) -> tuple[Dataset, Mapping[str, Any]]:
    """Return the answers of a round as a dataset, made once, and what is to be said of all that were drawn."""
    if not place.is_dir():
        policy, model = _opened(wanted, before, report)
        table = policy.table
        records, notes = _drawn(policy, model, number, report)
        notes |= {"round": number, "writer": before, "weights_root": weights_root(model.state_dict())}
        place.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(place) as temporary, DatasetWriter(temporary, "positive", place.parent.name) as writer:
            for record in records:
                writer.add(record)
            writer.finish(sources=[table.source], made_with=notes)
    dataset = Dataset.open(place)
    return dataset, dataset.manifest.made_with


def _drawn(
    policy: Policy, model: nn.Module, number: int, report: Report
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Have the model answer the questions of a round; return what `_judged` does.

    Once most groups are all right they teach nothing: more questions are asked then, up to `_PARTS` times as many
    (Yu et al. 2025, "dynamic sampling").
    """
    table, seed = policy.table, policy.recipe.seed
    draw = load_questions(table, seed).draw
    asked: list[Asked] = []
    groups: list[list[Written]] = []
    verdicts: list[Judged] = []
    records, notes = _judged(table, asked, groups, verdicts)
    for part in range(_PARTS):
        some = [(one, policy.prompt(one)) for one in draw(number, part)]
        some = [(one, prompt) for one, prompt in some if policy.answering.fits((prompt, [0]))]
        if not some:
            break
        report(Progress("answers", len(asked), len(asked) + len(some), "questions"))
        with torch.no_grad():
            written = policy.answering.write(
                model, [prompt for _, prompt in some], tokens=table.tokens, n=table.answers,
                temperature=table.temperature, seed=derive(seed, "answers", number, part) % (1 << 31),
            )  # fmt: skip
        texts = [one.text for group in written for one in group]
        verdicts += policy.reward([one for one, _ in some for _ in range(table.answers)], texts)
        asked, groups = [*asked, *(one for one, _ in some)], [*groups, *written]
        records, notes = _judged(table, asked, groups, verdicts)
        if notes["mixed"] >= _TEACHING * table.prompts:
            break
    return records, notes


def _judged(
    table: PolicyTable, asked: Sequence[Asked], groups: Sequence[Sequence[Written]], verdicts: Sequence[Judged]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the answers that are learnt from, with their verdicts and advantages, and the counts of all."""
    records: list[dict[str, Any]] = []
    counts = {"mixed": 0, "right": 0, "wrong": 0}
    for number, (one, group) in enumerate(zip(asked, groups, strict=True)):
        rewards = verdicts[number * table.answers : (number + 1) * table.answers]
        values = [verdict.reward for verdict in rewards]
        if max(values) - min(values) < 1e-9:  # no answer is better than another: nothing to learn from the group
            counts["right" if values[0] >= RIGHT else "wrong"] += 1
            continue
        counts["mixed"] += 1
        mean = sum(values) / len(values)
        best = max(values)
        seen: set[str] = set()
        for place, (written, verdict) in enumerate(zip(group, rewards, strict=True)):
            if table.method == "raft":
                # The same right answer drawn five times is one answer: else what is already likely drives out the rest.
                advantage = 1.0 if verdict.reward == best and written.text not in seen else 0.0
                seen |= {written.text} if verdict.reward == best else set()
            else:
                advantage = verdict.reward - mean
            if advantage and written.tokens:
                records.append(_record(table, one, written, verdict, advantage, place))
    # One answer of each question: those to the same question are equal in the end because they are right.
    # As many in every round: of more questions fewer have an answer of their own, where few answers are possible.
    first = [group[0].text for group in groups[: table.prompts]]
    notes = {
        **counts,
        "groups": len(groups),
        "answers": len(verdicts),
        "reward": sum(one.reward for one in verdicts) / max(len(verdicts), 1),
        "distinct": len(set(first)) / max(len(first), 1),
    }
    return records, notes


def _record(
    table: PolicyTable, one: Asked, written: Written, verdict: Judged, advantage: float, place: int
) -> dict[str, Any]:
    whole = sha256(f"{one.key}/{place}/{written.text}".encode("utf-8", "surrogatepass"))
    return {
        "id": whole[:16],
        "prompt": one.prompt,
        **({"turns": list(one.turns)} if one.turns else {}),
        "text": written.text,
        "reward": round(verdict.reward, 6),
        "verdict": verdict.why,
        "advantage": round(advantage, 6),
        "tokens": written.tokens,
        "logprobs": [round(value, 6) for value in written.logprobs] if table.method == "grpo" else [],
        "sha256": whole,
        "licence": "NOASSERTION",
        "origin": f"answers:{one.key}",
    }
