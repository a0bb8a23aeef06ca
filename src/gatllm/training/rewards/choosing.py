"""Rewards by their names in a recipe, alone or mixed, and those of one's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError, UsageError
from gatllm.training.own_function import own_function
from gatllm.training.rewards import code, words
from gatllm.training.rewards.reward import Asked, Judged, Reward

REWARDS: dict[str, Callable[[], Reward]] = {
    "exact": lambda: words.exact,
    "contains": lambda: words.contains,
    "compiles": lambda: code.compiles,
    "discriminator": code.realness,
    "tests": lambda: code.by_tests,
}


def load_reward(wanted: str | Mapping[str, float]) -> Reward:
    """Return a reward by name: one of `REWARDS`, ``format:PATTERN``, ``FILE.py:function``, or several with weights.

    Raises:
        UsageError: there is no such reward, or the weights are none.
        GatllmError: it can't be had on this machine.
    """
    if isinstance(wanted, str):
        return _checked(_named(wanted), wanted)
    if not wanted or not all(weight > 0 for weight in wanted.values()):
        raise UsageError("a mixed reward needs weights above 0", "reward = {tests = 0.8, compiles = 0.2}")
    parts = {name: (load_reward(name), weight / sum(wanted.values())) for name, weight in wanted.items()}

    def mixed(asked: Sequence[Asked], answers: Sequence[str]) -> list[Judged]:
        verdicts = {name: reward(asked, answers) for name, (reward, _) in parts.items()}
        return [
            Judged(
                sum(weight * verdicts[name][at].reward for name, (_, weight) in parts.items()),
                "; ".join(f"{name} {verdicts[name][at].reward:.2f}" for name in parts),
            )
            for at in range(len(answers))
        ]

    return mixed


def _named(name: str) -> Reward:
    if name in REWARDS:
        return REWARDS[name]()
    kind, colon, rest = name.partition(":")
    if kind == "format" and rest:
        return words.of_form(rest)
    if colon and kind.endswith(".py"):
        return own_function(Path(kind), rest, "reward = FILE.py:function")
    raise UsageError(f"there is no reward {name!r}", f"{', '.join(REWARDS)}, format:PATTERN or FILE.py:function")


def _checked(reward: Callable[..., Sequence[Any]], name: str) -> Reward:
    """Return a reward whose verdicts are what they must be: one for each answer, a number from 0 to 1."""

    def checked(asked: Sequence[Asked], answers: Sequence[str]) -> list[Judged]:
        given = reward(asked, answers)
        if not isinstance(given, Sequence):
            raise GatllmError(f"the reward {name} gave {given!r}", "return a list, one number for each answer")
        verdicts = [one if isinstance(one, Judged) else Judged(_number(one, name)) for one in given]
        if len(verdicts) != len(answers):
            raise GatllmError(f"the reward {name} gave {len(verdicts)} verdicts for {len(answers)} answers", "one each")
        for one in verdicts:
            if not (math.isfinite(one.reward) and 0 <= one.reward <= 1):
                raise GatllmError(f"the reward {name} gave {one.reward}", "a reward is a number from 0 to 1")
        return verdicts

    return checked


def _number(given: Any, name: str) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        raise GatllmError(f"the reward {name} gave {given!r}", "a reward is a number from 0 to 1") from None
