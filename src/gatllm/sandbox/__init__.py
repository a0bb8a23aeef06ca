"""Runs untrusted Python; knows nothing of the rest."""

from gatllm.sandbox.execution import CandidateError, Execution, Value, same
from gatllm.sandbox.limits import Limits
from gatllm.sandbox.protections import Protections
from gatllm.sandbox.runner import Case, Job, Runner, Verdict

__all__ = [
    "CandidateError",
    "Case",
    "Execution",
    "Job",
    "Limits",
    "Protections",
    "Runner",
    "Value",
    "Verdict",
    "same",
]
