"""Our models in EleutherAI's lm-evaluation-harness, with its hundreds of tasks.

from lm_eval import simple_evaluate
simple_evaluate(model=harness_model("runs/mine"), tasks=["arc_easy"])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gatllm.errors import GatllmError
from gatllm.training.measures.subject import Subject, open_subject

_TOKENS = 256


def harness_model(model: str | Subject) -> Any:
    """Return a run or a pretrained model as the harness's ``LM``.

    Raises:
        GatllmError: the harness is not installed, or there is no such model.
    """
    try:
        from lm_eval.api.model import LM
    except ImportError:
        raise GatllmError("lm-evaluation-harness is not installed", "pip install lm-eval") from None
    subject = open_subject(model) if isinstance(model, str) else model

    class HarnessModel(LM):  # type: ignore[misc]
        """Answers the three kinds of request that the harness makes."""

        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            """Return the log-probability of each continuation, and whether it is the greedy one."""
            return [subject.score(*request.args) for request in requests]

        def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
            """Return the log-probability of each whole text."""
            return [-subject.nats(request.args[0])[0] for request in requests]

        def generate_until(self, requests: Sequence[Any]) -> list[str]:
            """Return what the model writes until a stop string."""
            return [_written(subject, *request.args) for request in requests]

    return HarnessModel()


def _written(subject: Subject, context: str, options: dict[str, Any]) -> str:
    stop = options.get("until") or ()
    temperature = float(options.get("temperature") or 0.0) if options.get("do_sample") else 0.0
    tokens = int(options.get("max_gen_toks") or _TOKENS)
    ends = (stop,) if isinstance(stop, str) else tuple(stop)
    return subject.write([context], tokens=tokens, temperature=temperature, stop=ends)[0][0][0]
