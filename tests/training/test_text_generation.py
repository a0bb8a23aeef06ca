"""Question/answer JSON to answers."""

import json
from pathlib import Path

import pytest

import gatllm
from gatllm.errors import UsageError


def test_it_learns_the_answers(tmp_path: Path) -> None:
    colours = {"sky": "blue", "grass": "green", "snow": "white", "coal": "black"}
    pairs = [
        {"input": f"{start} colour of {thing}", "output": f"{colour}<end>"}
        for start in ("the", "a", "tell the", "say the", "name the", "what is the", "give the", "which")
        for thing, colour in colours.items()
    ]
    source = tmp_path / "pairs.json"
    source.write_text(json.dumps({"training_data": pairs}))
    small = {"model__width": 64, "model__layers": 1, "train__batch": 16}
    answers = gatllm.TextGeneration(source, tmp_path / "qa", train__steps=250, train__precision="fp32", **small)
    assert {thing: answers.answer(f"the colour of {thing}") for thing in colours} == colours
    again = gatllm.TextGeneration(source, tmp_path / "qa", train__steps=250, train__precision="fp32", **small)
    assert again.answer("the colour of sky") == "blue"


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        gatllm.TextGeneration(tmp_path / "nothing.json", tmp_path / "qa")
