"""The seven steps of 'gatllm demo': calls the public functions of the subpackages below, in order."""

from gatllm.demo.run import run_steps
from gatllm.demo.stage import Options, Outcome, Session, Stage, Step, rows, skipped
from gatllm.demo.steps import run_demo

__all__ = ["Options", "Outcome", "Session", "Stage", "Step", "rows", "run_demo", "run_steps", "skipped"]
