"""What is shown while work continues."""

import pytest

from gatllm.cli.console import progress_report
from gatllm.progress import Progress


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Progress("loading model", 0), "  loading model …"),
        (Progress("tokenizer", 0, note="bpe"), "  tokenizer: bpe"),
        (Progress("reading", 3, unit="files"), "  reading: 3 files"),
        (Progress("check", 0, 1788, "files", "0 kept"), "  check: 0 of 1,788 files 0 kept"),
        (Progress("check", 1788, 1788, "files"), "  check: 1,788 of 1,788 files"),
    ],
)
def test_a_line_says_what_is_known(progress: Progress, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with progress_report() as report:
        report(progress)
    assert capsys.readouterr().err == line + "\n"
