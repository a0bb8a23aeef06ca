"""Workers: answers in order, a crash or a hang costs one item, nothing is left behind."""

import sys

import pytest

from gatllm.data.verdicts.syntax import Compiler
from gatllm.data.workers import CRASHED, TIMED_OUT, Workers

SCRIPT = """
import os, time
from gatllm.data.workers import serve
def answer(item):
    if item == b"crash": os._exit(3)
    if item == b"hang": time.sleep(60)
    return item[::-1]
serve(answer)
"""


def test_answers_come_in_order_and_a_crash_costs_one_item() -> None:
    items = [str(number).encode() for number in range(500)]
    items[100] = items[499] = b"crash"
    with Workers([sys.executable, "-c", SCRIPT], processes=2) as workers:
        answers = list(workers.map(items))
    expected = [CRASHED if item == b"crash" else item[::-1] for item in items]
    assert answers == expected


def test_a_hang_is_cut_short_and_the_rest_continues() -> None:
    with Workers([sys.executable, "-c", SCRIPT], processes=1, seconds=1.0) as workers:
        assert list(workers.map([b"ab", b"hang", b"cd"])) == [b"ba", TIMED_OUT, b"dc"]


def test_a_large_item_passes_and_an_abandoned_map_ends() -> None:
    with Workers([sys.executable, "-c", SCRIPT], processes=2) as workers:
        assert next(workers.map([b"x" * 5_000_000])) == b"x" * 5_000_000
        answers = workers.map(b"%d" % number for number in range(10_000))
        assert next(answers) == b"0"
        answers.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (b"x = 1\n", None),
        (b"return 1\n", "SyntaxError"),
        (b"def f():\n  x\n x\n", "IndentationError"),
        (b"x = 1\0\n", ("SyntaxError", "ValueError")),
        (b"x = " + b"(" * 1000 + b")" * 1000, "SyntaxError"),
        (b"x = " + b"-" * 200_000 + b"1", ("RecursionError", "MemoryError", "Crash")),
    ],
)
def test_the_compiler_survives_what_it_is_given(source: bytes, kind: str | tuple[str, ...] | None) -> None:
    with Compiler(1) as compiler:
        wrong, fine = compiler.judge([source, b"y = 2\n"])
    assert fine == {}
    assert wrong.get("kind") in (kind if isinstance(kind, tuple) else (kind,))
