"""The page of rounds: each column explained, shares with their intervals, samples of code."""

from pathlib import Path

from gatllm.adversarial.page import COLUMNS, MEANINGS, write_page
from gatllm.adversarial.standing import Standing


def test_every_column_has_a_meaning() -> None:
    assert {name for _, name, _ in COLUMNS} == MEANINGS.keys()


def test_the_page_shows_intervals_and_code(tmp_path: Path) -> None:
    def standing(number: int) -> Standing:
        shares = {"samples_parse": 0.5, "samples_compile": 0.25, "samples_clean": 0.0}
        return Standing(number, 0.7, 0.1, 0.5, {"colon": 0.5}, loss=3.0, distinct=0.8, **shares)

    samples = {number: [{"text": f"def f{number}(): pass"}] * 8 for number in (0, 1, 2)}
    page = write_page(tmp_path, [standing(number) for number in (0, 1, 2)], [], samples, 100).read_text()
    assert "on 100 untouched functions" in page
    assert "10.0% (5.5% to 17.4%)" in page
    assert "a small model trained from nothing" in page
    assert "50.0% (22% to 78%)" in page
    assert "def f0(): pass" in page
    assert "def f2(): pass" in page
    assert "def f1(): pass" not in page
    assert "low, when it repeats itself" in page
    assert (tmp_path / "report" / "rounds.png").stat().st_size > 10_000


def test_without_a_generator_there_is_none_of_it(tmp_path: Path) -> None:
    page = write_page(tmp_path, [Standing(0, 0.7, 0.1, 0.5, {})], [], {}).read_text()
    assert "intervals" not in page
    assert "What it writes" not in page
