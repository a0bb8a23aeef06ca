"""The docs can't rot: every gatllm command in them must parse, every link must lead somewhere."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatllm.cli import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in re.findall(r"^\$ (?:\S+ \| )?(gatllm .*)$", block, re.MULTILINE):
                yield page.name, line


@pytest.mark.parametrize(("page", "line"), list(_commands()))
def test_every_command_in_the_docs_parses(page: str, line: str) -> None:
    tokens = shlex.split(line, comments=True)[1:]
    for end in ("|", ">", "2>", "&&"):
        tokens = tokens[: tokens.index(end)] if end in tokens else tokens
    app.parse_args(tokens, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_in_the_docs_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
    named |= set(re.findall(r"^\$ make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= targets


def test_the_places_for_what_is_new_are_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("## Where does it go?")[2].partition("\n## ")[0]
    named = re.findall(r"`((?:src|tests|docs|recipes)/[^`]*)`", table)
    assert len(named) > 40
    wanted = {name.rpartition("/")[0] if "NAME" in name else name for name in named}  # what is new stands beside others
    assert [name for name in sorted(wanted) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(("variable", "value"), [("GATLLM_EXPLAIN_RULE", "NOPE1"), ("GATLLM_TRAIN_SEED", "x")])
def test_options_are_read_from_the_environment_as_the_reference_says(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gatllm.cli import main

    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as ended:
        main(["explain"] if "EXPLAIN" in variable else ["train", "alphabetize"])
    assert ended.value.code
    assert value in capsys.readouterr().err


def test_the_command_line_reference_is_that_of_the_commands() -> None:
    from gatllm.cli.reference import reference

    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == reference(), "run: make docs"
