"""``gatllm doctor``: what this machine has, and what is missing."""

from __future__ import annotations

from dataclasses import asdict

from gatllm.cli.console import print_json, table
from gatllm.cli.options import Json


def doctor(*, json: Json = False) -> int:
    """Show what this machine has for gatllm, and the cure for what is missing."""
    from gatllm.doctor import diagnose

    checks = diagnose()
    if json:
        print_json([asdict(check) for check in checks])
    else:
        rows = [
            (
                check.what,
                "ok" if check.ok else "missing" if check.required else "-",
                check.found,
                "" if check.ok else check.cure,
            )
            for check in checks
        ]
        table("", ("what", "state", "found", "cure"), rows)
    return 0 if all(check.ok or not check.required for check in checks) else 1
