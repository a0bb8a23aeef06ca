"""All text of a dataset or source, one piece after the other: what a tokenizer learns from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gatllm.data.dataset import Dataset
from gatllm.data.manifest import FILE_NAME
from gatllm.data.sources import open_source
from gatllm.data.verdicts.verdict import decode


def texts(source: str | Path) -> Iterator[str]:
    """Yield the texts of a dataset folder, or of any source (see `open_source`); what can't be decoded is passed over.

    Raises:
        UsageError: there is no such source.
        VerificationError: the dataset is damaged.
    """
    if (Path(source) / FILE_NAME).is_file():
        for record in Dataset.open(source).records():
            if "messages" in record:
                yield "\n".join(message["content"] for message in record["messages"])
            else:
                yield from (record[key] for key in ("prompt", "broken", "text") if record.get(key))
        return
    for item in open_source(str(source)):
        try:
            text = decode(item.read()) if item.language == "python" else item.read().decode("utf-8-sig")
        except (OSError, SyntaxError, UnicodeDecodeError, LookupError):
            continue
        yield f"{item.prompt}\n{text}" if item.prompt else text
