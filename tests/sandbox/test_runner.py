"""Honest programs work, values keep their types, and the runner is shared by threads."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.sandbox import Case, Job, Limits, Runner, Value, same
from gatllm.sandbox import runner as runner_module
from gatllm.sandbox._server import decode, encode
from gatllm.sandbox.execution import shown
from gatllm.sandbox.protections import NAMES, Protections

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary(max_size=20)
    | st.complex_numbers(allow_nan=False)
)
hashable = scalars | st.tuples(scalars, scalars)
values = st.recursive(
    scalars | st.sets(hashable, max_size=4) | st.frozensets(hashable, max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(hashable, inner, max_size=4),
    max_leaves=10,
)


@given(values)
def test_values_come_back_as_they_were(value: Any) -> None:
    again = decode(encode(value))
    assert repr(encode(again)) == repr(encode(value))
    assert same(again, value) or "nan" in repr(value)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values)
def test_values_survive_the_sandbox(runner: Runner, value: Any) -> None:
    (result,) = runner.call("def f(x): return x", "f", [(value,)]).results
    assert isinstance(result, Value)
    assert repr(encode(result.value)) == repr(encode(value))


@pytest.mark.parametrize("value", [object(), range(3), {1: object()}, [iter([])], type, len])
def test_what_is_no_plain_value_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="not a plain value"):
        encode(value)


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        {},
        {"a": 1},
        {"int": 5},
        {"int": "zz"},
        {"tuple": 5},
        {"set": [[1]]},
        {"dict": [[1]]},
        {"complex": []},
        {"x": 1, "y": 2},
    ],
)
def test_what_was_not_encoded_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(value)


@pytest.mark.parametrize(
    ("expected", "actual", "equal"),
    [
        (1, True, False),
        (True, 1, False),
        (True, True, True),
        (False, 0.0, False),
        (True, 0, False),
        (0.0, -0.0, False),
        (-0.0, -0.0, True),
        (0, -0.0, False),
        (0, 0.0, True),
        ([1], [True], False),
        ({1: 2}, {True: 2}, False),
        ({1}, {True}, False),
        ({0.0}, {-0.0}, False),
        ({"a": 0}, {"a": False}, False),
        (1 + 0j, complex(1, -0.0), False),
        (1 + 2j, 1 + 2j, True),
        ({1, 2}, {1, 3}, False),
        (10**400, 1.0, False),
        (1, 1.0, True),
        (1.0, 1, True),
        (1.0, True, False),
        ((1,), [1], False),
        ([1, [2]], [1, [2]], True),
        ([1], [1, 1], False),
        ({"a": 1.0}, {"a": 1}, True),
        ({"a": 1}, {"b": 1}, False),
        (math.nan, math.nan, True),
        (math.nan, 1.0, False),
        ({1, 2}, {2, 1}, True),
        ({1}, frozenset({1}), False),
        ("1", 1, False),
        (None, None, True),
        (0.1 + 0.2, 0.3, False),
    ],
)
def test_equality_is_of_value_and_type(expected: Any, actual: Any, equal: bool) -> None:
    assert same(expected, actual) is equal


def test_a_tolerance_is_for_floats_at_any_depth() -> None:
    assert same([{"a": 0.1 + 0.2}], [{"a": 0.3}], 1e-9)
    assert not same([0.3], [0.4], 1e-9)


def test_who_asks_for_it_gets_equality_as_python_sees_it() -> None:
    for expected, actual in ((True, 1), (0.0, -0.0), ({1: [True]}, {True: [1.0]}), ({1}, {True})):
        assert same(expected, actual, loose=True)
        assert not same(expected, actual)
    assert same(0.0, -0.0, 1e-9)
    assert not same(1, 2, loose=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10**5000, "<an integer of 16610 bits>"),
        ([10**5000, -(10**5000)], "[<an integer of 16610 bits>, <an integer of 16610 bits>]"),
        ((1,), "(1,)"),
        ({"a": {1}}, "{'a': {1}}"),
        (set(), "set()"),
        (frozenset(), "frozenset()"),
        ([[[[[1]]]]], "[[[[[…]]]]]"),
        (list(range(20)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …]"),
        (True, "True"),
        (None, "None"),
        (-0.0, "-0.0"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_a_value_is_shown_whatever_its_size(value: Any, text: str) -> None:
    assert shown(value) == text
    assert len(shown([value] * 99)) <= 200


@given(values, st.integers(2, 300))
def test_what_is_shown_is_short_and_one_line(value: Any, most: int) -> None:
    assert len(shown(value, most)) <= most
    assert len(shown(value, most).splitlines()) <= 1


def test_a_great_result_is_a_wrong_one_and_costs_no_other(runner: Runner) -> None:
    jobs = [Job(f"def f(x): return {text}", "f", (Case((1,), 2),)) for text in ("10**5000", "2", "[10**5000]")]
    jobs.append(Job("def f(x):\n    a = []\n    for _ in range(400): a = [a]\n    return a", "f", (Case((1,), 2),)))
    verdicts = list(runner.check_all(jobs))
    assert [verdict.passed for verdict in verdicts] == [False, True, False, False]
    assert verdicts[0].why == "case 1: <an integer of 16610 bits> instead of 2"


HONEST = {
    "pickling an own class": (
        "import pickle, copyreg\nclass A:\n    def __init__(self): self.x = 1\n"
        "assert pickle.loads(pickle.dumps(A())).x == 1"
    ),
    "its own module": "import sys\nx = 5\nassert sys.modules[__name__].x == 5",
    "deep copies of slots": (
        "import copy\nclass A:\n    __slots__ = ('x',)\na = A()\na.x = [1]\nassert copy.deepcopy(a).x == [1]"
    ),
    "flags of descriptors": "import fcntl, os\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETFL, os.O_NONBLOCK)",
    "temporary folder": "import tempfile\nwith tempfile.TemporaryDirectory() as t: open(t + '/f', 'w').write('x')",
    "paths": "from pathlib import Path\nPath('a').resolve()",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nassert A(1) == A(1)",
    "event loop": "import asyncio\nasync def f(): return 1\nassert asyncio.run(f()) == 1",
    "unittest": (
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(1, 1)\n"
        "unittest.main(argv=['x'], exit=False)"
    ),
    "decimal": "from decimal import Decimal\nassert Decimal('0.1') + Decimal('0.2') == Decimal('0.3')",
    "time": "import time, datetime\ntime.sleep(0.01); datetime.datetime.now()",
    "random": "import random, secrets, uuid\nrandom.seed(); secrets.token_hex(); uuid.uuid4()",
    "sqlite": "import sqlite3\nsqlite3.connect(':memory:').execute('select 1')",
    "main guard": "if __name__ == '__main__':\n    pass\nelse:\n    raise SystemError",
    "getsource": "import inspect\ndef f(): pass\nassert 'def f' in inspect.getsource(f)",
}


@pytest.mark.parametrize("name", list(HONEST))
def test_honest_programs_work(runner: Runner, name: str) -> None:
    execution = runner.run(HONEST[name])
    assert (execution.status, str(execution.error)) == ("finished", "None")


def test_input_and_output_are_carried(runner: Runner) -> None:
    execution = runner.run(
        "import sys\nprint(input()[::-1])\nprint(sys.stdin.read(), file=sys.stderr)", stdin="abc\nrést"
    )
    assert (execution.stdout, execution.stderr) == ("cba\n", "rést\n")


def test_the_order_of_sets_is_the_same_in_every_run(runner: Runner) -> None:
    code = "print(list({'a', 'b', 'c', 'd', 'e', 'f'}))"
    first = runner.run(code).stdout
    runner.close()
    assert runner.run(code).stdout == first


def test_each_call_has_its_own_result(runner: Runner) -> None:
    code = "def f(x):\n    return 10 // x"
    results = runner.call(code, "f", [(5,), (0,), (3,)]).results
    assert [results[0], results[2]] == [Value(2), Value(3)]
    assert getattr(results[1], "type", "") == "ZeroDivisionError"


def test_a_verdict_says_which_case_failed(runner: Runner) -> None:
    verdict = runner.check(Job("def f(x): return x * x", "f", (Case((2,), 4), Case((3,), 6))))
    assert (verdict.passed, verdict.cases) == (False, (True, False))
    assert verdict.why == "case 2: 9 instead of 6"


def test_many_threads_share_a_runner() -> None:
    jobs = [Job(f"def f(x): return x + {number}", "f", (Case((1,), 1 + number),)) for number in range(40)]
    with Runner(workers=2) as shared:
        assert all(verdict.passed for verdict in shared.check_all(jobs))
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(lambda job: shared.check(job).passed, jobs))


def test_a_runner_can_be_used_after_closing() -> None:
    made = Runner(workers=1)
    made.close()
    assert made.run("").status == "finished"
    made.close()


def test_code_beyond_all_measure_is_refused(runner: Runner) -> None:
    assert runner.run("x" * (1 << 21)).status == "error"


def test_limits_are_for_each_run(runner: Runner) -> None:
    patient = Limits(cpu_seconds=30, wall_seconds=60)  # a busy machine takes seconds to clear so much memory
    assert runner.run("x = bytearray(200 << 20)", limits=patient).status == "finished"
    assert runner.run("x = bytearray(200 << 20)", limits=replace(patient, memory_mb=128)).status == "memory"


def test_the_protections_were_seen_to_hold(runner: Runner) -> None:
    assert runner.protections.enough
    assert runner.protections.active >= frozenset(NAMES) - {"user"}


def test_without_walls_it_refuses_and_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "walls", list)
    with pytest.raises(GatllmError, match=r"no sufficient sandbox.*gatllm\[sandbox\]"):
        Runner()


def test_walls_with_a_hole_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    leaky = Protections("leaky", frozenset(NAMES) - {"network"})
    monkeypatch.setattr(runner_module, "probe", lambda worker, name: leaky)
    with pytest.raises(GatllmError, match="no protection of network"):
        Runner()
    assert not leaky.enough
    assert leaky.missing == ["network"]


def test_the_weak_way_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "walls", list)
    with Runner(workers=1, weak=True) as weak:
        assert "reading" in weak.protections.missing
        assert "memory" in weak.protections.active
        assert weak.check(Job("def f(x): return x", "f", (Case((1,), 1),))).passed
        assert weak.run("while True: pass").status == "timeout"


def test_what_is_to_be_done_at_the_end_is_done(runner: Runner) -> None:
    code = "import atexit\natexit.register(print, 'first')\natexit.register(print, 'last')\nprint('body')"
    assert runner.run(code).stdout == "body\nlast\nfirst\n"
    execution = runner.run(code + "\nraise ValueError")
    assert (execution.status, execution.stdout) == ("error", "body\nlast\nfirst\n")
    assert runner.run("import atexit, time\natexit.register(time.sleep, 99)").status == "timeout"
    broken = runner.run("import atexit\natexit.register(lambda: 1 / 0)")
    assert (broken.status, "ZeroDivisionError" in broken.stderr) == ("finished", True)


def test_a_class_of_a_function_s_program_is_pickled_too(runner: Runner) -> None:
    code = "import pickle\nclass A: pass\ndef f(): return type(pickle.loads(pickle.dumps(A()))).__name__"
    assert runner.call(code, "f", [()]).results == [Value("A")]
