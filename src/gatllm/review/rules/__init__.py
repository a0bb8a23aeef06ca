"""Named rules of repair: what the compiler's messages, other languages and chats leave no doubt about."""

from gatllm.review.rules.applying import apply_rule, apply_rules
from gatllm.review.rules.rule import Rule
from gatllm.review.rules.table import RULES

__all__ = ["RULES", "Rule", "apply_rule", "apply_rules"]
