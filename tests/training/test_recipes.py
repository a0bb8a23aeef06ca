"""Every recipe that comes with the package loads, fits its objective, and says what to expect."""

from pathlib import Path

import pytest

from gatllm.models import config_from_dict
from gatllm.training import Recipe
from gatllm.training.recipe import available

NAMES = sorted(available())


def test_the_recipes_of_the_mission_are_there() -> None:
    assert {"alphabetize", "shakespeare", "shakespeare-bpe", "python-small", "generator-small"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_loads_and_its_model_is_valid(name: str, tmp_path: Path) -> None:
    recipe = Recipe.load(name)
    assert recipe.name == name
    assert recipe.about
    kinds = {"causal": "gpt", "seq2seq": "seq2seq", "tagging": "discriminator"}
    config = config_from_dict({"kind": kinds[recipe.objective], "vocabulary": 100, **recipe.model})
    assert config.kind == kinds[recipe.objective]
    (tmp_path / "again.toml").write_text(recipe.to_toml())
    assert Recipe.load(tmp_path / "again.toml") == recipe
