"""The generator of `benchmarks/infilling.py` learns a few functions by heart; what it writes depends on the gap."""

import random
from pathlib import Path
from typing import Any

import pytest

from gatllm.training.optimizer import Optimizer
from gatllm.training.tables import TrainTable

FUNCTIONS = (
    "def area(width, height):\n    product = width * height\n    return product + 1\n",
    "def longest(words):\n    best = ''\n    for word in words:\n        if len(word) > len(best):\n"
    "            best = word\n    return best\n",
    "def total(prices, rate):\n    result = sum(prices)\n    return result * (1 + rate)\n",
    "def turned(text):\n    letters = list(text)\n    letters.reverse()\n    return ''.join(letters)\n",
    "def counted(items, wanted):\n    found = 0\n    for item in items:\n        found += item == wanted\n"
    "    return found\n",
    "def clipped(value, low, high):\n    if value < low:\n        return low\n    return min(value, high)\n",
)
UPDATES = 250


@pytest.fixture
def infilling(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import infilling

    return infilling


def test_a_few_functions_are_learnt_by_heart(infilling: Any) -> None:
    import torch

    codes = [code for text in FUNCTIONS if (code := infilling.code_of(text)) is not None]
    words = sorted({lexeme for code in codes for lexeme in code.lexemes})
    design = infilling.Design(gaps=3, before=40, after=30, short_first=False, width=64, layers=1)
    filler = infilling.Filler(words, design)
    table = TrainTable(minutes=1, optimizer="muon", lr=5e-3, matrix_lr=0.02, warmup=0.02)
    optimizer = Optimizer(filler.model, table, products=torch.float32)
    rng = random.Random(1)
    for update in range(UPDATES):
        loss = filler.loss([(code, infilling.drawn(code, rng, design, 1.0)) for code in codes])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(filler.model.parameters(), 1.0)
        optimizer.set_rates(update / UPDATES)
        optimizer.step()
        optimizer.zero_grad()
    filler.model.eval()
    found = infilling.measure(filler, [(code, gap) for code in codes for gap in code.gaps])
    # A decoder that is not told what stands beside the gap writes the same lexeme into each: 8 of 82 tokens.
    for kind, least in (("token", 0.75), ("expression", 0.85), ("line", 0.85)):
        right, asked = found[kind]
        assert right >= least * asked, (kind, right, asked)


def test_what_is_kept_is_opened_as_it_was_designed(infilling: Any, tmp_path: Path) -> None:
    code = infilling.code_of(FUNCTIONS[1])
    design = infilling.Design(2, 40, 30, short_first=True, width=32, layers=2)
    filler = infilling.Filler(sorted(set(code.lexemes)), design)
    table = TrainTable(minutes=1, optimizer="adamw", lr=5e-3)
    infilling.save(filler, Optimizer(filler.model, table), 7, 1.5, tmp_path)
    again = infilling.opened(tmp_path)
    assert (again.words, again.design) == (filler.words, design)
    filler.model.eval()
    assert [again.fill(code, gap) for gap in code.gaps] == [filler.fill(code, gap) for gap in code.gaps]


def test_what_is_written_instead_is_never_what_was_there(infilling: Any) -> None:
    code = infilling.code_of(FUNCTIONS[1])
    words = sorted(set(code.lexemes) - {"best"})  # one that can only be copied
    filler = infilling.Filler(words, infilling.Design(3, 40, 30, short_first=False, width=32, layers=1))
    rng = random.Random(1)
    for gap in [gap for gap in code.gaps if gap.kind == "token"]:
        drawn = {filler.instead(code, gap, rng) for _ in range(20)}
        assert len(drawn) > 1
        assert not drawn & {code.lexemes[gap.start], "<pad>", "<end>", "<token>", "<expression>", "<line>"}


def test_what_stands_in_the_gap_is_not_seen(infilling: Any) -> None:
    code = infilling.code_of(FUNCTIONS[1])
    design = infilling.Design(gaps=3, before=200, after=200, short_first=False, width=32, layers=1)
    for gap in code.gaps:
        seen, marks = infilling.sight(code, [gap], design)
        assert seen[marks[gap]] == f"<{gap.kind}>"
        assert [*seen[: marks[gap]], *seen[marks[gap] + 1 :]] == [*code.lexemes[: gap.start], *code.lexemes[gap.stop :]]
