"""One runner for all tests; where the machine allows no walls, the tests say so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gatllm.errors import GatllmError
from gatllm.sandbox import Limits, Runner

QUICK = Limits(cpu_seconds=1, wall_seconds=1.5)


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    try:
        made = Runner(workers=1, limits=QUICK)
    except GatllmError as error:
        pytest.skip(f"no sandbox here: {error}")
    with made:
        yield made
