"""The discriminator at work: check, localise, repair; static critics."""

from gatllm.review.critics import Finding, compile_error, lint, same_tree
from gatllm.review.reviewer import Candidate, Repair, Review, Reviewer, Suspect
from gatllm.review.search import search

__all__ = [
    "Candidate",
    "Finding",
    "Repair",
    "Review",
    "Reviewer",
    "Suspect",
    "compile_error",
    "lint",
    "same_tree",
    "search",
]
