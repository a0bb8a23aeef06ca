"""The training page: runs, their curves, and their proofs, verified in one click with a line for each check.

The operator begins runs here, stops and resumes them.
"""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gatllm.errors import GatllmError, UsageError
from gatllm.proof import Verification
from gatllm.service.access import Operator, Person, Reader
from gatllm.service.accounts import Caller
from gatllm.service.database import Job
from gatllm.service.errors import ApiError
from gatllm.service.pages.rendering import page, render
from gatllm.service.parts import Parts, parts_of
from gatllm.service.training_work import TrainingWork

_EMPTY = dict.fromkeys(("recipe", "run", "steps", "minutes", "seed"), "")

router = APIRouter(prefix="/training", include_in_schema=False)


@router.get("")
async def index(request: Request, caller: Reader) -> HTMLResponse:
    """List the runs."""
    return await _index(request, caller)


async def _index(
    request: Request, caller: Caller | None, *, problem: str = "", given: dict[str, str] | None = None
) -> HTMLResponse:
    parts = parts_of(request)
    runs, jobs = await asyncio.gather(
        asyncio.to_thread(parts.training_runs.all), asyncio.to_thread(_jobs, parts, caller)
    )
    recipes = parts.training.recipes() if parts.training is not None and _operates(caller) else {}
    return await page(
        request, caller, "training.html", status=400 if problem else 200, runs=runs, jobs=jobs, recipes=recipes,
        operates=_operates(caller), problem=problem, given=given or _EMPTY,
    )  # fmt: skip


def _operates(caller: Caller | None) -> bool:
    return caller is not None and caller.is_known and caller.role == "operator"


def _jobs(parts: Parts, caller: Caller | None) -> list[dict[str, Any]]:
    """Return what is trained or waits; the operator also sees what went wrong, which may name files."""
    found = parts.training.all() if parts.training is not None else []
    return [_job(one) for one in found if one.state in ("queued", "running") or _operates(caller)][:20]


def _job(one: Job) -> dict[str, Any]:
    try:
        step = json.loads(one.progress)
    except ValueError:
        step = {}
    return {"run": one.arguments["run"], "state": one.state, "error": one.error, "step": step}


# The names of runs begin with a letter or a digit: no run is called like these two.
@router.get("/~jobs")
async def jobs(request: Request, caller: Reader) -> HTMLResponse:
    """How far runs are, for the page that waits."""
    parts = parts_of(request)
    listed = await asyncio.to_thread(_jobs, parts, caller)
    names = await asyncio.to_thread(parts.training_runs.names)
    return HTMLResponse(render("training_jobs.html", jobs=listed, names=names, operates=_operates(caller)))


def _work(request: Request) -> TrainingWork:
    work = parts_of(request).training
    if work is None:
        raise ApiError(404, "this service has no folder for new runs; name one with --runs")
    return work


@router.post("/~begin", response_model=None)
async def begin(
    request: Request,
    caller: Operator,
    recipe: Annotated[str, Form(max_length=100)] = "",
    run: Annotated[str, Form(max_length=100)] = "",
    steps: Annotated[str, Form(max_length=20)] = "",
    minutes: Annotated[str, Form(max_length=20)] = "",
    seed: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Begin a run."""
    given = {"recipe": recipe, "run": run, "steps": steps, "minutes": minutes, "seed": seed}
    try:
        overrides = _overrides(given)
        await asyncio.to_thread(_work(request).begin, caller.account_id, recipe, run.strip(), overrides)
    except GatllmError as error:
        return await _index(request, caller, problem=str(error), given=given)
    return RedirectResponse("/training", 303)


def _overrides(given: dict[str, str]) -> dict[str, Any]:
    """Return what a form sets over a recipe.

    Raises:
        UsageError: a value is not a number, or there are two budgets.
    """
    keys: dict[str, tuple[str, type]] = {
        "steps": ("train.steps", int), "minutes": ("train.minutes", float), "seed": ("seed", int),
    }  # fmt: skip
    overrides: dict[str, Any] = {}
    for name, (key, kind) in keys.items():
        if text := given[name].strip():
            try:
                overrides[key] = kind(text)
            except ValueError:
                raise UsageError(f"{text!r} is not a number", f"correct {name}") from None
    if "train.steps" in overrides and "train.minutes" in overrides:
        raise UsageError("updates and minutes are two budgets", "leave one of them empty")
    return overrides


@router.post("/{name}/resume", response_model=None)
async def resume(request: Request, name: str, caller: Operator) -> Response:
    """Resume a run that is not finished."""
    try:
        await asyncio.to_thread(_work(request).resume, caller.account_id, name)
    except GatllmError as error:
        return await _index(request, caller, problem=str(error))
    return RedirectResponse("/training", 303)


@router.post("/{name}/stop", response_model=None)
async def stop(request: Request, name: str, _: Operator) -> Response:
    """Stop a run; it can be resumed."""
    await asyncio.to_thread(_work(request).stop, name)
    return RedirectResponse("/training", 303)


@router.get("/{name}")
async def show(request: Request, name: str, caller: Reader) -> HTMLResponse:
    """Show one run."""
    return await _show(request, name, caller)


async def _show(
    request: Request, name: str, caller: Caller | None, *, verification: Verification | None = None, problem: str = ""
) -> HTMLResponse:
    parts = parts_of(request)
    run = await asyncio.to_thread(parts.training_runs.get, name)
    if run is None:
        raise ApiError(404, "there is no such run (any more)")
    found = verification or await asyncio.to_thread(parts.training_runs.verified, name)
    active = parts.training is not None and await asyncio.to_thread(parts.training.active, name) is not None
    may_resume = parts.training is not None and (parts.training.place / name).is_dir() and not active
    return await page(
        request, caller, "run.html", status=400 if problem else 200, run=run, verification=found, problem=problem,
        active=active, may_resume=may_resume and _operates(caller),
    )  # fmt: skip


@router.get("/{name}/curves.png", response_model=None)
async def curves(request: Request, name: str, _: Reader) -> Response:
    """The losses by update."""
    drawn = await asyncio.to_thread(parts_of(request).training_runs.curves, name)
    if drawn is None:
        raise ApiError(404, "this run has no curves (yet)")
    return Response(drawn, media_type="image/png", headers={"cache-control": "no-cache"})


@router.post("/{name}/verify", response_model=None)
async def verify(request: Request, name: str, caller: Person) -> HTMLResponse:
    """Check a run against its proof, now."""
    try:
        found = await asyncio.to_thread(parts_of(request).training_runs.verify, name)
    except GatllmError as error:
        return await _show(request, name, caller, problem=str(error))
    return await _show(request, name, caller, verification=found)
