"""Options that mean the same wherever they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Json = Annotated[bool, Parameter(help="Print JSON instead of a table.")]
Quiet = Annotated[bool, Parameter(help="Show no progress.")]
Device = Annotated[str, Parameter(help="auto, cpu, cuda, cuda:N or mps.")]
RunFolder = Annotated[Path, Parameter(help="The run folder.")]
RecipeName = Annotated[str, Parameter(help="A TOML file, or the name of a recipe that comes with gatllm.")]
