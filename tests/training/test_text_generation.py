"""Questions and answers to answers: every form that people have, learnt word for word, with what was left out named."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import gatllm
from gatllm.errors import UsageError
from gatllm.progress import Progress

FIVE = {
    "who wrote Hamlet?": "William Shakespeare",
    "who painted the Mona Lisa?": "Leonardo da Vinci",
    "what is the capital of France?": "Paris",
    "how many legs has a spider?": "eight",
    "what is the chemical symbol of gold?": "Au",
}
SMALL = {"model__width": 64, "model__layers": 1, "train__precision": "fp32", "train__threads": 1}


def _forms(folder: Path) -> dict[str, Any]:
    pandas = pytest.importorskip("pandas")
    rows = [{"input": question, "output": f"{answer}<end>"} for question, answer in FIVE.items()]
    frame = pandas.DataFrame({"question": list(FIVE), "answer": list(FIVE.values())})
    (folder / "five.json").write_text(json.dumps({"training_data": rows}))
    (folder / "plain.json").write_text(json.dumps(FIVE))
    (folder / "five.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    frame.to_parquet(folder / "five.parquet")
    frame.to_csv(folder / "five.csv", index=False)
    return {
        "dict": FIVE,
        "training_data": {"training_data": rows},
        "list of pairs": list(FIVE.items()),
        "list of objects": rows,
        "DataFrame": frame,
        "JSON": folder / "five.json",
        "plain JSON": str(folder / "plain.json"),
        "JSONL": folder / "five.jsonl",
        "Parquet": folder / "five.parquet",
        "CSV": folder / "five.csv",
    }


def test_five_pairs_are_learnt_word_for_word(tmp_path: Path) -> None:
    told: list[Progress] = []
    fitted = gatllm.TextGeneration(FIVE, tmp_path / "qa", report=told.append, train__precision="fp32").fit()
    assert {question: fitted.answer(question) for question in FIVE} == FIVE
    assert fitted.answer(list(FIVE)) == list(FIVE.values())  # several at once, of different lengths
    assert fitted.answer(["what is the capital of Peru?", *FIVE]) == ["I do not know", *FIVE.values()]
    assert fitted.held_out == 0
    assert fitted.run is not None
    assert len(fitted.run.events("step")) < 1000  # it stops when all are learnt
    page = (fitted.run.path / "report" / "report.md").read_text()
    assert "none was held back" in page
    answers = fitted.answer("who wrote Hamlet?", n=3, temperature=0.5)
    assert len(answers) == 3
    vectors, mask = fitted.get_embeddings(["who?", "what is it?"], mask=True)
    assert vectors.shape == (2, mask.shape[1], 128)
    assert mask.sum(1).tolist() == [len(fitted._fitted()[1].encode(text)) for text in ("who?", "what is it?")]
    assert torch.equal(vectors[0][~mask[0]], torch.zeros_like(vectors[0][~mask[0]]))


def test_every_form_gives_the_same_pairs(tmp_path: Path) -> None:
    for name, form in _forms(tmp_path).items():
        out = tmp_path / name.replace(" ", "-")
        dataset = gatllm.TextGeneration(form, out)._dataset(out)
        records = [(one["prompt"], one["text"]) for one in dataset.records()]
        assert records == list(FIVE.items()), name


def gatllm_dataset(path: Path) -> list[dict[str, Any]]:
    from gatllm.data import Dataset

    return list(Dataset.open(path).records())


def test_of_many_some_are_held_out_and_measured(tmp_path: Path) -> None:
    many = {f"what is {a} and {b}?": str(a + b) for a in range(15) for b in range(15)}
    fitted = gatllm.TextGeneration(many, tmp_path / "qa", train__steps=10, **SMALL).fit()
    assert fitted.run is not None
    assert 10 < fitted.held_out < 50
    assert {"exact", "f1", "learnt"} <= fitted.run.metrics.keys()


def test_the_same_call_finds_its_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = gatllm.TextGeneration(FIVE, train__steps=2, **SMALL).fit().run
    again = gatllm.TextGeneration(FIVE, train__steps=2, **SMALL).fit().run
    other = gatllm.TextGeneration({"a": "b"}, train__steps=2, **SMALL).fit().run
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.path == again.path != other.path
    assert not again.events("resume")


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    told: list[Progress] = []
    rows = [{"input": "two", "output": 2}, {"input": "x", "output": None}, {"input": "three", "output": "3"}]
    fitted = gatllm.TextGeneration(rows, tmp_path / "qa", report=told.append, train__steps=1, **SMALL).fit()
    assert any("1 entries are left out (questions:1" in one.note for one in told)
    assert fitted.run is not None
    assert [one["text"] for one in gatllm_dataset(tmp_path / "qa-data")] == ["2", "3"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"a": ["b"]}, "entry 'a' is list"),
        (3, "it is int"),
        ([{"input": "sky"}], "no question and answer"),
        ({}, "nothing to read"),
        ({"sky": ""}, "nothing passed"),
    ],
)
def test_what_has_no_known_form_is_one_line(data: object, words: str, tmp_path: Path) -> None:
    with pytest.raises(gatllm.GatllmError, match=words):
        gatllm.TextGeneration(data, tmp_path / "qa").fit()


def test_before_learning_there_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="learnt nothing yet"):
        gatllm.TextGeneration(FIVE, tmp_path / "qa").answer("who?")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        gatllm.TextGeneration(tmp_path / "nothing.json", tmp_path / "qa").fit()


def test_a_pretrained_base_is_taught_by_an_adapter(tmp_path: Path) -> None:
    from tests.models.tiny_lm import write_tiny_lm

    base = write_tiny_lm(tmp_path / "lm")
    pairs = {"sky?": "blue", "grass?": "green"}
    taught = gatllm.TextGeneration(pairs, tmp_path / "run", base=str(base), train__epochs=2).fit()
    assert (tmp_path / "run" / "adapter_config.json").is_file()
    assert all(isinstance(answer, str) for answer in taught.answer([*pairs], max_new_tokens=3))
    assert len(taught.answer("sky?", n=2, temperature=1.0, max_new_tokens=3)) == 2
    with pytest.raises(UsageError, match="no such option"):
        taught.answer("sky?", beams=3)
    with pytest.raises(UsageError, match="no embeddings"):
        taught.get_embeddings("sky?")
