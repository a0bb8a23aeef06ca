"""What the commands of `gatllm data` share: how a dataset is written, who brings it, how it is shown."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gatllm.cli.console import note, out, print_json, table
from gatllm.errors import UsageError

if TYPE_CHECKING:
    from gatllm.data import Contributor, Dataset

Many = Annotated[list[str] | None, Parameter(negative="", consume_multiple=True)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Writing:
    """How what is written takes its place, and what is told meanwhile."""

    replace: Annotated[bool, Parameter(negative="")] = False
    "Put it in the place of one that is there."
    quiet: bool = False
    "Show no progress."
    json: bool = False
    "Print JSON."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Contribution:
    """Who brings the data, and under which licence."""

    contributor: str = ""
    "Who brings the data."
    wallet: str = ""
    "The contributor's address on the chain."
    licence: str = ""
    "SPDX identifier of what states no licence itself."

    def person(self) -> Contributor:
        """Return the contributor as the manifest has it."""
        from gatllm.data import Contributor

        return Contributor(name=self.contributor, wallet=self.wallet)


WRITING, CONTRIBUTION = Writing(), Contribution()


def read_rules(file: Path | None) -> dict[str, str]:
    """Return the ``[rules]`` table of a TOML file."""
    if file is None:
        return {}
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"can't read the rules {file}: {error}", 'write [rules] with lines such as F841 = "score"'
        ) from None
    table_ = values.get("rules")
    if not isinstance(table_, dict) or not all(isinstance(value, str) for value in table_.values()):
        raise UsageError(f"{file} has no table [rules] of texts", 'write [rules] with lines such as F841 = "score"')
    return table_


def name_of(sources: Sequence[str]) -> str:
    """Return a dataset's name after the first of its sources."""
    first = sources[0].rpartition(":")[2]
    return Path(first).resolve().name.partition(".")[0] if "/" in first or first in {".", ".."} else Path(first).stem


def print_line(text: str) -> None:
    """Print a line on stdout whatever a file name in it holds."""
    out.print("".join(c if c.isprintable() else "�" for c in text), markup=False)


def print_dataset(dataset: Dataset, *, json: bool) -> None:
    """Print a manifest, as a table or as JSON."""
    manifest = dataset.manifest
    if json:
        print_json({"path": str(dataset.path), **manifest.model_dump()})
        return
    rows: list[tuple[str, object]] = [
        ("kind", manifest.kind),
        ("records", manifest.records),
        ("bytes", sum(shard.bytes for shard in manifest.shards)),
        ("sources", ", ".join(manifest.sources)),
        ("licences", ", ".join(f"{name} {count:,}" for name, count in manifest.licences.items())),
        ("rejected", ", ".join(f"{name} {count:,}" for name, count in manifest.rejected.items()) or "none"),
        (
            "contributor",
            " ".join(filter(None, (manifest.contributor.name, manifest.contributor.wallet))) or "not named",
        ),
        ("Merkle root", manifest.merkle_root),
    ]
    if manifest.stages:
        rows.insert(2, ("stages", " → ".join(manifest.stages)))
    if manifest.parent:
        rows.append(("made from", manifest.parent))
    table(str(dataset.path), ("what", "value"), [(name, f"{v:,}" if isinstance(v, int) else v) for name, v in rows])
    if unknown := manifest.licences.get("NOASSERTION"):
        note(f"{unknown:,} records state no licence; --licence names one, --licence-allow keeps only known ones")
