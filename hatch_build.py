"""What a wheel must hold: contracts, page assets, weights and recipes, or it is not built."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NEEDED = {
    "src/gatllm/market/abi/*.json": "the contracts; run: python contracts/build.py",
    "src/gatllm/service/static/vendor/*": "the pages' assets; run: python web/build.py",
    "src/gatllm/review/weights/model.safetensors": "the discriminator's weights; restore them from version control",
    "src/gatllm/review/MODEL_CARD.md": "the weights' card; restore it from version control",
    "recipes/*.toml": "the recipes; restore them from version control",
}
# A checkout from which only check, fix, lsp and explain are wanted needs neither contracts nor pages. pre-commit
# clones the repository, makes its environment inside the clone and installs the clone into it: it wants just these.
SMALL = ("src/gatllm/market/abi/*.json", "src/gatllm/service/static/vendor/*")


def missing(root: Path, *, small: bool) -> list[str]:
    """Return what is not there and must be, each with its cure."""
    needed = {pattern: words for pattern, words in NEEDED.items() if not (small and pattern in SMALL)}
    return [words for pattern, words in needed.items() if not any(root.glob(pattern))]


class WheelIsWhole(BuildHookInterface):  # type: ignore[type-arg]
    """Stops the build of a wheel that would lack something."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatchling's interface
        """Raise before anything is packed; an editable installation may come before what set-up builds."""
        if version == "editable":
            return
        root = Path(self.root)
        small = os.environ.get("GATLLM_BUILD") == "small" or any(root.glob("py_env-*"))
        if lacking := missing(root, small=small):
            message = "this wheel would lack " + "; and ".join(lacking)
            raise RuntimeError(f"{message} (GATLLM_BUILD=small: only check, fix, lsp and explain)")
