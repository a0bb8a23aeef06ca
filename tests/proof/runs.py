"""A small run folder made by hand: every file that training leaves, without training."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from gatllm.models import save_weights, weights_root
from gatllm.records import HashLog, canonical_bytes, merkle_root, sha256

RECIPE = """\
seed = 7
[model]
kind = "gpt"
layers = 2
width = 16
[training]
steps = 4
lr = 0.001
"""


def make_dataset(folder: Path, records: int = 5, kind: str = "positive") -> Path:
    """Write a dataset of ``records`` records in two shards."""
    lines = [
        canonical_bytes({"id": str(number), "text": f"x = {number}\n", "licence": "MIT", "origin": "made"})
        for number in range(records)
    ]
    (folder / "shards").mkdir(parents=True)
    half = records // 2
    (folder / "shards" / "00000.jsonl").write_bytes(b"".join(line + b"\n" for line in lines[:half]))
    (folder / "shards" / "00001.jsonl").write_bytes(b"".join(line + b"\n" for line in lines[half:]))
    manifest = {
        "name": folder.name,
        "kind": kind,
        "records": records,
        "merkle_root": merkle_root(lines),
        "contributor": {"name": "Ada", "wallet": ""},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def make_run(folder: Path, dataset: Path, *, lr: float = 0.001, finished: bool = True) -> Path:
    """Write a run of four steps with a checkpoint every two."""
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(RECIPE.replace("0.001", repr(lr)))
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')
    root = json.loads((dataset / "manifest.json").read_text())["merkle_root"]
    shared = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    weights = {"embedding": shared, "head": shared, "norm": torch.ones(4, dtype=torch.bfloat16)}
    with HashLog(folder / "log.jsonl") as log:
        log.append("start", commitments={"data_root": root, "init_root": sha256(b"init"), "code": "0.1.0"})
        for step in range(1, 5):
            log.append("step", step=step, loss=(1.0 / step).hex(), lr=lr)
            if step % 2 == 0:
                checkpoint = folder / "checkpoints" / f"step-{step:08d}"
                checkpoint.mkdir(parents=True)
                shared += 1
                state = {"counts": torch.tensor([step])}
                save_weights(checkpoint / "model.safetensors", weights)
                save_weights(checkpoint / "state.safetensors", state)
                log.append("checkpoint", step=step, weights_root=weights_root(weights), state_root=weights_root(state))
        if finished:
            save_weights(folder / "model.safetensors", weights)
            log.append("end", weights_root=weights_root(weights), metrics={"val_loss": 0.25})
    return folder
