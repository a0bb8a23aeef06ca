"""`train`: begin or go on with a run, to its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.models import save_weights, weights_root
from gatllm.progress import Report, silent
from gatllm.records import HashLog, is_partial, sha256, write_file
from gatllm.tokenizers import load as load_tokenizer
from gatllm.training import checkpoint
from gatllm.training.assembly import Assembly, assemble
from gatllm.training.budget import Budget
from gatllm.training.distributed import Team, assembled
from gatllm.training.interrupt import Interrupt
from gatllm.training.loop import EventCallback, Loop
from gatllm.training.memory import enough_memory
from gatllm.training.pinning import pin
from gatllm.training.promise import PLAN, Commit, Promise, probed_before, promising
from gatllm.training.recipe import BUDGETS, Recipe
from gatllm.training.run import CHECKPOINTS, LOG, MODEL, RECIPE, TOKENIZER, Run

_OWN_RECIPE = "name another --out, or use its own recipe"
_OURS = {LOG, RECIPE, TOKENIZER, MODEL, PLAN}


def _nobody(_: str, __: Mapping[str, Any]) -> None:
    """EventCallback nothing."""


def train(
    recipe: Recipe | str | Path,
    out: str | Path,
    *,
    resume: bool = True,
    commit: Commit | None = None,
    report: Report = silent,
    observe: EventCallback = _nobody,
) -> Run:
    """Train a model into the run folder ``out`` and return the finished run.

    A run that was interrupted resumes from its last checkpoint and ends with the weights it would have had (equal to
    the bit on a processor with the same number of threads, for a budget in steps). A finished run is returned as it
    is. ``observe`` is called with every event of the log and its fields.

    ``commit`` takes the data's root, the hash of the plan (see `seeds.plan_of`) and a salt, promises them in public
    before anything is trained, and returns the hash of a later block and who promised: the seed follows from these.

    Raises:
        UsageError: the recipe is wrong, ``out`` holds another run, or several processes would commit.
        GatllmError: bad data, a loss that is not finite, no memory or disk left, or another process trains here.
        VerificationError: data, tokenizer, log or checkpoints are not what they were.
        KeyboardInterrupt: the user stopped it; a checkpoint was written.
    """
    wanted = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    if wanted.determinism and wanted.determinism.pinned:
        wanted = pin(wanted)
    path = Path(out)
    if commit is not None:
        wanted = wanted.replace({"determinism.seed": "committed", "determinism.block": "", "determinism.trainer": None})
    with assembled() as team, Interrupt() as interrupt:
        begun = _begun(path, resume)
        team.wait()
        with _writing(path, team) as log:
            run = Run(path)
            if begun:
                wanted = _same(run, wanted, committed=commit is not None)
            if not run.complete:
                promise = None if commit is None else promising(path, interrupt.waiting(commit))
                with enough_memory(wanted, "before the first step"):
                    made = _assemble(run, wanted, team, report) if begun else _new(path, wanted, promise, team, report)
                spent = _go_on(run, made, log) if begun else _begin(run, made, log)
                loop = Loop(run, made.session, log, Budget(made.recipe.train, spent), report, observe)
                try:
                    loop.execute(interrupt)
                    _finish(run, made, loop)
                finally:
                    made.objective.close()
        leads = team.leads
        team.wait()
    run = Run(path)
    if leads and not (path / "report").is_dir():
        from gatllm.training.report import write_report

        write_report(run)
    return run


def _new(path: Path, wanted: Recipe, promise: Promise | None, team: Team, report: Report) -> Assembly:
    """Assemble the session of a run that begins."""
    if promise is None:
        (path / PLAN).unlink(missing_ok=True)  # of a promise that was never kept
        return assemble(wanted, team=team, report=report)
    if team.size > 1:
        raise UsageError("a commitment on chain is for runs of one process", "train without torchrun")
    return assemble(wanted, **probed_before(path, wanted), promise=promise, team=team, report=report)


def _begun(path: Path, resume: bool) -> bool:
    """Tell whether ``path`` holds a run that began; refuse a folder that holds something else."""
    begun = (path / LOG).is_file() and (path / LOG).stat().st_size > 0 and (path / RECIPE).is_file()
    if begun and not resume:
        raise UsageError(f"{path} already holds a run", "name another --out, or resume it")
    strange = path.exists() and (
        not path.is_dir() or {file.name for file in path.iterdir() if not is_partial(file)} - _OURS
    )
    if strange and not begun:
        raise UsageError(f"{path} holds something else than a run", "name another --out")
    return begun


@contextmanager
def _writing(path: Path, team: Team) -> Iterator[HashLog | None]:
    """Yield the log, open for writing in the leading process; whole lines only are left in it."""
    if not team.leads:
        team.wait()
        yield None
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GatllmError(f"can't make the folder {path}: {error.strerror}", "name another --out") from None
    with HashLog(path / LOG) as log:
        team.wait()
        yield log


def _same(run: Run, wanted: Recipe, *, committed: bool) -> Recipe:
    """Return the recipe that a run continues by: the wanted one, with the block that its commitment gave.

    `[model]` may leave out what the data or defaults decide.

    Raises:
        UsageError: the run was begun under another recipe, or without a commitment.
    """
    if committed and run.recipe.determinism is not None:
        block = run.recipe.determinism.block
        if not block:
            raise UsageError(f"{run.path} was begun without a commitment on chain", "name another --out")
        wanted = wanted.replace({"determinism.block": block, "determinism.trainer": run.recipe.determinism.trainer})
    before, now = run.recipe.to_dict(), wanted.to_dict()
    if wanted.determinism and wanted.determinism.seed == "committed":
        now["seed"] = before["seed"]  # it follows from the rest, and is checked with the commitments
    before["model"] = {key: before["model"].get(key) for key in now["model"]}
    if wanted.train.epochs is not None:
        now["train"]["steps"] = before["train"].get("steps")  # it followed from the data
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            what = _first_difference(key, before.get(key), now.get(key))
            longer = run.complete and what.startswith(tuple(f"train.{name} " for name in BUDGETS))
            cure = f"to train it further: --set start={run.path} and another --out" if longer else _OWN_RECIPE
            raise UsageError(f"{run.path} holds a run with another {what}", cure)
    return wanted


def _first_difference(key: str, before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for inner in sorted(before.keys() | now.keys()):
            if before.get(inner) != now.get(inner):
                return _first_difference(f"{key}.{inner}", before.get(inner), now.get(inner))
    return f"{key} ({before!r}, not {now!r})"


def _assemble(run: Run, wanted: Recipe, team: Team, report: Report) -> Assembly:
    """Assemble the session of a run that began, and check that everything is what it was."""
    before = run.start["commitments"]
    env = before["environment"]
    if env["processes"] != team.size:
        raise UsageError(
            f"{run.path} was begun by {env['processes']} processes, not {team.size}", "resume with as many"
        )
    made = assemble(
        wanted,
        tokenizer=load_tokenizer(run.path / TOKENIZER),
        dtype=env["dtype"],
        threads=int(env["threads"]),
        before=before,
        written=run.written,
        team=team,
        report=report,
    )
    for name, what in (("data_root", "data"), ("tokenizer", "tokenizer"), ("recipe", "recipe"), ("init_root", "model")):
        if made.commitments[name] != before[name]:
            raise VerificationError(f"the {what} is not what {run.path} began with", "restore it, or begin a new run")
    return made


def _begin(run: Run, made: Assembly, log: HashLog | None) -> float:
    if log is not None:
        write_file(run.path / RECIPE, made.recipe.to_toml())
        write_file(run.path / TOKENIZER, made.objective.tokenizer.to_json())
        log.append("start", durable=True, commitments=made.commitments)
    return 0.0


def _go_on(run: Run, made: Assembly, log: HashLog | None) -> float:
    """Bring the session to its last good checkpoint (or leave it at its start); return the seconds spent before."""
    last = last_checkpoint(run)
    if last is not None:
        made.session.load(*last.load(), str(last.path))
    if log is not None:
        roots = {"weights_root": last.weights_root, "state_root": last.state_root} if last else {}
        same = {"environment": made.commitments["environment"], "code": made.commitments["code"]}
        log.append("resume", durable=True, step=made.session.step, **same, **roots)
    run.forget()
    return last.seconds if last else 0.0


def last_checkpoint(run: Run) -> checkpoint.Checkpoint | None:
    """Return the newest checkpoint that the log names and whose files are what was written."""
    named = {(entry["step"], entry["weights_root"]) for entry in run.events("checkpoint")}
    for candidate in reversed(checkpoint.found(run.path / CHECKPOINTS)):
        if (candidate.step, candidate.weights_root) in named and candidate.intact():
            return candidate
    return None


def _finish(run: Run, made: Assembly, loop: Loop) -> None:
    """Choose the weights, measure them, write model and artifacts, end the log."""
    session = made.session
    spent = {"steps": session.step, "tokens": session.tokens, "seconds": round(loop.budget.seconds, 3)}
    if made.recipe.train.select == "best" and loop.best is not None and loop.best[1] != session.step:
        chosen = checkpoint.read(run.path / CHECKPOINTS / checkpoint.folder_name(loop.best[1]))
        session.load(*chosen.load(), str(chosen.path))
    known = loop.measured
    metrics = known[1] if known is not None and known[0] == session.step else session.evaluate()
    with session.averaged() as model:
        weights = session.weights()
        artifacts = dict(made.objective.artifacts(model))
        # Inside: outside, the tensors hold the last weights again instead of their average.
        root = weights_root(weights)
        if loop.log is not None:
            save_weights(run.path / MODEL, weights)
    if loop.log is None:
        return
    for name, text in artifacts.items():
        if name in _OURS or Path(name).name != name:
            raise GatllmError(f"an objective may not write {name}")
        write_file(run.path / name, text)
    parameters = sum(parameter.numel() for parameter in session.model.parameters())
    end = {
        "step": session.step,
        "weights_root": root,
        "metrics": {**metrics, **spent, "parameters": parameters},
        "artifacts": {name: sha256(text.encode()) for name, text in artifacts.items()},
    }
    loop.log.append("end", durable=True, **end)
    loop.observe("end", end)
