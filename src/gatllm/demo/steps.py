"""The steps, in order."""

from __future__ import annotations

from gatllm.demo.answers import answer_prompts
from gatllm.demo.chain import register_on_chain
from gatllm.demo.data import build_datasets
from gatllm.demo.proof import prove_runs
from gatllm.demo.review import review_held_out
from gatllm.demo.run import run_steps
from gatllm.demo.stage import Options, Outcome, Stage, Step
from gatllm.demo.training import train_models

STEPS = (
    Step("data", "Data: the standard library, checked, and broken on purpose", build_datasets),
    Step("training", "Training: a discriminator and a generator", train_models),
    Step("proof", "Proof of training: signed, checked, and a forgery caught", prove_runs),
    Step("chain", "Chain: dataset token, subscription, registered proof", register_on_chain, may_skip=True),
    Step("review", "Review: held-out code, broken and repaired", review_held_out),
    Step("answers", "Answers: with confidence, review and sources", answer_prompts),
)


def run_demo(options: Options, stage: Stage) -> list[tuple[Step, Outcome]]:
    """Run all steps in order; see `run_steps`."""
    return run_steps(options, STEPS, stage)
