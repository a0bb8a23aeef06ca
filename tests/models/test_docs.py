"""docs/models.md knows every choice and every architecture."""

from pathlib import Path

import pytest

from gatllm.models import DiscriminatorConfig, GPTConfig, Seq2SeqConfig
from gatllm.models.conversion import TARGETS

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("config", [GPTConfig, Seq2SeqConfig, DiscriminatorConfig])
def test_every_key_is_documented(config: type[GPTConfig | Seq2SeqConfig | DiscriminatorConfig]) -> None:
    assert [key for key in config.model_fields if key != "kind" and f"`{key}`" not in PAGE] == []


def test_every_architecture_is_documented() -> None:
    names = {target.name.split("For")[0].removesuffix("LMHeadModel") for target in TARGETS}
    page = PAGE.replace("-", "").lower()
    assert [name for name in sorted(names) if name.lower() not in page] == []
