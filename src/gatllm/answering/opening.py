"""An assistant by the names of its parts, as the command line and the service open it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gatllm.answering.assistant import Assistant
from gatllm.answering.checking import CodeReviewer
from gatllm.answering.confidence import ConfidenceModel
from gatllm.answering.correctness import shipped
from gatllm.answering.council import Council, Identity, Node, read_address, seats
from gatllm.answering.data_requests import DataRequestFile
from gatllm.answering.generators import load_generator
from gatllm.answering.library import Library, store_folder
from gatllm.answering.threshold import Reliability
from gatllm.data import Dataset, build
from gatllm.editor.targeting import TargetReviewer
from gatllm.errors import GatllmError
from gatllm.models import ChatGenerator, ChatOptions
from gatllm.models.pretrained import QWEN_CODER, PretrainedLM
from gatllm.progress import Report, silent
from gatllm.records import sha256
from gatllm.review.careful import LONGEST, LanguageModel
from gatllm.review.default import load_reviewer
from gatllm.sandbox import Runner

RETRIEVAL = 400  # tokens of contributed code that a prompt may bring along: three short functions


def open_assistant(
    *,
    model: str | None = None,
    small: bool = False,
    data: Sequence[Path] = (),
    discriminator: Path | None = None,
    data_requests: Path | None = None,
    options: ChatOptions | None = None,
    council: Sequence[str] = (),
    retrieval: bool = True,
    generator: ChatGenerator | None = None,
    target_version: str = "",
    report: Report = silent,
) -> Assistant:
    """Return an assistant.

    Args:
        model: see `load_generator`.
        small: see `load_generator`.
        data: dataset folders; none: what `find_datasets` finds, else the standard library, built into the cache.
        discriminator: a run folder; None: see `review.default`.
        data_requests: the file of prompts below the threshold; None: ``data_requests.jsonl`` here.
        options: how to generate.
        council: addresses of the members that have to agree (see `read_address`); or one number above 1: the generator
            sits in a council with itself, each member with its own seed, and answers are drawn (temperature 0.8 where
            ``options`` say greedy).
        retrieval: show the generator code of contributed datasets that is near the prompt (the standard library, which
            stands in where there are none, is nothing it has to be shown).
        generator: one that is already loaded, instead of ``model``.
        target_version: the Python that written code is for (``py310``); "": the one that runs here.
        report: told how far the work is.

    Raises:
        GatllmError: a part can't be had.
    """
    contributed = list(data) or find_datasets()
    library = Library.open(contributed or [_standard_library(report)], report=report)
    loaded = load_reviewer(discriminator)
    calibration = store_folder() / f"calibration-{library.roots[0][:24]}.json"
    alone = len(council) == 1 and council[0].isdecimal()
    runner = open_sandbox()
    if council and not alone:
        chosen: ChatGenerator = Council([read_address(address) for address in council])
    else:
        chosen = generator or load_generator(model, small=small, report=report)
    # The generator is loaded anyway: let it choose where several repairs may be written, if it is the one that this was
    # measured with. A token has a byte at least.
    measured = isinstance(chosen, PretrainedLM) and chosen.name == Path(QWEN_CODER.name).stem
    if isinstance(chosen, PretrainedLM) and measured and chosen.context > LONGEST:
        loaded = loaded.careful(LanguageModel.of(chosen))
    reviewer: CodeReviewer = TargetReviewer(loaded, target_version) if target_version else loaded
    if alone and int(council[0]) > 1:
        chosen = Council(
            seats(Node(chosen.name, Identity.generate(), chosen, reviewer, runner=runner), int(council[0]))
        )
        if options is not None and options.temperature == 0:
            options = replace(options, temperature=0.8)
    return Assistant(
        chosen,
        reviewer,
        library,
        confidence=ConfidenceModel.cached(library, calibration, report=report),
        reliability=Reliability(store_folder() / f"reliability-{sha256(chosen.name.encode())[:16]}.json"),
        data_requests=DataRequestFile(data_requests or Path("data_requests.jsonl")),
        options=options,
        correctness=shipped(),
        retrieval=RETRIEVAL if retrieval and contributed else 0,
        runner=runner,
        **({"breadth": 0} if isinstance(chosen, Council) else {}),
    )


def open_sandbox() -> Runner | None:
    """Return a sandbox; None where this machine has no sufficient one: nothing is run then, and the answer says so."""
    try:
        return Runner(workers=1)
    except GatllmError:
        return None


def find_datasets(folder: Path = Path("datasets")) -> list[Path]:
    """Return the dataset folders in ``folder`` whose records answers can come from (negative ones hold errors)."""
    found = []
    for manifest in sorted(folder.glob("*/manifest.json")):
        try:
            dataset = Dataset.open(manifest.parent)
        except GatllmError:
            continue
        if dataset.manifest.kind != "negative" and len(dataset):
            found.append(manifest.parent)
    return found


def _standard_library(report: Report) -> Path:
    """Return a dataset of the running interpreter's library: what is always there to compare with."""
    version = ".".join(map(str, sys.version_info[:3]))
    place = store_folder() / f"stdlib-{version}"
    if not (place / "manifest.json").is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        build("stdlib", place, replace=True, report=report)
    return place
