"""Fine-tuning on questions and answers, beside transformers.Trainer in the same process: tokens a second, and the loss.

    python benchmarks/finetuning.py --pairs 240 --rounds 3
    python benchmarks/finetuning.py --shape gpt2 --pairs 300 --epochs 12 --rounds 10 --control    # a whole run
    python benchmarks/finetuning.py --shape gpt2-base --updates 6 --rounds 3 --held 12 --lr 1e-4    # GPT-2's own size

Both sides train the same model of Llama's or GPT-2's shape, made on the spot from one seed, in fp32 on one thread; each
update has the same pairs on both sides, so that the losses must be the same. With ``--precision bf16`` ours computes in
bf16, beside a Trainer as it comes (fp32) and one with ``bf16=True``. With ``--dropout`` each side draws masks of its
own: what two seeds (``--seed``) of one side differ by is then the measure. With ``--control`` there is a second Trainer
with the same pairs in each update, the last one first: a sum in another order is all that tells it from the first, so
that what both differ by is what rounding alone does to a run of that length. Trainer gets what its documentation shows:
a collator that pads to the longest of a batch, the questions masked. What is counted are tokens of the pairs, not
padding, in processor seconds, the sides in turn. The loss is that of each update, and that of held-out answers after
every round. Prints a table and, as the last line, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

CONTEXT = 256


def pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Return questions and answers of uneven length, as people's are."""
    rng = random.Random(seed)
    names = ["total", "price", "count", "index", "value", "result", "number", "weight", "length", "buffer"]
    found = []
    for _ in range(count):
        some = rng.choices(names, k=min(1 + int(rng.expovariate(0.35)), 10))
        found.append((f"add up {', '.join(some)}", f"def add({', '.join(some)}):\n    return {' + '.join(some)}"))
    return found


