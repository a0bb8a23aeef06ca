"""GRPO beside trl's: the same tiny model, questions, reward, group size and number of updates; each round's reward.

    pip install trl
    python benchmarks/reinforcement_peer.py --rounds 12

The model is Llama-shaped and made on the spot; it is first taught to answer with any letters. The reward is the
fraction of vowels in the answer, so that there is something to climb. Both draw at temperature 1, learn each round's
answers in four updates by AdamW at rates that fall evenly to nothing, clip ratios at 0.2, hold to no reference; trl is
told not to divide by deviations or lengths (``dr_grpo``), as ours does not. Seconds are those of the processor, whole
rounds: ours writes a run folder with log, checkpoint and answers each round, trl writes nothing. Ours may end before
trl, by its guard against collapse; seconds are compared only of equally many rounds. Prints a table and, as
the last line, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import string
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from finetuning import encode, make_model

PROMPTS, ANSWERS, TOKENS, UPDATES, LR = 16, 8, 8, 4, 3e-4


def vowels(text: str) -> float:
    """Return the fraction of vowels among the letters of an answer, 0 for none; below 1, where our rounds would end."""
    letters = [letter for letter in text.lower() if letter in string.ascii_lowercase]
    return 0.99 * sum(letter in "aeiou" for letter in letters) / len(letters) if letters else 0.0


def made(folder: Path, questions: list[str]) -> Path:
    """Write the model that both begin with: it answers a question with some letters."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    rng = random.Random(4)
    pairs = [(question, "".join(rng.choices(string.ascii_lowercase, k=TOKENS - 2))) for question in questions]
    make_model(folder, [text for pair in pairs for text in pair])
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(AutoTokenizer.from_pretrained(folder)))  # no ids that are not text
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    encoded = encode(folder, pairs)
    for step in range(60):
        some = [encoded[(step * 16 + at) % len(encoded)] for at in range(16)]
        longest = max(len(ids) for ids, _ in some)
        ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in some])
        labels = torch.tensor([labels + [-100] * (longest - len(labels)) for _, labels in some])
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


def ours(base: Path, questions: list[str], rounds: int, folder: Path) -> tuple[list[float], float]:
    """Return the mean reward of each round's answers, and processor seconds."""
    from gatllm.training import Recipe
    from gatllm.training.reinforcing import reinforce

    file, reward = folder / "questions.json", folder / "vowels.py"
    file.write_text(json.dumps(dict.fromkeys(questions, "-")))
    source = Path(__file__).read_text("utf-8")
    body = source[source.index("def vowels") : source.index("def made")]
    reward.write_text(
        f"import string\n\n\n{body}\n\ndef each(asked, answers):\n    return [vowels(a) for a in answers]\n"
    )
    recipe = Recipe.of({
        "name": "peer", "objective": "policy", "seed": 1,
        "data": {"source": str(file), "reward": f"{reward}:each", "method": "grpo", "rounds": rounds,
                 "prompts": PROMPTS, "answers": ANSWERS, "tokens": TOKENS, "unlearnt": 1e9, "validation_limit": 8},
        "model": {"kind": "pretrained", "base": str(base), "context": 64},
        "train": {"steps": UPDATES, "batch": PROMPTS * ANSWERS // UPDATES, "optimizer": "adamw", "lr": LR,
                  "betas": [0.9, 0.999], "schedule": "constant", "warmup": 0.0, "precision": "fp32", "threads": 1,
                  "evaluations": 1, "samples": 0, "checkpoints": 1, "keep": 1},
    })  # fmt: skip
    began = time.process_time()
    played = reinforce(recipe, folder / "rounds")
    return [one.reward for one in played[1:]], time.process_time() - began


def theirs(base: Path, questions: list[str], rounds: int) -> tuple[list[float], float]:
    """Return the same of trl."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    rows = Dataset.from_list([{"prompt": [{"role": "user", "content": question}]} for question in questions])
    arguments = GRPOConfig(
        output_dir=tempfile.mkdtemp(), use_cpu=True, bf16=False,
        per_device_train_batch_size=PROMPTS * ANSWERS // UPDATES,
        steps_per_generation=UPDATES, num_generations=ANSWERS, max_completion_length=TOKENS, max_steps=rounds * UPDATES,
        learning_rate=LR, lr_scheduler_type="linear", beta=0.0, loss_type="dr_grpo", scale_rewards=False,
        temperature=1.0, report_to=[], save_strategy="no", logging_steps=1, disable_tqdm=True, seed=1,
        gradient_checkpointing=False,
    )  # fmt: skip

    def reward(completions: list[Any], **_: Any) -> list[float]:
        return [vowels(one[0]["content"]) for one in completions]

    trainer = GRPOTrainer(model=str(base), reward_funcs=reward, args=arguments, train_dataset=rows)
    began = time.process_time()
    trainer.train()
    spent = time.process_time() - began
    return [entry["reward"] for entry in trainer.state.log_history if "reward" in entry], spent  # once a generation


def main() -> None:
    """Play both, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    import torch

    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())
    things = ("spring", "summer", "autumn", "winter", "cities", "rivers", "hills", "birds", "trees", "songs")
    questions = [f"name the {word} of {thing}" for word in ("first", "last", "best", "next") for thing in things]
    base = made(folder / "base", questions)
    mine, own = ours(base, questions, options.rounds, folder)
    other, peer = theirs(base, questions, options.rounds)
    print(f"{'round':>5} {'gatllm':>8} {'trl':>8}")
    for number, pair in enumerate(zip(mine, other, strict=False), 1):
        print(f"{number:5} {pair[0]:8.3f} {pair[1]:8.3f}")
    print(f"processor seconds: gatllm {own:.0f}, trl {peer:.0f}")
    print(json.dumps({"gatllm": mine, "trl": other, "seconds": [own, peer]}))


if __name__ == "__main__":
    main()
