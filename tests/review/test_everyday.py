"""Files broken as people break them, each with what its author meant: beside it, what pasting and old Python leave."""

from pathlib import Path

import pytest

from gatllm.review import compile_error, same_tree
from gatllm.review.default import SHIPPED, load_reviewer

FILES = sorted((Path(__file__).parent / "everyday").glob("*.txt"))

pytestmark = pytest.mark.skipif(not (SHIPPED / "model.safetensors").is_file(), reason="this tree ships no weights")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_was_meant_is_found(file: Path) -> None:
    broken, meant = file.read_text(encoding="utf-8").split("\n=====\n")
    assert compile_error(broken) is not None
    found = load_reviewer().fix(broken).likeliest  # written where it is likely enough
    assert same_tree(found, meant), found