def make_model(folder: Path, texts: list[str], shape: str, dropout: float) -> Path:
    """Write a model of that shape with a byte-level tokenizer of these texts and a chat template."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    marks = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **marks)
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    torch.manual_seed(1)
    common = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    lm: Any
    if shape.startswith("gpt2"):
        rates = {"resid_pdrop": dropout, "embd_pdrop": dropout, "attn_pdrop": dropout}
        small = {"vocab_size": 512, "n_embd": 128, "n_layer": 3, "n_head": 4, "n_positions": CONTEXT}
        lm = GPT2LMHeadModel(GPT2Config(**(small if shape == "gpt2" else {}), **rates, **common))
    else:
        lm = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=8192, hidden_size=192, intermediate_size=512, num_hidden_layers=4, num_attention_heads=6,
                num_key_value_heads=2, max_position_embeddings=CONTEXT, **common,
            )
        )  # fmt: skip
    lm.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class Ours:
    """Our loop, as `gatllm finetune` sets it up."""

    def __init__(
        self, model: Path, file: Path, rows: int, updates: int, lr: float, seed: int, precision: str = "fp32"
    ) -> None:
        from gatllm.training import Recipe
        from gatllm.training.assembly import assemble

        self.recipe = Recipe.of(
            {
                "name": "finetuning",
                "seed": seed,
                "objective": "chat",
                "data": {"source": str(file)},
                "model": {"kind": "pretrained", "base": str(model), "context": CONTEXT},
                "train": {"steps": updates, "batch": rows, "optimizer": "adamw", "lr": lr, "precision": precision,
                          "threads": 1, "betas": [0.9, 0.999], "warmup": 0.0, "clip": 1.0},
            }
        )  # fmt: skip
        made = assemble(self.recipe)
        self.session, self.per_epoch = made.session, made.objective.batches_per_epoch or 1
        self.objective = made.objective
        self.losses: list[float] = []

    def run(self, updates: int) -> float:
        """Do some updates; return tokens of the pairs in a processor second."""
        began, tokens = time.process_time(), 0
        for _ in range(updates):
            result = self.session.advance((self.session.step + 0.5) / self.recipe.train.steps)
            tokens += result.tokens
            self.losses.append(result.loss)
        return tokens / (time.process_time() - began)

    def pairs(self, update: int) -> list[tuple[list[int], list[int]]]:
        """Return the ids and labels of the pairs of one update, taken out of its packed rows."""
        batch = self.objective.batch(update, 0.0).tensors
        found = []
        for inputs, targets, items in zip(batch["inputs"], batch["targets"], batch["items"], strict=True):
            for item in items[items >= 0].unique().tolist():  # numbered over all rows, not within one
                ids, labels = inputs[items == item].tolist(), [-100, *targets[items == item].tolist()]
                # The last token of a row is not an input, only a target; elsewhere the next pair's first is not learnt.
                found.append((ids + labels[-1:], labels) if labels[-1] != -100 else (ids, labels[:-1]))
        return found

    @property
    def model(self) -> Any:
        """The 🤗 model inside."""
        return self.session.model.lm


class Theirs:
    """transformers.Trainer, with a collator that pads."""

    def __init__(
        self, model: Path, each: list[list[tuple[list[int], list[int]]]], lr: float, seed: int, bf16: bool = False
    ) -> None:
        from transformers import AutoModelForCausalLM

        self.lr, self.seed, self.bf16 = lr, seed, bf16
        self.model = AutoModelForCausalLM.from_pretrained(model)
        self.each, self.updates, self.done = each, len(each), 0
        self.losses: list[float] = []

    def run(self, updates: int) -> float:
        """Do some updates; return tokens of the pairs in a processor second."""
        import torch
        from torch.optim.lr_scheduler import LambdaLR
        from torch.utils.data import SequentialSampler
        from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

        rows = self.each[self.done : self.done + updates]
        begun = self.done

        class InOrder(Trainer):  # type: ignore[misc]
            def _get_train_sampler(self, *_: Any) -> Any:
                return SequentialSampler(rows)

        def collate(updates: list[list[tuple[list[int], list[int]]]]) -> dict[str, Any]:
            (some,) = updates
            longest = max(len(ids) for ids, _ in some)
            return {
                "input_ids": torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in some]),
                "labels": torch.tensor([labels + [-100] * (longest - len(labels)) for _, labels in some]),
                "attention_mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in some]),
            }

        class Clock(TrainerCallback):  # type: ignore[misc]
            def on_train_begin(self, *_: Any, **__: Any) -> None:
                self.began = time.process_time()

            def on_train_end(self, *_: Any, **__: Any) -> None:
                self.spent = time.process_time() - self.began

        if not hasattr(self, "optimizer"):
            self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=self.lr, weight_decay=0.0, fused=True)
        schedule = LambdaLR(self.optimizer, lambda step: max(0.0, 1 - (begun + step + 0.5) / self.updates))
        clock = Clock()
        arguments = TrainingArguments(
            output_dir=tempfile.mkdtemp(), use_cpu=True, max_steps=updates, per_device_train_batch_size=1,
            report_to=[], save_strategy="no", logging_steps=1, disable_tqdm=True, max_grad_norm=1.0,
            remove_unused_columns=False, seed=self.seed + begun, bf16=self.bf16,
        )  # fmt: skip
        trainer = InOrder(
            model=self.model, args=arguments, train_dataset=rows, data_collator=collate, callbacks=[clock],
            optimizers=(self.optimizer, schedule),
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        self.losses += [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        self.done += updates
        return sum(len(ids) for some in rows for ids, _ in some) / clock.spent


def encode(model: Path, some: list[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
    """Return ids and labels of pairs; of the question nothing is learnt."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    found = []
    for question, answer in some:
        asked = [{"role": "user", "content": question}]
        prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
        before = tokenizer(prompt, add_special_tokens=False).input_ids
        after = [*tokenizer(answer, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
        found.append(([*before, *after], [*[-100] * len(before), *after]))
    return found


def loss(model: Any, encoded: list[tuple[list[int], list[int]]]) -> float:
    """Return the mean cross-entropy of the answers' tokens."""
    import torch
    import torch.nn.functional as F

    total = count = 0.0
    model.eval()
    with torch.inference_mode():
        for ids, labels in encoded:
            logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].float()
            wanted = torch.tensor(labels[1:])
            total += float(F.cross_entropy(logits, wanted, ignore_index=-100, reduction="sum"))
            count += int((wanted != -100).sum())
    model.train()
    return total / count


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1200)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--rows", type=int, default=2, help="packed rows of an update")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--shape", choices=("llama", "gpt2", "gpt2-base"), default="llama")
    parser.add_argument("--updates", type=int, default=0, help="stop after so many (0: none is left out)")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--held", type=int, default=200, help="pairs that are drawn to be held out")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="ours; Trainer's are told beside")
    parser.add_argument("--control", action="store_true", help="a second Trainer that adds in another order")
    parser.add_argument("--dropout", type=float, default=0.0, help="of GPT-2's shape, everywhere")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the pairs and of the dropout")
    return parser.parse_args()


