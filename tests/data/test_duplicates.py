"""Duplicates: exact and near ones are found, different texts are not."""

from gatllm.data.duplicates import Duplicates

TEXT = "\n".join(f"value_{number} = compute({number})" for number in range(200))


def test_exact_and_near_duplicates_name_the_first() -> None:
    duplicates = Duplicates(0.9)
    assert duplicates.add(TEXT, "a") is None
    assert duplicates.add(TEXT, "b") == ("duplicate", "a")
    assert duplicates.add(TEXT.replace("compute(7)", "compute(8)"), "c") == ("near-duplicate", "a")
    assert duplicates.add(TEXT.replace("value", "other"), "d") is None


def test_without_a_threshold_only_exact_ones_count() -> None:
    duplicates = Duplicates(0)
    assert duplicates.add(TEXT, "a") is None
    assert duplicates.add(TEXT + "\n", "b") is None
    assert duplicates.add(TEXT, "c") == ("duplicate", "a")


def test_short_texts_are_only_compared_exactly() -> None:
    duplicates = Duplicates(0.5)
    assert duplicates.add("import os\nimport sys\n", "a") is None
    assert duplicates.add("import os\nimport sys\nimport re\n", "b") is None
