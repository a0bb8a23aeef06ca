"""Good or bad, and why: what the compiler and the linter say of each file."""

from gatllm.data.verdicts.judging import Judge, check_paths
from gatllm.data.verdicts.rules import Rule, Rules
from gatllm.data.verdicts.verdict import Reason, Verdict

__all__ = ["Judge", "Reason", "Rule", "Rules", "Verdict", "check_paths"]
