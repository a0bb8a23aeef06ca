"""`gatllm sample` and `gatllm embed` on a run folder, as a user types them."""

import io
import json
from pathlib import Path

import pytest
import tomli_w
import torch

from gatllm.cli import main
from gatllm.models import DiscriminatorConfig, GPTConfig, ModelConfig, Seq2SeqConfig, build, load_weights, save_weights
from gatllm.tokenizers import train_characters

LETTERS = train_characters(["abcdefghijklmnopqrstuvwxyz "])


def write_run(folder: Path, kind: type[ModelConfig]) -> Path:
    config = kind(vocabulary=LETTERS.size, context=32, layers=1, heads=2, width=8, initialisation="orthogonal")
    folder.mkdir()
    (folder / "recipe.toml").write_text(tomli_w.dumps({"model": config.model_dump(exclude_none=True)}))
    (folder / "tokenizer.json").write_text(LETTERS.to_json())
    save_weights(folder / "model.safetensors", build(config, seed=1).state_dict())
    return folder


@pytest.fixture
def run(tmp_path: Path) -> str:
    return str(write_run(tmp_path / "run", GPTConfig))


def gatllm(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return stopped.value.code


def test_text_on_stdout_speed_on_stderr(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert gatllm("sample", run, "hello", "--tokens", "40") == 0
    first = capsys.readouterr()
    assert first.out.startswith("hello")
    assert "tokens/s" in first.err
    assert gatllm("sample", run, "hello", "--tokens", "40") == 0
    assert capsys.readouterr().out == first.out
    assert gatllm("sample", run, "hello", "--tokens", "40", "--seed", "1", "--quiet") == 0
    other = capsys.readouterr()
    assert not other.out.startswith("hello")
    assert other.err == ""


@pytest.mark.parametrize(("kind", "prompt", "cause"), [
    (GPTConfig, "ZZZ", "can't write 'ZZZ'"),
    (Seq2SeqConfig, "hello", "is not a model that continues text"),
])  # fmt: skip
def test_of_an_export_what_cannot_be_done_is_one_line(
    kind: type[ModelConfig], prompt: str, cause: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, folder = write_run(tmp_path / "run", kind), str(tmp_path / "export")
    assert gatllm("export", str(run), "--out", folder) == 0
    if kind is GPTConfig:
        texts = []
        for place in (str(run), folder):
            capsys.readouterr()
            assert gatllm("sample", place, "hello", "--tokens", "9", "--temperature", "0", "--quiet") == 0
            texts.append(capsys.readouterr().out)
        assert texts[1].strip().endswith(texts[0].strip())
    capsys.readouterr()
    assert gatllm("sample", folder, prompt, "--tokens", "9") == 1
    said = capsys.readouterr().err
    assert cause in said
    assert said.count("\n") == 1


def test_a_prompt_that_cannot_be_read_prints_nothing_but_the_error(
    run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gatllm("sample", run, "ZZZ") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "the character 'Z'" in said.err


def test_json_holds_every_answer(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert gatllm("sample", run, "hello", "a", "--n", "2", "--tokens", "5", "--json", "--logprobs", "2") == 0
    answers = json.loads(capsys.readouterr().out)
    assert [(answer["prompt"], answer["sample"]) for answer in answers] == [
        ("hello", 0), ("hello", 1), ("a", 0), ("a", 1)
    ]  # fmt: skip
    assert all(len(answer["logprobs"]) == len(answer["tokens"]) == len(answer["top_logprobs"]) for answer in answers)


def test_several_answers_and_standard_input(
    run: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from stdin"))
    assert gatllm("sample", run, "-", "--n", "2", "--tokens", "4") == 0
    assert capsys.readouterr().out.count("from stdin") == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("x", "--overflow", "error"), 1, "don't fit the context of 32"),
        (("x", "--top-p", "2"), 2, "sampling top_p"),
        (("x", "--bogus"), 2, "Unknown option: --bogus"),
        (("Ж",), 1, "is not in the tokenizer"),
    ],
)
def test_mistakes_are_one_line(
    run: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    assert gatllm("sample", run, *arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_what_kind_of_model_it_is_matters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    critic = write_run(tmp_path / "critic", DiscriminatorConfig)
    assert gatllm("sample", str(critic), "x") == 1
    assert "a discriminator writes no text" in capsys.readouterr().err
    writer = write_run(tmp_path / "writer", Seq2SeqConfig)
    assert gatllm("sample", str(writer)) == 2
    assert gatllm("sample", str(writer), "hello", "--tokens", "6") == 0
    assert gatllm("sample", str(tmp_path / "nowhere")) == 1


def test_embed(run: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert gatllm("embed", run, "hello", "hello", "other") == 0
    assert "1.000" in capsys.readouterr().out
    assert gatllm("embed", run, "hello", "a", "--json", "--tokens") == 0
    assert json.loads(capsys.readouterr().out)["shape"] == [2, 5, 8]
    target = tmp_path / "vectors.safetensors"
    assert gatllm("embed", run, "hello", "--out", str(target)) == 0
    vectors = load_weights(target)["embeddings"]
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(1))


def test_export(run: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "exported"
    assert gatllm("export", run, "--out", str(target), "--json") == 0
    assert json.loads(capsys.readouterr().out)["architecture"] == "NanoChatForCausalLM"
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {
        path.name for path in target.iterdir()
    }
    assert gatllm("export", run, "--out", str(target)) == 1
    assert "is already there" in capsys.readouterr().err
