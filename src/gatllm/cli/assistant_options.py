"""The options that `gatllm ask` and `gatllm chat` share: whose answers, compared with what, and how they are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gatllm.errors import UsageError

if TYPE_CHECKING:
    from gatllm.models import ChatOptions


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AssistantOptions:
    """Whose answers, compared with what, and how they are drawn."""

    model: str | None = None
    "A run folder, a Hugging Face folder or hub id, a GGUF file, or auto (the larger one where memory and time allow)."
    small: Annotated[bool, Parameter(negative=())] = False
    "Use the small chat generator."
    data: list[Path] | None = None
    "Dataset folders to compare with (default: those in datasets/, else the standard library)."
    discriminator: Path | None = None
    "Run folder of the discriminator (default: the one that ships with gatllm)."
    max_tokens: int = 400
    "The longest answer."
    temperature: float = 0.0
    "0 always takes the likeliest token."
    top_k: int = 0
    "Draw among so many likeliest tokens (0: all)."
    top_p: float = 1.0
    "Draw among the likeliest tokens that make up this probability."
    seed: int = 0
    "What everything random derives from."
    data_requests: Path = Path("data_requests.jsonl")
    "The file in which prompts below the threshold are kept, without addresses, keys and names of people's folders."
    wishes: Annotated[Path | None, Parameter(show=False)] = None  # until the next release

    def requests(self) -> Path:
        """Return the file of data requests."""
        if self.wishes is not None:
            raise UsageError(
                "--wishes is called --data-requests now",
                "rename it; the file has another form too, and a new one takes over a wishes.jsonl beside it",
            )
        return self.data_requests

    def chat_options(self, stop: tuple[str, ...] = ()) -> ChatOptions:
        """Return how answers are drawn."""
        from gatllm.models import ChatOptions

        return ChatOptions(self.max_tokens, self.temperature, self.top_k, self.top_p, self.seed, stop)
