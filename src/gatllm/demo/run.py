"""Runs the steps in order, keeps what is finished, and resumes from there the next time."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatllm.demo.stage import Options, Outcome, Session, Stage, Step
from gatllm.errors import GatllmError
from gatllm.records import write_file

STATE = "demo.json"


def _load(options: Options) -> dict[str, Outcome]:
    path = options.out / STATE
    if not path.is_file():
        if options.out.is_dir() and any(options.out.iterdir()):
            raise GatllmError(f"{options.out} holds something else than a demo", "name another folder with --out")
        return {}
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        outcomes = {name: Outcome.from_json(value) for name, value in state["steps"].items()}
        before = state["options"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GatllmError(f"{path} is damaged ({error})", f"remove {options.out} and run the demo anew") from None
    if before != _asked(options):
        raise GatllmError(
            f"{options.out} holds a demo with other options ({before})", "repeat those or name another --out"
        )
    # A failed or skipped step is tried again: the cause may be repaired by now. So is one whose results are gone.
    return {name: outcome for name, outcome in outcomes.items() if outcome.status == "done" and _is_there(outcome)}


def _is_there(outcome: Outcome) -> bool:
    return all(Path(place).exists() for place in outcome.made.values())


def _asked(options: Options) -> dict[str, Any]:
    return {"minutes": options.minutes, "small": options.small, "seed": options.seed}


def _save(session: Session) -> None:
    state = {
        "options": _asked(session.options),
        "steps": {name: outcome.to_json() for name, outcome in session.outcomes.items()},
    }
    write_file(session.out / STATE, json.dumps(state, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def run_steps(options: Options, steps: Sequence[Step], stage: Stage) -> list[tuple[Step, Outcome]]:
    """Run ``steps`` in order and return how each ended; finished ones are not run again.

    The demo stops at the first step that fails: what comes after builds on it.

    Raises:
        GatllmError: the folder is not this demo's.
    """
    session = Session(options, _load(options))
    _save(session)  # before the first step: what an interrupted one leaves is known as this demo's
    total = len(steps) + 1  # the summary, which the caller shows, is the last
    summary: list[tuple[Step, Outcome]] = []
    for number, step in enumerate(steps, 1):
        stage.say(f"[{number}/{total}] {step.title}")
        if (known := session.outcomes.get(step.name)) is not None:
            stage.say(f"  done before, in {known.seconds:.0f} s")
            summary.append((step, known))
            continue
        started = time.monotonic()
        bug: Exception | None = None
        try:
            outcome = step.run(session, stage)
        except GatllmError as error:
            outcome = Outcome("failed", why=str(error))
        except Exception as error:  # kept as failed like any other, then shown by whoever shows bugs
            outcome, bug = Outcome("failed", why=f"unexpected {type(error).__name__}: {error}"), error
        outcome.seconds = time.monotonic() - started
        if outcome.status == "skipped" and not step.may_skip:
            outcome.status = "failed"
        if outcome.status != "done":
            stage.say(f"  {outcome.status}: {outcome.why}")
        session.outcomes[step.name] = outcome
        _save(session)
        if bug is not None:
            raise bug
        summary.append((step, outcome))
        if outcome.status == "failed":
            break
    stage.say(f"[{total}/{total}] Summary")
    return summary