def main() -> None:
    """Alternate both sides to the end, measuring both after each round."""
    options = arguments()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    import torch

    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())
    train, held = pairs(options.pairs, 1), pairs(options.held, 2)
    held = [pair for pair in held if pair not in set(train)]
    model = make_model(folder / "model", [text for pair in train for text in pair], options.shape, options.dropout)
    file = folder / "pairs.json"
    file.write_text(json.dumps([{"question": q, "answer": a} for q, a in train]))
    asked = encode(model, held)
    count = Ours(model, file, options.rows, 1, options.lr, options.seed, options.precision).per_epoch * options.epochs
    count = min(count, options.updates or count)
    ours = Ours(model, file, options.rows, count, options.lr, options.seed, options.precision)
    each = [ours.pairs(update) for update in range(count)]
    sides: dict[str, Ours | Theirs] = {"gatllm": ours, "Trainer": Theirs(model, each, options.lr, options.seed)}
    if options.precision == "bf16":
        sides["bf16"] = Theirs(model, each, options.lr, options.seed, bf16=True)
    if options.control:
        sides["control"] = Theirs(model, [some[::-1] for some in each], options.lr, options.seed)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    losses = {name: [loss(side.model, asked)] for name, side in sides.items()}
    print(f"{count} updates of {len(train)} pairs, {len(held)} held out; before {losses['gatllm'][0]:.4f}", flush=True)
    for number in range(options.rounds):
        updates = count * (number + 1) // options.rounds - count * number // options.rounds
        for name, side in sides.items():
            rates[name].append(side.run(updates))
            losses[name].append(loss(side.model, asked))
        now = {name: values[-1] for name, values in losses.items()}
        told = ", ".join(f"{name} {value:.4f} ({value / now['Trainer'] - 1:+.3%})" for name, value in now.items())
        print(f"  update {ours.session.step:4}: held-out loss of {told}", flush=True)
    for name, values in rates.items():
        spread = f"{min(values):,.0f} to {max(values):,.0f}"
        print(f"{name:8} {statistics.median(values):9,.0f} tokens/s ({spread}), held-out loss {losses[name][-1]:.4f}")
    ratios = {}
    for name in rates.keys() - {"gatllm"}:
        some = [mine / other for mine, other in zip(rates["gatllm"], rates[name], strict=True)]
        print(f"gatllm / {name:8} {statistics.median(some):9.2f} ({min(some):.2f} to {max(some):.2f})")
        ratios[name] = some
    curves = {name: side.losses for name, side in sides.items()}
    for name in curves.keys() - {"Trainer"}:
        apart = [abs(mine - other) / other for mine, other in zip(curves[name], curves["Trainer"], strict=True)]
        print(f"loss of an update, {name} and Trainer: median {statistics.median(apart):.3%}, at most {max(apart):.3%}")
    print(json.dumps({"rates": rates, "losses": losses, "curves": curves, "ratios": ratios, "updates": count}))


if __name__ == "__main__":
    main()
