"""Pretrained models in the one loop: text and answers, whole or by adapter, resumed exactly, opened by all."""

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from gatllm.errors import GatllmError, UsageError
from gatllm.models import ChatOptions, Completion, Message
from gatllm.models.chat_format import ChatFormat
from gatllm.models.tuned import is_tuned, load_lm, open_base
from gatllm.progress import Progress
from gatllm.proof import load_key, verify, write_proof
from gatllm.training import Recipe, Run, replay, train
from gatllm.training.objectives.chat import apart, rendered
from tests.models.tiny_lm import write_tiny_lm

TRAIN = {
    "steps": 12,
    "batch": 2,
    "optimizer": "adamw",
    "lr": 1e-2,
    "precision": "fp32",
    "threads": 1,
    "evaluations": 2,
    "samples": 1,
    "checkpoints": 4,
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_lm(tmp_path_factory.mktemp("base") / "lm")


def recipe(base: Path, data: Path, objective: str, **model: Any) -> Recipe:
    return Recipe.of(
        {
            "name": "tuned",
            "objective": objective,
            "data": {"source": str(data)},
            "model": {"kind": "pretrained", "base": str(base), "context": 32, **model},
            "train": TRAIN,
        }
    )


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "dataset.txt"
    file.write_text("def add(a, b):\n    return a + b\n\n\n" * 60)
    return file


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.json"
    file.write_text(json.dumps({"sky?": "blue", "grass?": "green", "snow?": "white"}))
    return file


def test_a_text_is_learnt_and_the_run_is_a_folder_of_transformers(base: Path, text: Path, tmp_path: Path) -> None:
    run = train(recipe(base, text, "causal").replace({"train.steps": 60}), tmp_path / "run")
    losses = [entry["loss"] for entry in run.events("validation")]
    assert losses[-1] < losses[0] / 2
    assert is_tuned(run.path)
    options = ChatOptions(max_new_tokens=12)
    ours = load_lm(run.path, dtype="float32").complete(["def add(a, b):\n"], options)
    assert "return a + b" in ours[0].text
    from transformers import AutoModelForCausalLM, AutoTokenizer

    theirs = AutoModelForCausalLM.from_pretrained(run.path)
    ids = AutoTokenizer.from_pretrained(run.path)("def add(a, b):\n", return_tensors="pt").input_ids
    said = theirs.generate(ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]
    assert AutoTokenizer.from_pretrained(run.path).decode(said).startswith(ours[0].text)


@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_a_run_that_stops_continues_to_the_same_bits(base: Path, chats: Path, tmp_path: Path, adapter: str) -> None:
    wanted = recipe(base, chats, "chat", adapter=adapter, rank=2)
    whole = train(wanted, tmp_path / "whole")

    def stop(progress: Progress) -> None:
        if progress.task == "training" and progress.done == 7:
            raise MemoryError

    with pytest.raises((MemoryError, GatllmError)):
        train(wanted, tmp_path / "stopped", report=stop)
    again = train(wanted, tmp_path / "stopped")
    assert again.events("end")[0]["weights_root"] == whole.events("end")[0]["weights_root"]
    assert replay(whole, 0, 3).weights_root == whole.events("checkpoint")[0]["weights_root"]
    answer = load_lm(whole.path, dtype="float32").generate([[{"role": "user", "content": "sky?"}]], ChatOptions())
    assert isinstance(answer[0].text, str)


_KILLED = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from gatllm.training import Recipe, train
def kill(event, fields):
    if event == "step" and fields["step"] == 11:
        os.kill(os.getpid(), signal.SIGKILL)
train(Recipe.load(sys.argv[1]), sys.argv[2], observe=kill)
"""


@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_killed_it_continues_to_the_same_bits_and_is_proven(
    base: Path, chats: Path, tmp_path: Path, adapter: str
) -> None:
    wanted = recipe(base, chats, "chat", adapter=adapter, rank=2).replace({"train.keep": 9})
    (tmp_path / "tuned.toml").write_text(wanted.to_toml())
    arguments = [sys.executable, "-c", _KILLED, str(tmp_path / "tuned.toml"), str(tmp_path / "killed")]
    done = subprocess.run(arguments, check=False, capture_output=True, env={**os.environ})
    assert done.returncode == -signal.SIGKILL, done.stderr
    whole, resumed = train(wanted, tmp_path / "whole"), train(wanted, tmp_path / "killed")
    assert resumed.events("resume")[0]["step"] == 9
    assert resumed.log[-1]["weights_root"] == whole.log[-1]["weights_root"]
    write_proof(resumed.path, load_key(tmp_path / "keys" / "trainer.key"))
    found = verify(resumed.path, datasets=[chats], depth="full")
    assert (found.outcome, found.failures) == ("verified", [])


def test_an_adapter_leaves_the_base_alone_and_is_small(base: Path, chats: Path, tmp_path: Path) -> None:
    run = train(recipe(base, chats, "chat", adapter="lora", rank=2), tmp_path / "run")
    assert all("lora_" in name for name in _names(run))
    assert (run.path / "adapter_config.json").is_file()


def _names(run: Run) -> list[str]:
    from gatllm.models.weights import load_weights

    return list(load_weights(run.path / "model.safetensors"))


def test_answers_are_learnt_after_the_very_prompt_that_is_asked_later(base: Path) -> None:
    tokenizer = open_base(str(base)).tokenizer
    form = ChatFormat(tokenizer)
    turns: list[Any] = [
        {"role": "user", "content": "sky?"},
        {"role": "assistant", "content": "blue"},
        {"role": "user", "content": "grass?"},
        {"role": "assistant", "content": "green"},
    ]
    ((ids, learnt),) = rendered(turns, form, tokenizer)
    said = tokenizer.decode([token for token, counts in zip(ids, learnt, strict=True) if counts])
    assert said == "blue<|im_end|>green<|im_end|>"
    assert ids[: learnt.index(True)] == form.encode(turns[:1])


def test_conversations_of_one_row_do_not_see_each_other(base: Path) -> None:
    from gatllm.models.tuned import PretrainedConfig, build_tuned

    model = build_tuned(PretrainedConfig(base=str(base)), seed=1).eval()
    first, second = torch.tensor([[5, 6, 7]]), torch.tensor([[8, 9, 10, 11]])
    items = torch.tensor([[0, 0, 0, 1, 1, 1, 1]])
    positions = torch.tensor([[0, 1, 2, 0, 1, 2, 3]])
    with torch.no_grad():
        together = model(torch.cat([first, second], 1), apart(items), positions)
        alone = model(second)
    torch.testing.assert_close(together[:, 3:], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_logits_where_they_are_wanted_are_those_of_all(base: Path, adapter: str) -> None:
    from gatllm.models.tuned import PretrainedConfig, build_tuned

    model = build_tuned(PretrainedConfig(base=str(base), adapter=adapter, rank=2), seed=1)  # type: ignore[arg-type]
    tokens, wanted = torch.tensor([[5, 6, 7], [8, 9, 10]]), torch.tensor([[True, False, True], [False, True, False]])
    with torch.no_grad():
        torch.testing.assert_close(model(tokens, None, None, wanted), model(tokens)[wanted])


def test_what_cannot_work_is_one_clear_line(base: Path, text: Path, chats: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="reads 128 tokens, not 500"):
        train(recipe(base, text, "causal", context=500), tmp_path / "run")
    with pytest.raises(GatllmError, match=r"no adapter for .*nowhere"):
        train(recipe(base, chats, "chat", adapter="lora", targets=["nowhere"]), tmp_path / "run2")
    with pytest.raises(GatllmError, match=r"no adapter for .*: it has no linear map named c_attn; .*q_proj"):
        train(recipe(base, chats, "chat", adapter="lora", targets=["q_proj", "c_attn"]), tmp_path / "run2")
    (tmp_path / "asked.jsonl").write_text('{"messages": [{"role": "user", "content": "sky?"}]}\n')
    with pytest.raises(GatllmError, match=r"no conversation of .*asked\.jsonl has an answer to learn"):
        train(recipe(base, tmp_path / "asked.jsonl", "chat"), tmp_path / "run2")
    with pytest.raises(GatllmError, match="text without answers"):
        train(recipe(base, text, "chat"), tmp_path / "run3")
    with pytest.raises(UsageError, match=r"unknown key model\.ranc; did you mean rank"):
        train(recipe(base, chats, "chat", ranc=3), tmp_path / "run4")


def test_a_base_without_a_chat_template_learns_answers_after_plain_lines(chats: Path, tmp_path: Path) -> None:
    base = write_tiny_lm(tmp_path / "plain", template=False)
    run = train(recipe(base, chats, "chat"), tmp_path / "run")
    losses = [entry["loss"] for entry in run.events("step")]
    assert losses[-1] < losses[0]
    answer = load_lm(run.path, dtype="float32").generate([[{"role": "user", "content": "sky?"}]], ChatOptions(4))
    assert isinstance(answer[0].text, str)


def test_the_space_that_a_plain_line_puts_before_an_answer_is_no_part_of_it(tmp_path: Path) -> None:
    base = write_tiny_lm(tmp_path / "plain", template=False)
    (tmp_path / "one.json").write_text(json.dumps({"sky?": "blue"}))
    wanted = recipe(base, tmp_path / "one.json", "chat").replace({"train.steps": 40, "train.lr": 1e-2})
    lm = load_lm(train(wanted, tmp_path / "run").path, dtype="float32")
    asked: list[Message] = [{"role": "user", "content": "sky?"}]
    *pieces, whole = lm.stream(asked, ChatOptions(12))
    assert "".join(map(str, pieces)) == cast(Completion, whole).text == "blue"
    assert lm.generate([asked] * 20, ChatOptions(12))[-1].text == "blue"


def test_a_loss_that_is_no_number_and_a_full_disk_lose_nothing(
    base: Path, chats: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = recipe(base, chats, "chat", adapter="lora", rank=2)
    with pytest.raises(GatllmError, match=r"not finite at step \d+ .*last good checkpoint"):
        train(wanted.replace({"train.lr": 1e30, "train.clip": 0.0}), tmp_path / "wild")

    # One update is enough to leave no finite weights: the validation finds it, and no checkpoint keeps them.
    last = wanted.replace({"train.lr": 1e38, "train.clip": 0.0, "train.steps": 1, "train.warmup": 0.0})
    with pytest.raises(GatllmError, match=r"validation is not finite after step 1 \(loss nan\); .*none yet"):
        train(last, tmp_path / "last")
    assert Run.open(tmp_path / "last").log[-1]["event"] == "failed"

    from gatllm.training import checkpoint

    save = checkpoint.save_weights

    def full(path: Path, *arguments: Any, **named: Any) -> None:
        if "step-00000006" in str(path):
            raise OSError(28, "No space left on device", str(path))
        save(path, *arguments, **named)

    monkeypatch.setattr(checkpoint, "save_weights", full)
    with pytest.raises(GatllmError, match="No space left"):
        train(wanted, tmp_path / "run")
    monkeypatch.undo()
    whole, resumed = train(wanted, tmp_path / "whole"), train(wanted, tmp_path / "run")
    assert resumed.log[-1]["weights_root"] == whole.log[-1]["weights_root"]


def test_the_command_is_the_short_form(
    base: Path, chats: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from gatllm.cli import main

    arguments = ["finetune", str(base), str(chats), "--out", str(tmp_path / "out"), "--steps", "2", "--block", "32",
                 "--prompt", "sky?", "--json", "--quiet"]  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert json.loads(capfd.readouterr().out)["metrics"]["held_out"] == 0
    assert (tmp_path / "out" / "report" / "report.md").is_file()


def test_our_own_model_learns_conversations(chats: Path, tmp_path: Path) -> None:
    values = {
        "name": "chat",
        "objective": "chat",
        "data": {"source": str(chats)},
        "tokenizer": {"size": 300},
        "model": {"layers": 1, "heads": 2, "width": 16, "context": 64},
        "train": {**TRAIN, "optimizer": "muon"},
    }
    run = train(Recipe.of(values), tmp_path / "run")
    losses = [entry["loss"] for entry in run.events("step")]
    assert losses[-1] < losses[0]


def test_the_commands_open_the_run(
    base: Path, chats: Path, text: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from gatllm.cli import main

    train(recipe(base, text, "causal").replace({"train.steps": 1}), tmp_path / "text")
    train(recipe(base, chats, "chat", adapter="lora", rank=2).replace({"train.steps": 1}), tmp_path / "chat")
    for run, count in ((tmp_path / "text", 4), (tmp_path / "chat", 4)):
        with pytest.raises(SystemExit) as ended:
            main(["sample", str(run), "def", "sky?", "--n", "2", "--tokens", "3", "--json"])
        assert ended.value.code == 0
        assert len(json.loads(capfd.readouterr().out)) == count
    with pytest.raises(SystemExit) as ended:
        main(["export", str(tmp_path / "chat"), "--out", str(tmp_path / "export"), "--json"])
    assert ended.value.code == 0
    ours = load_lm(tmp_path / "chat", dtype="float32").complete(["def"], ChatOptions(max_new_tokens=4))
    assert load_lm(tmp_path / "export", dtype="float32").complete(["def"], ChatOptions(max_new_tokens=4)) == ours


def test_exported_it_is_opened_by_others(
    base: Path, chats: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The merged folder by transformers, the adapter by peft, the GGUF file by the reader of transformers."""
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from gatllm.cli import main

    run = train(recipe(base, chats, "chat", adapter="lora", rank=2), tmp_path / "run").path
    for form in ("merged", "adapter", "gguf"):
        with pytest.raises(SystemExit) as ended:
            main(["export", str(run), "--form", form, "--out", str(tmp_path / form), "--json"])
        assert ended.value.code == 0, capfd.readouterr().err
    tokens = torch.tensor([load_lm(run).encode("def add(a, b):")])
    ours = load_lm(run, dtype="float32").model
    plain = open_base(str(base)).model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by names that will change
        adapted = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter")
    packed = {"pretrained_model_name_or_path": tmp_path / "gguf", "gguf_file": "model.gguf"}
    with torch.no_grad():
        wanted = ours(tokens).logits
        assert not torch.allclose(wanted, plain(tokens).logits, atol=1e-4)
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
        torch.testing.assert_close(merged(tokens).logits, wanted)
        torch.testing.assert_close(adapted(tokens).logits, wanted, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(
            AutoModelForCausalLM.from_pretrained(**packed, dtype=torch.float32)(tokens).logits,
            wanted,
            atol=5e-2,
            rtol=5e-2,
        )
    again = AutoTokenizer.from_pretrained(**packed)
    assert again("def add(a, b):\n  é").input_ids == load_lm(run).tokenizer("def add(a, b):\n  é").input_ids
    assert again.convert_tokens_to_ids("<|im_end|>") == load_lm(run).tokenizer.eos_token_id


@pytest.mark.parametrize("objective", ["chat", "causal"])
def test_sampled_from_its_exports_it_says_what_the_run_says(
    objective: str,
    chats: Path,
    text: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the base has no chat template, so that nothing but the run knows how it was asked."""
    from gatllm.cli import main

    for module in ("pretrained", "tuned"):  # an adapter that lies beside bf16 weights rounds differently
        monkeypatch.setattr(f"gatllm.models.{module}.best_dtype", lambda *_: torch.float32)
    base = write_tiny_lm(tmp_path / "lm", template=False)
    data = chats if objective == "chat" else text
    wanted = recipe(base, data, objective, adapter="lora", rank=2).replace({"train.steps": 1})
    run = train(wanted, tmp_path / "run").path

    def call(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capfd.readouterr()
        assert ended.value.code == 0, printed.err
        return printed.out

    said = call("sample", str(run), "sky?", "--tokens", "12", "--temperature", "0", "--quiet")
    assert said.strip()
    asked: list[Message] = [{"role": "user", "content": "sky?"}]
    for form in ("merged", "adapter", "gguf"):
        call("export", str(run), "--form", form, "--out", str(tmp_path / form), "--json")
        again = call("sample", str(tmp_path / form), "sky?", "--tokens", "12", "--temperature", "0", "--quiet")
        if form == "gguf":  # in fp16: a token that is as likely as another may be the other
            assert again.startswith("sky?") == said.startswith("sky?")
            assert load_lm(tmp_path / form).count_tokens(asked) == load_lm(run).count_tokens(asked)
        else:
            assert again == said, form
    vectors = json.loads(call("embed", str(tmp_path / "merged"), "one", "two", "--json"))
    assert vectors["shape"] == [2, 32]


def test_a_small_gpt2_that_names_the_end_of_the_large_one(tmp_path: Path, base: Path) -> None:
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path / "lm")
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=32, n_embd=16, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "lm")  # its eos_token_id is 50256
    lm = load_lm(tmp_path / "lm", dtype="float32")
    assert len(lm.complete(["a", "a longer one"], ChatOptions(max_new_tokens=3))) == 2
