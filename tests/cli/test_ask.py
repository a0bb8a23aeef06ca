"""`gatllm ask` and `gatllm chat` with a real, tiny language model."""

import io
import json
from pathlib import Path

import pytest

from gatllm.answering import DataRequestFile
from gatllm.answering.council import read_address
from gatllm.cli import main
from gatllm.cli.ask import _with_stake
from gatllm.cli.market_options import MarketOptions
from gatllm.data import build
from gatllm.errors import UsageError
from gatllm.records import read_log
from tests.models.tiny_lm import write_tiny_lm


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ask")
    write_tiny_lm(root / "lm", context=2048)
    (root / "code").mkdir()
    for number in range(12):
        code = (
            "def step{0}(value):\n    '''Return the value raised by {0} steps of kind {1}.'''\n    return value + {0}\n"
        )
        (root / "code" / f"m{number}.py").write_text(code.format(number, "abcdefghijkl"[number] * 3))
    build(str(root / "code"), root / "datasets" / "steps")
    return root


@pytest.fixture(autouse=True)
def inside(tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tiny)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def gatllm(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


FAR = "Which wine goes with roast duck?"


def test_an_answer_shows_confidence_warning_and_verdict(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    requests, transcript = tmp_path / "requests.jsonl", tmp_path / "transcript.jsonl"
    options = ("--model", "lm", "--max-tokens", "5", "--data-requests", str(requests), "--transcript", str(transcript))
    assert gatllm("ask", *options, FAR) == 0
    shown = capfd.readouterr()
    assert "confidence 0%" in shown.err
    assert "warning: confidence" in shown.err
    assert "verdict: unchecked" in shown.err
    assert "the answer was cut off" in shown.err
    assert [one.prompt for one in DataRequestFile(requests).all()] == [FAR]
    assert read_log(transcript)[-1]["event"] == "answer"
    assert shown.out.rstrip("\n") == read_log(transcript)[-1]["text"].rstrip("\n")


def test_json_holds_everything(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ("--model", "lm", "--max-tokens", "3", "--json", "--data-requests", str(tmp_path / "w"))
    assert gatllm("ask", *options, "fix: def f(x) return x") == 0
    answer = json.loads(capfd.readouterr().out)
    assert answer["reviews"][0]["from_prompt"]
    assert answer["edits"][0]["text"].strip() == ":"
    assert answer["verdict"] == "real"
    assert answer["generator"] == "lm"


def test_several_answers_are_drawn_with_following_seeds(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ("--model", "lm", "--max-tokens", "8", "--temperature", "1", "-n", "2", "--json")
    assert gatllm("ask", *options, "--data-requests", str(tmp_path / "w"), "raise a value") == 0
    first, second = json.loads(capfd.readouterr().out)
    assert first["text"] != second["text"]


def test_who_wants_confident_answers_only_gets_none(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert gatllm("ask", "--model", "lm", "--only-confident", "--data-requests", str(tmp_path / "w"), FAR) == 1
    shown = capfd.readouterr()
    assert shown.out.strip() == ""
    assert "warning" in shown.err


def test_chat_asks_before_it_continues(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{FAR}\nn\n{FAR}\ny\n/new\n\n"))
    assert gatllm("chat", "--model", "lm", "--max-tokens", "4", "--data-requests", str(tmp_path / "w")) == 0
    shown = capfd.readouterr()
    assert shown.err.count("go on all the same?") == 2
    assert shown.err.count("verdict:") == 1


def test_ctrl_c_stops_an_answer_and_then_the_chat(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Keyboard(io.StringIO):
        def readline(self, *_: object) -> str:  # type: ignore[override]
            line = super().readline()
            if not line:
                raise KeyboardInterrupt
            return line

    calls = []

    def stream(self: object, prompt: str, *_: object, **__: object) -> object:
        calls.append(prompt)
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Keyboard("one\ntwo\n"))
    monkeypatch.setattr("gatllm.answering.Assistant.stream", stream)
    assert gatllm("chat", "--model", "lm", "--max-tokens", "4", "--data-requests", str(tmp_path / "w")) == 0
    assert calls == ["one", "two"]
    assert capfd.readouterr().err.count("this question is forgotten") == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("ask",), 2, "there is no question"),
        (("ask", "-n", "2", "hello"), 2, "gives no different answers"),
        (("ask", "--wishes", "w.jsonl", "hello"), 2, "is called --data-requests"),
        (("ask", "--model", "none/such.gguf", "hello"), 1, "is missing"),
        (("ask", "--model", "lm", "--data", "nowhere", "hello"), 1, "nowhere is not a dataset"),
        (("ask", "--model", "lm", "--max-tokens", "0", "hello"), 1, "max_new_tokens is 0"),
    ],
)
def test_mistakes_are_one_clear_line(
    arguments: tuple[str, ...], code: int, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert gatllm(*arguments) == code
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last


def test_a_council_leaves_a_decision_that_can_be_verified(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ("--model", "lm", "--max-tokens", "4", "--council", "3", "--json", "--data-requests", str(tmp_path / "w"))
    assert gatllm("ask", *options, "--transcript", str(tmp_path / "t.jsonl"), "raise a value") == 0
    answer = json.loads(capfd.readouterr().out)
    (kept,) = [entry for entry in answer["transcript"] if entry["event"] == "council"]
    kinds = [entry["message"]["kind"] for entry in kept["log"] if entry["event"] == "message"]
    assert kinds.count("Proposal") >= 6  # each is committed to, then opened
    assert gatllm("verify", str(tmp_path / "t.jsonl")) == 0
    assert "every commitment kept" in capfd.readouterr().out
    changed = (tmp_path / "t.jsonl").read_bytes().replace(b'"Vote"', b'"Veto"')
    (tmp_path / "t.jsonl").write_bytes(changed)
    assert gatllm("verify", str(tmp_path / "t.jsonl")) == 3


def test_a_stake_is_a_number_or_what_an_account_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    account = "0x" + "ab" * 20
    held = {account: 5 * 10**18 // 2}

    class Chain:
        def balance_of(self, address: str) -> int:
            return held.get(address, 0)

    monkeypatch.setattr(MarketOptions, "chain", lambda *_, **__: Chain())
    assert _with_stake("http://127.0.0.1:8101") == "http://127.0.0.1:8101"
    assert _with_stake("http://127.0.0.1:8101=2") == "http://127.0.0.1:8101=2"
    assert read_address(_with_stake(f"http://127.0.0.1:8101={account}")).stake == 2.5
    with pytest.raises(UsageError, match="holds nothing"):
        _with_stake("http://127.0.0.1:8101=0x" + "cd" * 20)
