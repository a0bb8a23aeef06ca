"""The course: its stages in order, lessons that teach something, nothing twice."""

import ast
from pathlib import Path

import pytest

from gatllm.data import build_course


def test_stages_come_in_order_and_every_kind_of_lesson_is_there(project: Path, tmp_path: Path) -> None:
    course = build_course(tmp_path / "course", library=str(project))
    course.verify()
    records = list(course.records())
    order = [record["stage"] for record in records]
    assert course.manifest.stages == ("fundamentals", "functions", "modules")
    assert order == sorted(order, key=course.manifest.stages.index)
    origins = [record["origin"] for record in records]
    for kind in ("zen", "reference/", "builtins/", "style/", "keywords"):
        assert any(origin.startswith(f"course:{kind}") for origin in origins)
    assert len({record["id"] for record in records}) == len(records)
    functions = [record for record in records if record["stage"] == "functions"]
    assert functions
    for record in functions:
        assert record["text"].strip().startswith(record["prompt"].strip())
        ast.parse(record["text"])
    (modules,) = ({r["origin"] for r in records if r["stage"] == "modules"},)
    assert modules == {"project:good.py", "project:inner/other.py"}
    assert {record["licence"] for record in records} == {"PSF-2.0", "MIT"}


def test_a_limit_holds_for_each_stage(project: Path, tmp_path: Path) -> None:
    course = build_course(tmp_path / "course", library=str(project), limit=2)
    stages = [record["stage"] for record in course.records()]
    assert stages.count("fundamentals") == 2
    assert len(stages) <= 6


def test_style_lessons_make_code_better() -> None:
    from gatllm.data.course import _style

    lessons = {verdict.file.origin: verdict for verdict in _style()}
    assert len(lessons) > 500
    lesson = lessons["course:style/none-comparison"]
    assert "None == arg" in lesson.file.prompt
    assert "is not None" in lesson.text


@pytest.mark.slow
def test_the_whole_course(tmp_path: Path) -> None:
    course = build_course(tmp_path / "course")
    stages = [record["stage"] for record in course.records()]
    assert stages.count("fundamentals") > 1500
    assert stages.count("functions") > 3000
    assert stages.count("modules") > 800
