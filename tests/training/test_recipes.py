"""Every recipe that comes with the package loads, fits its objective, and says what to expect."""

import json
from pathlib import Path

import pytest

from gatllm.models import build, config_from_dict
from gatllm.models.conversion import to_transformers
from gatllm.models.tuned import PretrainedConfig
from gatllm.tokenizers import load as load_tokenizer
from gatllm.training import Recipe, train
from gatllm.training.recipe import available

NAMES = sorted(available())
TUNED = {"chat", "gpt2"}  # they train a pretrained model on the user's data
REINFORCED = {"reinforce-alphabetize"}  # the model is that of the run that it begins with
NATIVE = sorted(set(NAMES) - TUNED - REINFORCED)
OURS = {"chat-small"}  # trains a model of our own on the user's data
KINDS = {"causal": "gpt", "chat": "gpt", "seq2seq": "seq2seq", "tagging": "discriminator"}


def model_of(recipe: Recipe) -> dict[str, object]:
    return {"kind": KINDS[recipe.objective], "vocabulary": 100, **recipe.model}


def test_the_recipes_of_the_mission_are_there() -> None:
    assert {"alphabetize", "shakespeare", "shakespeare-bpe", "python-small", "generator-small"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_loads_and_its_model_is_valid(name: str, tmp_path: Path) -> None:
    recipe = Recipe.load(name)
    assert recipe.name == name
    assert recipe.about
    # docs/review.md says what the discriminator gives; what the others give is up to the data.
    assert recipe.expect is not None or name in {"discriminator", *TUNED, *REINFORCED, *OURS}
    if name in REINFORCED:
        assert recipe.objective == "policy"
    elif name in TUNED:
        assert PretrainedConfig.model_validate(recipe.model).base
    else:
        assert config_from_dict(model_of(recipe)).kind == KINDS[recipe.objective]
    (tmp_path / "again.toml").write_text(recipe.to_toml())
    assert Recipe.load(tmp_path / "again.toml") == recipe


@pytest.mark.parametrize("name", NATIVE)
def test_what_a_recipe_trains_can_be_exported(name: str) -> None:
    to_transformers(build(config_from_dict(model_of(Recipe.load(name)))))


def test_a_base_of_our_own_goes_on_with_conversations(tmp_path: Path) -> None:
    text, chats = tmp_path / "code.txt", tmp_path / "chats.json"
    text.write_text("def add(first, second):\n    return first + second\n" * 200)
    chats.write_text(json.dumps({f"what is {number} and {number}?": str(2 * number) for number in range(24)}))
    small = {"model.layers": 1, "model.width": 32, "train.threads": 1, "train.precision": "fp32", "train.samples": 0}
    base = Recipe.load("python-small", {**small, "data.source": str(text), "train.minutes": None, "train.steps": 3})
    begun = train(base, tmp_path / "base")
    wanted = Recipe.load(
        "chat-small", {**small, "data.source": str(chats), "start": str(begun.path), "train.epochs": 4}
    )
    run = train(wanted, tmp_path / "chat")
    losses = [entry["loss"] for entry in run.events("step")]
    assert losses[-1] < losses[0]
    assert load_tokenizer(run.path).fingerprint() == load_tokenizer(begun.path).fingerprint()
