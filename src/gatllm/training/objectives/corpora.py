"""Where text for training comes from: a file, a dataset folder, the standard library, or Shakespeare."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gatllm.data import Dataset, build, split_of
from gatllm.data.functions import functions
from gatllm.errors import GatllmError, UsageError
from gatllm.progress import Progress, Report
from gatllm.records import is_partial, merkle_root, sha256, write_file

_SHAKESPEARE_NAME = "tinyshakespeare.txt"
_SHAKESPEARE_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
_SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


@dataclass(frozen=True)
class Corpus:
    """Texts to train on and texts to validate on; ``root`` commits to all of them."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    root: str


def load_corpus(source: str, validation: float, report: Report, *, unit: str = "files") -> Corpus:
    """Read ``shakespeare``, ``stdlib``, a dataset folder, or a text file whose last part validates.

    With the unit ``functions`` the texts are the functions and methods of a dataset's code, dedented.

    Raises:
        UsageError: functions of something else than a dataset were asked for.
        GatllmError: it is missing, empty, not UTF-8, or nothing of it is left for validation.
    """
    path = Path(source)
    built_in = source == "shakespeare" and not stands_for_itself(path)
    if (path.is_dir() and not built_in) or source == "stdlib":
        return _from_dataset(open_dataset(source, report), unit)
    if unit != "files":
        raise UsageError(
            f"{source} is not a dataset of code", f"leave out data.unit = {unit}, or name a dataset folder"
        )
    if built_in:
        return _split_text(_shakespeare(report), validation, source)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise GatllmError(
            f"can't read {source}: {error.strerror}", "set data.source to a text file or a dataset folder"
        ) from None
    return _split_text(data, validation, source)


def _split_text(data: bytes, fraction: float, source: str) -> Corpus:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise GatllmError(f"{source} is not UTF-8 text", "convert it, or name another file") from None
    border = int(len(text) * (1 - fraction))
    if not text[:border] or not text[border:]:
        raise GatllmError(f"{source} is empty or too short to be divided", "name a longer text")
    return Corpus((text[:border],), (text[border:],), sha256(data))


def open_dataset(source: str, report: Report) -> Dataset:
    """Open the dataset folder ``source``; ``stdlib`` is built from the running interpreter when it is first asked for.

    Raises:
        GatllmError: there is no such dataset.
    """
    folder = Path(source)
    if source == "stdlib" and not stands_for_itself(folder):
        folder = _cache() / f"stdlib-{platform.python_version()}"
        if not folder.exists():
            return build("stdlib", folder, report=report)
    return Dataset.open(folder)


def stands_for_itself(path: Path) -> bool:
    """Tell whether a path that is called like something built in is meant: a file or a dataset, not any folder."""
    return path.is_file() or (path / "manifest.json").is_file()


def common_root(roots: Sequence[str]) -> str:
    """Return what commits to several datasets: the root of the only one, else the Merkle root over all, in order."""
    return roots[0] if len(roots) == 1 else merkle_root(bytes.fromhex(root) for root in roots)


def _from_dataset(dataset: Dataset, unit: str) -> Corpus:
    parts: dict[str, list[str]] = {"train": [], "validation": []}
    for record in dataset.records():
        if "messages" in record or record.get("prompt"):
            what = "conversations" if "messages" in record else "questions and answers"
            raise GatllmError(f"{dataset.path} holds {what}", 'set objective = "chat", which learns the answers alone')
        texts = [one.text for one in functions(record["text"])] if unit == "functions" else [record["text"]]
        parts[split_of(record["origin"])] += texts
    for name, texts in parts.items():
        if not any(texts):
            raise GatllmError(f"{dataset.path} has no records for {name}", "build a larger dataset")
    return Corpus(tuple(parts["train"]), tuple(parts["validation"]), dataset.manifest.merkle_root)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "gatllm"


def _shakespeare(report: Report) -> bytes:
    """Return tiny Shakespeare (public domain, as collected by A. Karpathy): from ``GATLLM_DATA``, cache or network."""
    cached = _cache() / _SHAKESPEARE_NAME
    named = os.environ.get("GATLLM_DATA")
    for place in ([Path(named) / _SHAKESPEARE_NAME] if named else []) + [cached]:
        if place.is_file() and not is_partial(place):
            data = place.read_bytes()
            if sha256(data) == _SHAKESPEARE_SHA256:
                return data
            raise GatllmError(f"{place} is not the text that was expected (SHA-256 differs)", "remove it and try again")
    report(Progress("download", 0, note=_SHAKESPEARE_URL))
    data = _download(_SHAKESPEARE_URL)
    if sha256(data) != _SHAKESPEARE_SHA256:
        raise GatllmError(
            f"{_SHAKESPEARE_URL} gave another text (SHA-256 differs)", f"put {_SHAKESPEARE_NAME} in GATLLM_DATA"
        )
    write_file(cached, data)
    return data


def _download(url: str) -> bytes:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=30) as answer:  # noqa: S310  # a constant https address
            body: bytes = answer.read()
            return body
    except (URLError, OSError) as error:
        raise GatllmError(
            f"can't download {url}: {error}", f"put {_SHAKESPEARE_NAME} in a folder and name it in GATLLM_DATA"
        ) from None
