"""`gatllm serve` as far as the command goes; the service has tests of its own."""

from __future__ import annotations

import pytest

from gatllm.answering import Assistant, FakeGenerator
from gatllm.cli import main
from gatllm.review import Reviewer


def serve(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["serve", *arguments])
    return int(str(left.value.code))


def test_ctrl_c_is_how_a_service_ends(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gatllm.service.serve", interrupted)
    monkeypatch.setattr(
        "gatllm.answering.opening.open_assistant", lambda **_: Assistant(FakeGenerator("Hello."), Reviewer())
    )
    assert serve("--port", "0") == 0
    said = capsys.readouterr().err
    assert said.rstrip().endswith("stopped")
    assert "run the same command" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--host", "no-such-host.invalid"), "--host"),
        (("--port", "70000"), "no port 70000"),
        (("--paid",), "--paid needs --market"),
        (("--slots", "0"), "--slots"),
    ],
)
def test_mistakes_are_one_clear_line(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve(*arguments) in (1, 2)
    said = capsys.readouterr().err
    assert words in said
    assert len(said.strip().splitlines()) == 1
