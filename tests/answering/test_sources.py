"""A source is what chance does not explain: planted records are found, common lines earn nothing."""

import ast
import random
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatllm.answering import Library
from gatllm.answering.sources import find_sources, similar_code
from gatllm.data import Contributor, Dataset
from gatllm.data.dataset import DatasetWriter

STDLIB = Path(sysconfig.get_paths()["stdlib"])
OWING_NOTHING = (
    "argparse",
    "ast",
    "inspect",
    "optparse",
    "tarfile",
    "ipaddress",
    "uuid",
    "socket",
    "locale",
    "imaplib",
)


def functions(code: str) -> Iterator[tuple[str, str]]:
    """Yield docstring and code of the functions of a module that are long enough to be somebody's."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef) and len(node.body) > 2:
            text = ast.get_source_segment(code, node) or ""
            if 300 < len(text) < 3000:
                yield ast.get_docstring(node) or "", text


def as_answer(code: str) -> str:
    """Say it as a generator would that was shown the record: another name, no docstring, laid out anew."""
    tree = ast.parse(code)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.name = "answer"
    if ast.get_docstring(function):
        function.body = function.body[1:]
    return f"You can do it like this:\n\n```python\n{ast.unparse(tree)}\n```\n\nIt handles the usual cases."


def test_the_record_that_was_answered_from_is_the_first_source(library: Library) -> None:
    planted = [(number, code) for number in range(len(library)) for _, code in functions(library.text(number).decode())]
    chosen = random.Random(3).sample(planted, 100)
    first = 0
    for number, code in chosen:
        found = find_sources(library, as_answer(code))
        first += bool(found) and found[0].origin == library.record(number).origin
    assert first >= 0.95 * len(chosen)


def test_a_question_in_other_words_retrieves_the_record(library: Library) -> None:
    asked = "How can I strip the indentation that all lines of a text have in common?"
    shown = library.retrieve(asked, 600)
    assert any(passage.name == "dedent" for passage in library.nearest(asked, 5))
    (dedent,) = (passage for passage in library.passages() if passage.name == "dedent")
    found = find_sources(library, as_answer(dedent.text), retrieved=[*shown, dedent])
    assert found[0].retrieved
    assert found[0].evidence[0].passage in library.text(dedent.document).decode()


def test_answers_that_owe_nothing_show_no_source(library: Library) -> None:
    strangers = [code for name in OWING_NOTHING for _, code in functions((STDLIB / f"{name}.py").read_text())]
    chosen = random.Random(5).sample(strangers, 200)
    shown = [code for code in chosen if find_sources(library, as_answer(code))]
    assert len(shown) <= 0.05 * len(chosen)


@pytest.fixture(scope="module")
def with_free_rider(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The data of a contributor, and that of someone who collects the lines that everybody writes."""
    root = tmp_path_factory.mktemp("free")
    lines: Counter[str] = Counter()
    for path in sorted(STDLIB.glob("*.py")):
        lines.update({line for line in path.read_text("utf-8", "replace").splitlines() if len(line.strip()) > 6})
    common = [line for line, modules in lines.items() if modules >= 6]
    rng = random.Random(1)
    (root / "rider").mkdir()
    with DatasetWriter(root / "rider", "positive", "rider") as writer:
        for number in range(300):
            text = "\n".join(rng.sample(common, 20))
            writer.add({"id": f"r{number}", "origin": f"r{number}.py", "licence": "MIT", "text": text})
        writer.finish(contributor=Contributor(name="Rider", wallet="0x" + "c" * 40))
    return Library.open([dataset, root / "rider"], root / "index")


def test_common_lines_earn_nothing(with_free_rider: Library, dataset: Path) -> None:
    rider = with_free_rider.roots[1]
    earned: Counter[str] = Counter()
    codes = [code for record in Dataset.open(dataset).records() for _, code in functions(record["text"])]
    for code in random.Random(2).sample(codes, 60):
        for source in find_sources(with_free_rider, as_answer(code)):
            earned[source.merkle_root] += source.fraction
    for name in OWING_NOTHING[:4]:
        for _, code in list(functions((STDLIB / f"{name}.py").read_text()))[:10]:
            for source in find_sources(with_free_rider, as_answer(code)):
                earned[source.merkle_root] += source.fraction
    assert earned[with_free_rider.roots[0]] > 50
    assert earned[rider] == 0


def test_what_two_hold_alike_is_divided(dataset: Path, tmp_path: Path) -> None:
    record = next(record for record in Dataset.open(dataset).records() if "textwrap" in record["origin"])
    (tmp_path / "copy").mkdir()
    with DatasetWriter(tmp_path / "copy", "positive", "copy") as writer:
        writer.add(record)
        writer.finish(contributor=Contributor(name="Copy", wallet="0x" + "d" * 40))
    both = Library.open([dataset, tmp_path / "copy"], tmp_path / "index")
    # A second copy makes a passage less rare: short ones have no source then, a long one has both.
    code = max((code for _, code in functions(record["text"])), key=len)
    found = find_sources(both, as_answer(code))
    assert {source.contributor for source in found} == {"Ada", "Copy"}
    assert [source.fraction for source in found] == [0.5, 0.5]


def test_similar_code_is_no_source(library: Library) -> None:
    text = "def f(text):\n    return [row.lstrip() for row in text.splitlines()]\n"
    answer = f"```python\n{text}```\n"
    assert find_sources(library, answer) == []
    similar = similar_code(library, "remove leading whitespace from every line", answer)
    assert similar[0].origin.endswith("textwrap.py")
    line = next(
        library.text(number).decode().splitlines()[similar[0].line - 1]
        for number in range(len(library))
        if library.record(number).origin == similar[0].origin
    )
    assert f"def {similar[0].name}" in line


def test_nothing_and_only_prose_have_no_source(library: Library) -> None:
    for text in ("", "Sorry, I do not know.", "```python\n```", "\0\0", "é" * 100, "x = 1\n" * 3):
        assert find_sources(library, text) == []
