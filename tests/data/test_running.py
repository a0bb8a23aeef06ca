"""Running: a file that fails in the sandbox is told from one that runs, with its error."""

from pathlib import Path

import pytest

from gatllm.data import Judge, check_paths, running
from gatllm.errors import GatllmError


def test_what_fails_is_scored_with_its_error(tmp_path: Path) -> None:
    (tmp_path / "fine.py").write_text("ANSWER = sum(range(10))\n")
    (tmp_path / "raises.py").write_text('VALUE = int("x")\n')
    (tmp_path / "leaves.py").write_text("import os\n\nos._exit(0)\n")
    try:
        with running() as run:
            verdicts = list(check_paths([tmp_path], judge=Judge(run=run)))
    except GatllmError as error:
        pytest.skip(str(error))
    found = {verdict.file.origin.partition(":")[2]: [score.message for score in verdict.scores] for verdict in verdicts}
    assert found["fine.py"] == []
    assert "ValueError" in found["raises.py"][0]
    assert found["leaves.py"] == ["it ends its interpreter"]
    assert all(verdict.good for verdict in verdicts)
