"""A run folder is enough to get the model back; what is missing or damaged is named."""

import json
import tomllib
from pathlib import Path

import pytest
import tomli_w
import torch

from gatllm.errors import GatllmError, UsageError
from gatllm.models import GPT, GPTConfig, build, load_run, save_weights

tokenizers = pytest.importorskip("gatllm.tokenizers")
if not hasattr(tokenizers, "train_characters"):
    pytest.skip("the tokenizers are not there yet", allow_module_level=True)


def write_run(folder: Path) -> GPT:
    tokenizer = tokenizers.train_characters(["hello world"])
    config = GPTConfig(vocabulary=tokenizer.size, layers=1, heads=2, width=8, context=8)
    model = build(config, seed=3)
    folder.mkdir()
    (folder / "recipe.toml").write_text(tomli_w.dumps({"model": config.model_dump(exclude_none=True)}))
    (folder / "tokenizer.json").write_text(tokenizer.to_json())
    save_weights(folder / "model.safetensors", model.state_dict())
    return model


def test_load_run(tmp_path: Path) -> None:
    model = write_run(tmp_path / "run")
    run = load_run(tmp_path / "run")
    tokens = torch.tensor([run.tokenizer.encode("hell")])
    assert torch.equal(model(tokens), run.model(tokens))
    assert not run.model.training
    assert run.recipe["model"]["kind"] == "gpt"


@pytest.mark.parametrize("name", ["recipe.toml", "tokenizer.json", "model.safetensors"])
def test_each_missing_or_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "run"
    write_run(folder)
    (folder / name).write_bytes(b"\xff{")
    with pytest.raises(GatllmError, match=name):
        load_run(folder)
    (folder / name).unlink()
    with pytest.raises(GatllmError, match=name):
        load_run(folder)


def test_another_tokenizer_of_the_same_size_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    own = (tmp_path / "run" / "tokenizer.json").read_text()
    fingerprint = tokenizers.load(tmp_path / "run" / "tokenizer.json").fingerprint()
    (tmp_path / "run" / "log.jsonl").write_text(json.dumps({"commitments": {"tokenizer": fingerprint}}) + "\n")
    load_run(tmp_path / "run")
    (tmp_path / "run" / "tokenizer.json").write_text(own.replace('"h"', '"j"'))
    with pytest.raises(GatllmError, match="not the tokenizer that the run was trained with"):
        load_run(tmp_path / "run")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_missing_device_is_an_error_that_says_so(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    with pytest.raises(UsageError, match="no device cuda"):
        load_run(tmp_path / "run", device="cuda")


def test_other_weights_and_other_places_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write_run(folder)
    recipe = tomllib.loads((folder / "recipe.toml").read_text())
    recipe["model"]["width"] = 16
    (folder / "recipe.toml").write_text(tomli_w.dumps(recipe))
    with pytest.raises(GatllmError, match=r"model.safetensors doesn't fit the model: .* instead of"):
        load_run(folder)
    (folder / "recipe.toml").write_text("")
    with pytest.raises(GatllmError, match=r"no \[model\] table"):
        load_run(folder)
    with pytest.raises(GatllmError, match="is not a run folder"):
        load_run(tmp_path / "nowhere")
