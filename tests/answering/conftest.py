"""A small real library: a few modules of the standard library as a dataset folder."""

import shutil
import sysconfig
from pathlib import Path

import pytest

from gatllm.answering import ConfidenceModel, Library
from gatllm.data import Contributor, Options, build

MODULES = """bisect heapq textwrap statistics csv random shutil string calendar fractions gzip glob fnmatch shelve queue
sched colorsys dataclasses zipfile tarfile configparser tempfile sqlite3/dump json/decoder json/encoder email/utils
html/parser urllib/parse logging/handlers"""

ADA = Contributor(name="Ada", wallet="0x" + "a" * 40)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("library")
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    for module in MODULES.split():
        target = root / "code" / f"{module}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(stdlib / f"{module}.py", target)
    build(str(root / "code"), root / "dataset", options=Options(contributor=ADA))
    return root / "dataset"


@pytest.fixture(scope="session")
def library(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library.open([dataset], tmp_path_factory.mktemp("index"))


@pytest.fixture(scope="session")
def confidence(library: Library) -> ConfidenceModel:
    return ConfidenceModel.calibrate(library)
