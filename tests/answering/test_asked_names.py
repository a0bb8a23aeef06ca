"""What a question takes for granted: parameters that a function lacks, functions that no module has."""

import pytest

from gatllm.answering import asked_names
from gatllm.answering.asked_names import mentioned


def missing(prose: str) -> list[str]:
    return [each.name for each in mentioned(prose) if not each.exists]


@pytest.mark.parametrize(
    ("prose", "name"),
    [
        ("What is the default value of the parameter `margin` of `textwrap.dedent`?", "textwrap.dedent(margin=…)"),
        ("What does the `pad` argument of math.sqrt() do?", "math.sqrt(pad=…)"),
        ("What does `sorted(x, reversed=True)` do?", "sorted(reversed=…)"),
        ("Can I call textwrap.dedent(text, margin=3) on an empty text?", "textwrap.dedent(margin=…)"),
        ("Was bedeutet der Parameter `margin` von `textwrap.dedent`?", "textwrap.dedent(margin=…)"),
        ("Which module of Python's standard library has the function `unstack_dict`?", "unstack_dict"),
        ("In which standard library module is `unstack_dict()` defined?", "unstack_dict"),
        ("How do I use `list.reverse_sorted()`?", "list.reverse_sorted"),
    ],
)
def test_what_does_not_exist_is_told(prose: str, name: str) -> None:
    assert missing(prose) == [name]


@pytest.mark.parametrize(
    "prose",
    [
        "What is the default value of the parameter `indent` of `json.dumps`?",
        "What does the parameter `made_up` of `json.dumps` do?",  # it takes any keyword and hands it on
        "What is the parameter `objects` of `print`?",  # the documentation's name of what the signature calls args
        "Does the parameter `x` of `numpy.sum` exist?",
        "What does the parameter `size` of `my_function` do?",
        "Write `make_rows(size=3)` with a parameter `size` for the number of rows.",
        "What does json.dumps(rows, indent=2) write?",
        "Call f(x=1) in `open(path, mode='w')`.",
        "Write a function sum(values, weights=None) that adds them up.",
        "Implement `filter(rows, where='x')`; the parameter `where` of `filter` is a column.",
        "Schreibe max(werte, gewicht=1).",
        "関数 max(x, weight=1) を書いてください。",
        "Add a parameter `strict` to `textwrap.dedent`.",
        "Which module of the standard library has `getcwdb`?",
        "Which standard library module has `ThreadPoolExecutor`?",
        "Which module of the standard library has `statistics`?",
        "Which module of the standard library should hold my function `unstack_dict`?",
        "Which package has `read_csv`?",  # any package may
        "Using the standard library alone, write a function `unstack_dict`.",
    ],
)
def test_what_exists_or_may_exist_is_left_alone(prose: str) -> None:
    assert missing(prose) == []


def test_nothing_is_said_of_functions_where_the_sources_are_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked_names, "_bound", lambda: frozenset({"print"}))
    assert missing("Which module of the standard library has `unstack_dict`?") == []


@pytest.mark.parametrize(
    "prose",
    [
        "which module parameter `x" * 4000 + "standard library" + "f(" * 4000,
        "a." * 30_000 + "f(x=1)",
        "What does the parameter `x` of " + "os." * 20_000 + "f do?",
        "f(" + "=" * 60_000,
        "sorted(" + "-" * 100_000 + "=1)",
        "`f(" + "x=" * 90 + ")`",
        "parameter" + " " * 60_000 + "`x`" + " " * 60_000 + "parameter",
    ],
)
def test_a_hostile_text_is_read_quickly_and_says_nothing(prose: str) -> None:
    assert missing(prose) == []
