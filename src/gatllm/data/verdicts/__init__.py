"""Good or bad, and why: what the compiler and the linter say of each file."""

from gatllm.data.verdicts.judging import Judge, Reason, Verdict, check_paths

__all__ = ["Judge", "Reason", "Verdict", "check_paths"]
