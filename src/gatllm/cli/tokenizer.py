"""``gatllm tokenizer``: train one, inspect one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import App

from gatllm.cli.console import note, out, print_json, progress_report, table
from gatllm.cli.options import Quiet

if TYPE_CHECKING:
    from gatllm.tokenizers import Tokenizer

app = App(name="tokenizer", help="Train or inspect a tokenizer.")


@app.command
def train(
    sources: list[str],
    /,
    *,
    out: Path | None = None,
    kind: Literal["bpe", "characters", "sentencepiece"] = "bpe",
    size: int = 4096,
    max_merge_length: int | None = None,
    unknown: Literal["error", "replace"] = "error",
    quiet: Quiet = False,
    json: bool = False,
) -> None:
    """Learn a tokenizer from datasets, files, folders, `stdlib` or `dist:NAME`.

    Parameters
    ----------
    sources
        What to learn from.
    out
        The folder that gets a tokenizer.json; tokenizers/KIND-SIZE by default.
    kind
        Byte-level BPE, one id per character, or SentencePiece.
    size
        Number of ids, special tokens included (BPE, SentencePiece).
    max_merge_length
        BPE: longest token in bytes; 1 gives plain bytes.
    unknown
        Characters: refuse what was not seen, or replace it.
    json
        Print JSON.
    """
    from collections.abc import Iterator

    from gatllm import tokenizers
    from gatllm.data import texts
    from gatllm.errors import GatllmError
    from gatllm.progress import Progress
    from gatllm.records import new_folder, write_file

    folder = out or Path("tokenizers") / (f"{kind}-{size}" if kind != "characters" else kind)
    with progress_report(quiet=quiet) as report:
        read = 0

        def stream() -> Iterator[str]:
            nonlocal read
            for source in sources:
                for text in texts(source):
                    read += len(text)
                    report(Progress("read", read / 1e6, None, "million characters"))
                    yield text

        made: Tokenizer
        if kind == "bpe":
            made = tokenizers.train_bpe(stream(), size, max_merge_length)
        elif kind == "characters":
            made = tokenizers.train_characters(stream(), unknown)
        else:
            made = tokenizers.train_sentencepiece(stream(), size)
    if not read:
        raise GatllmError(f"no text in {', '.join(sources)}", "name a dataset or a file with text")
    with new_folder(folder) as new:
        write_file(new / "tokenizer.json", made.to_json())
    _show(made, folder, json=json)


@app.command
def show(path: str, text: str = "", /, *, json: bool = False) -> None:
    """Show a tokenizer, and how it divides a text.

    Parameters
    ----------
    path
        A tokenizer.json, its folder, a SentencePiece .model, or a tiktoken encoding (its name or .tiktoken file).
    text
        Something to divide.
    json
        Print JSON.
    """
    from gatllm.tokenizers import load

    opened = load(path)
    ids = opened.encode(text)
    if json:
        print_json({**_facts(opened), **({"text": text, "ids": ids} if text else {})})
        return
    _show(opened, Path(path), json=False)
    if text:
        out.print(" ".join(repr(opened.decode([index])) for index in ids), markup=False)
        note(f"{len(text.encode('utf-8', 'surrogatepass')):,} bytes, {len(ids):,} tokens")


def _facts(tokenizer: Tokenizer) -> dict[str, object]:
    return {
        "kind": tokenizer.kind,
        "size": tokenizer.size,
        "specials": dict(tokenizer.specials),
        "fingerprint": tokenizer.fingerprint(),
    }


def _show(tokenizer: Tokenizer, path: Path, *, json: bool) -> None:
    facts = _facts(tokenizer)
    if json:
        print_json({"path": str(path), **facts})
        return
    facts["specials"] = "  ".join(f"{token} {index}" for token, index in tokenizer.specials.items())
    table(str(path), ("what", "value"), [(name, f"{v:,}" if isinstance(v, int) else v) for name, v in facts.items()])
