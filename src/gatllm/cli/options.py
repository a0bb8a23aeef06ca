"""Options that mean the same wherever they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

Json = Annotated[bool, Parameter(help="Print JSON instead of a table.")]
Quiet = Annotated[bool, Parameter(help="Show no progress.")]
Device = Annotated[str, Parameter(help="auto, cpu, cuda, cuda:N or mps.")]
Version = Literal["py37", "py38", "py39", "py310", "py311", "py312", "py313", "py314", "py315"]
RunFolder = Annotated[Path, Parameter(help="The run folder.")]
RecipeName = Annotated[str, Parameter(help="A TOML file, or the name of a recipe that comes with gatllm.")]
