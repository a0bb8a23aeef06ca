"""The documentation of the rules: what, why, before, after; written from the table.

python -m gatllm.review.rules.pages > docs/rules.md
"""

from __future__ import annotations

import sys

from gatllm.review.rules.rule import Rule
from gatllm.review.rules.table import RULES

_HEAD = """# Rules of repair

What `gatllm fix` does on its own, beside what search and model find: each rule answers one mistake, and what it adds or
takes away passes the gate ([check and fix](review.md)). A rule is applied where the compiler stops, in the order of
this page, and only if the compiler then gets further. `gatllm explain RULE` shows one of them.

This page is written from the table (`python -m gatllm.review.rules.pages > docs/rules.md`), and a test holds that every
example is repaired as it says.
"""


def page(rule: Rule) -> str:
    """Return what there is to say of a rule, as Markdown."""
    said = "" if rule.messages.pattern == "" else f"\nWhere the compiler says: `{rule.messages.pattern}`\n"
    return (
        f"## {rule.name}\n\n{rule.what}\n\n{rule.why}\n{said}\nBefore:\n\n```text\n{_shown(rule.before)}```\n\n"
        f"After:\n\n```text\n{_shown(rule.after)}```\n"
    )


def pages() -> str:
    """Return the page of all rules."""
    return "\n".join([_HEAD, *(page(rule) for rule in RULES)])


def _shown(text: str) -> str:
    """An example without blanks at the ends of lines, which nobody sees."""
    return "".join(line.rstrip() + "\n" for line in text.rstrip("\n").split("\n"))


if __name__ == "__main__":
    sys.stdout.write(pages())
