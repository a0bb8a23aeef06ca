"""A source string becomes a stream of items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gatllm.data.languages import language_of
from gatllm.data.sources import archives, folders, licences, tables
from gatllm.data.sources.item import SourceFile
from gatllm.data.sources.tables import Columns
from gatllm.errors import GatllmError, UsageError

_TEXT = (".txt", ".md", ".rst")
_TABLES = {
    (".json",): tables.json_file,
    (".jsonl", ".ndjson"): tables.jsonl_file,
    (".csv", ".tsv"): tables.csv_file,
    (".parquet",): tables.parquet_file,
}


def open_source(
    source: str, *, columns: Columns | None = None, suffixes: Sequence[str] = (".py",), licence: str = ""
) -> Iterator[SourceFile]:
    """Yield the items of ``source`` in a stable order.

    A source is ``stdlib`` (the running interpreter's), ``dist:NAME`` (an installed package), ``hf:NAME[@SPLIT]`` (a
    🤗 data set), a folder or git checkout, a wheel, sdist, zip or tar file, a ``.json``, ``.jsonl``, ``.csv`` or
    ``.parquet`` file of questions and answers, a text file, or a source file.

    Args:
        source: one of these.
        columns: of tables: which hold question and answer.
        suffixes: of folders and archives: which files are wanted.
        licence: SPDX identifier of what states none itself.

    Raises:
        UsageError: there is no such source.
        GatllmError: it can't be read.
    """
    for item in _open(source, columns or Columns(), suffixes):
        if licence and item.licence == licences.UNKNOWN:
            yield replace(item, licence=licence)
        else:
            yield item


def _open(source: str, columns: Columns, suffixes: Sequence[str]) -> Iterator[SourceFile]:
    if source == "stdlib":
        return folders.standard_library()
    if source.startswith("dist:"):
        return folders.installed(source.removeprefix("dist:"), suffixes)
    if source.startswith("hf:"):
        return tables.hugging_face(source.removeprefix("hf:"), columns)
    path = Path(source)
    try:
        if source and path.is_dir():
            return folders.folder(path, suffixes)
        if path.is_file():
            return _file(path, columns, suffixes)
    except OSError as error:  # a name that is too long, a folder that can't be entered
        raise GatllmError(f"can't read {source}: {error.strerror}", "check the name and its permissions") from None
    raise UsageError(f"no source {source!r}", "name a folder, a file, `stdlib` or `dist:NAME`")


def _file(path: Path, columns: Columns, suffixes: Sequence[str]) -> Iterator[SourceFile]:
    name = path.name.lower()
    if name.endswith((*archives.ZIPS, *archives.TARS)):
        return archives.archive(path, suffixes)
    licence = licences.of_folder(path.parent)
    for endings, read in _TABLES.items():
        if name.endswith(endings):
            return read(path, licence, columns)
    if name.endswith(_TEXT):
        return tables.text_file(path, licence)
    return iter([SourceFile(f"{path.resolve().parent.name}:{path.name}", licence, path, language=language_of(name))])
