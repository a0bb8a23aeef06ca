"""Named rules of repair: what the compiler's messages, other languages and chats leave no doubt about."""

from gatllm.review.rules.rule import Rule
from gatllm.review.rules.table import RULES, repairs

__all__ = ["RULES", "Rule", "repairs"]
