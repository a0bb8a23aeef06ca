"""Opening an assistant by name: what is found, what is kept, what is computed again."""

from pathlib import Path

import pytest

from gatllm.answering import FakeGenerator, load_generator
from gatllm.answering.native import NativeGenerator, as_function
from gatllm.answering.opening import find_datasets, open_assistant
from gatllm.data import Dataset, build_negative
from gatllm.errors import GatllmError
from gatllm.models import ChatOptions, Completion, ContextOverflowError, Message, Seq2SeqConfig
from gatllm.models import build as build_model
from gatllm.models.pretrained import QWEN_CODER, PretrainedLM
from gatllm.models.weights import save_weights
from gatllm.tokenizers import train_bpe
from tests.models.tiny_lm import write_tiny_lm


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_datasets_with_errors_in_them_are_not_compared_with(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "good").symlink_to(dataset)
    build_negative(Dataset.open(dataset), tmp_path / "datasets" / "broken", limit=5)
    (tmp_path / "datasets" / "torn").mkdir()
    (tmp_path / "datasets" / "torn" / "manifest.json").write_text("{")
    assert [path.name for path in find_datasets()] == ["good"]
    ours = open_assistant(generator=FakeGenerator("hello"))
    assert ours.library is not None
    assert ours.library.roots == [Dataset.open(dataset).manifest.merkle_root]
    assert ours.ask("choose a random element").confidence is not None


@pytest.mark.parametrize(
    ("name", "context", "tier"),
    [("default", 8192, "careful"), ("default", 128, "fast"), ("another", 8192, "fast")],
)
def test_the_default_generator_chooses_among_repairs_and_no_other(
    dataset: Path, tmp_path: Path, name: str, context: int, tier: str
) -> None:
    folder = tmp_path / (Path(QWEN_CODER.name).stem if name == "default" else name)
    generator = PretrainedLM.load(write_tiny_lm(folder, context=context))
    ours = open_assistant(generator=generator, data=[dataset])
    assert ours.reviewer.fix("def f(a, b):\n    return g(h(a - b, 1)\n").tier == tier


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    tokenizer = train_bpe(["def add(a, b):\n    return a + b\n"] * 3, 300)
    config = Seq2SeqConfig(vocabulary=tokenizer.size, context=24, source_context=40, layers=1, heads=2, width=16)
    save_weights(folder / "model.safetensors", build_model(config).state_dict())
    (folder / "tokenizer.json").write_text(tokenizer.to_json())
    model = f'kind = "seq2seq"\nvocabulary = {tokenizer.size}\ncontext = 24\nsource_context = 40\n'
    (folder / "recipe.toml").write_text(f"[model]\n{model}layers = 1\nheads = 2\nwidth = 16\n")
    return folder


PROMPT: list[Message] = [{"role": "user", "content": "add numbers"}]


def test_a_run_of_our_own_answers_in_a_code_block(run: Path) -> None:
    generator = load_generator(run)
    assert isinstance(generator, NativeGenerator)
    *pieces, last = generator.stream(PROMPT, ChatOptions(max_new_tokens=10, temperature=1.0, seed=2))
    assert isinstance(last, Completion)
    assert "".join(map(str, pieces)) == last.text
    assert last.text.startswith("```python\n")
    assert last.text.endswith("\n```\n")
    assert len(last.token_logprobs) == last.completion_tokens <= 10
    assert generator.generate([PROMPT] * 2, ChatOptions(max_new_tokens=10, temperature=1.0, seed=2)) == [last, last]


def test_a_run_refuses_what_it_cannot_read(run: Path) -> None:
    with pytest.raises(ContextOverflowError, match="40"):
        next(load_generator(run).stream([{"role": "user", "content": "z" * 400}], ChatOptions()))
    (run / "tokenizer.json").unlink()
    with pytest.raises(GatllmError, match=r"tokenizer\.json"):
        load_generator(run)


def test_a_prompt_becomes_the_beginning_of_a_function() -> None:
    assert as_function("Write a function that adds numbers") == (
        'def adds_numbers(value):\n    """Write a function that adds numbers"""\n'
    )
    assert as_function("Finish:\ndef f(x):\n") == "def f(x):\n"
    assert compile(as_function('say """hi"""'), "x", "exec")
