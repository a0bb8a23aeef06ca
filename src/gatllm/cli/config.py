"""``gatllm config``: which settings there are, what they are set to, and by whom."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclopts import App

from gatllm.cli.console import print_json, table
from gatllm.cli.options import Json
from gatllm.errors import UsageError

FILE = "gatllm.toml"

app = App(name="config", help="Settings: flag > environment > gatllm.toml > default.")


def _file() -> tuple[Path | None, dict[str, Any]]:
    here = Path.cwd()
    for folder in (here, *here.parents):
        path = folder / FILE
        if path.is_file():
            try:
                return path, tomllib.loads(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                raise UsageError(f"{path} is not readable TOML: {error}", "repair it or move it away") from None
    return None, {}


def _commands(parent: App, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    for name in parent:
        if not name.startswith("-"):
            command = parent[name]
            yield (*path, name), command
            yield from _commands(command, (*path, name))


def _settings(root: App) -> Iterator[dict[str, Any]]:
    path, tables = _file()
    for command, node in _commands(root):
        if node.default_command is None:
            continue
        in_file: Any = tables
        for part in command:
            in_file = in_file.get(part, {}) if isinstance(in_file, dict) else {}
        for argument in node.assemble_argument_collection():
            if argument.field_info.is_keyword_only and argument.show:
                flag = argument.name.removeprefix("--")
                variable = "_".join(("GATLLM", *command, flag)).upper().replace("-", "_")
                key = next((k for k in (flag, flag.replace("-", "_")) if k in in_file), None)
                value: Any
                if variable in os.environ:
                    value, source = os.environ[variable], variable
                elif key is not None:
                    value, source = in_file[key], str(path)
                else:
                    default = argument.field_info.default
                    value = default if isinstance(default, str | int | float | bool) else None
                    source = "default"
                yield {"command": " ".join(command), "setting": f"--{flag}", "value": value, "source": source}


@app.command
def show(*, json: Json = False) -> None:
    """Show every setting, its value and where the value comes from."""
    from gatllm.cli.frame import app as root

    settings = list(_settings(root))
    if json:
        print_json(settings)
    else:
        table("", ("command", "setting", "value", "from"), [tuple(setting.values()) for setting in settings])
