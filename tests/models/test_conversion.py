"""What is exported gives the same logits, to 1e-4 in fp32, loaded as anyone would load it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from gatllm.errors import GatllmError
from gatllm.inference import Sampling, generate
from gatllm.models import DiscriminatorConfig, GPTConfig, Seq2SeqConfig, build, load_weights
from gatllm.models.conversion import export, import_gpt2, to_transformers
from gatllm.tokenizers import train_characters

transformers = pytest.importorskip("transformers")
LETTERS = train_characters(["abcdefghijklmnopqrstuvwxyz "])
SMALL: dict[str, Any] = {
    "vocabulary": LETTERS.size, "context": 40, "layers": 3, "heads": 2, "width": 32, "initialisation": "orthogonal"
}  # fmt: skip
PLAIN_RMS: dict[str, Any] = {"qk_norm": False, "embedding_norm": False, "norm_gain": True, "activation": "swiglu"}
ADDED: dict[str, Any] = {"norm": "layer", "qk_norm": False, "bias": True, "norm_gain": True, "embedding_norm": False}
NEOX: dict[str, Any] = {"norm": "layer", "qk_norm": False, "bias": True, "activation": "gelu"}


def shake(model: torch.nn.Module) -> None:
    """Give gains and biases values that show when they are lost."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ({}, "NanoChatForCausalLM"),
        ({"tied": True}, "NanoChatForCausalLM"),
        ({"activation": "gelu_tanh"}, "NanoChatForCausalLM"),
        (PLAIN_RMS, "LlamaForCausalLM"),
        ({**PLAIN_RMS, "bias": True, "activation": "geglu"}, "LlamaForCausalLM"),
        ({**PLAIN_RMS, "activation": "relu2", "embedding_norm": True, "norm_gain": False}, "LlamaForCausalLM"),
        ({**PLAIN_RMS, "window": 6}, "MistralForCausalLM"),
        ({"embedding_norm": False}, "Qwen3ForCausalLM"),
        ({"window": 5, "full_every": 2}, "Qwen3ForCausalLM"),
        ({"activation": "swiglu", "norm_gain": True, "embedding_norm": False}, "Qwen3ForCausalLM"),
        (NEOX, "GPTNeoXForCausalLM"),
        ({**NEOX, "embedding_norm": False, "norm_gain": True}, "GPTNeoXForCausalLM"),
        ({**ADDED, "positions": "learned", "tied": True, "activation": "gelu_tanh"}, "GPT2LMHeadModel"),
        ({**ADDED, "positions": "sinusoidal", "activation": "relu2", "bias": False}, "GPT2LMHeadModel"),
    ],
)
def test_a_gpt(choice: dict[str, Any], name: str, tmp_path: Path) -> None:
    model = build(GPTConfig(**SMALL, **choice), seed=2)
    shake(model)
    assert export(model, LETTERS, tmp_path / "out").name == name
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="float32").eval()
    assert type(loaded).__name__ == name
    tokens = torch.randint(LETTERS.size, (2, 40))
    with torch.no_grad():
        torch.testing.assert_close(loaded(tokens).logits, model(tokens), atol=1e-4, rtol=1e-4)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer("hello world").input_ids == LETTERS.encode("hello world")
    assert tokenizer.decode(LETTERS.encode("hello world")) == "hello world"
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (LETTERS.pad_id, LETTERS.end_id)


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ({}, "Qwen3ForTokenClassification"),
        ({"window": 5, "full_every": 2}, "Qwen3ForTokenClassification"),
        (PLAIN_RMS, "LlamaForTokenClassification"),
        ({**NEOX, "activation": "geglu", "norm_gain": True}, "ModernBertForTokenClassification"),
        ({**NEOX, "activation": "relu2", "window": 6, "bias": False}, "ModernBertForTokenClassification"),
        ({**NEOX, "embedding_norm": False, "norm_gain": True}, "GPTNeoXForTokenClassification"),
        (
            {**ADDED, "positions": "learned", "norm_place": "post", "embedding_norm": True, "activation": "gelu"},
            "BertForTokenClassification",
        ),
    ],
)
def test_a_discriminator(choice: dict[str, Any], name: str, tmp_path: Path) -> None:
    model = build(DiscriminatorConfig(**SMALL, **choice, tags=4), seed=2)
    shake(model)
    assert export(model, LETTERS, tmp_path / "out").name == name
    loaded = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path / "out", dtype="float32").eval()
    tokens = torch.randint(LETTERS.size, (2, 30))
    padding = torch.zeros(2, 30, dtype=torch.bool)
    padding[1, 20:] = True
    with torch.no_grad():
        logits = loaded(tokens, attention_mask=(~padding).long()).logits
        native = model(tokens, padding)
    torch.testing.assert_close(logits[..., 0][~padding], native.error_logits[~padding], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(logits[..., 1:][~padding], native.edit_logits[~padding], atol=1e-4, rtol=1e-4)
    assert load_weights(tmp_path / "out" / "fake_head.safetensors").keys() >= {"fake.weight", "pool.weight"}


@pytest.mark.parametrize("choice", [{}, {**NEOX, "activation": "geglu", "norm_gain": True}])
def test_a_discriminator_that_reads_marks_and_parts(choice: dict[str, Any], tmp_path: Path) -> None:
    model = build(DiscriminatorConfig(**SMALL, **choice, tags=4, marks=9, parts=7), seed=2)
    shake(model)
    export(model, LETTERS, tmp_path / "out")
    loaded = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path / "out", dtype="float32").eval()
    beside = load_weights(tmp_path / "out" / "fake_head.safetensors")
    tokens, marks = torch.randint(LETTERS.size, (2, 30)), torch.randint(9, (2, 30))
    parts = torch.randint(7, (2, 30, 4))
    embedded = beside["embedding.weight"][tokens] + beside["marks.weight"][marks]
    embedded += beside["parts.weight"][parts].sum(-2)
    if "root mean square" in (tmp_path / "out" / "README.md").read_text():
        embedded = torch.nn.functional.rms_norm(embedded, embedded.shape[-1:], eps=model.config.norm_epsilon)
    with torch.no_grad():
        logits = loaded(inputs_embeds=embedded).logits
        native = model(tokens, None, marks, parts)
    torch.testing.assert_close(logits[..., 1:], native.edit_logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ({"norm_place": "pre", "positions": "learned"}, "BlenderbotForConditionalGeneration"),
        ({"norm_place": "pre", "positions": "sinusoidal", "bias": False}, "BlenderbotForConditionalGeneration"),
        ({"norm_place": "post", "embedding_norm": True, "positions": "learned"}, "BartForConditionalGeneration"),
    ],
)
def test_a_generator(choice: dict[str, Any], name: str, tmp_path: Path) -> None:
    settings = {**SMALL, **ADDED, "activation": "gelu", "norm_epsilon": 1e-5, "decoder_layers": 2, **choice}
    model = build(Seq2SeqConfig(**settings), seed=2)
    shake(model)
    assert export(model, LETTERS, tmp_path / "out").name == name
    loaded = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out", dtype="float32").eval()
    source, target = torch.randint(LETTERS.size, (2, 30)), torch.randint(LETTERS.size, (2, 25))
    padding = torch.zeros(2, 30, dtype=torch.bool)
    padding[1, 20:] = True
    with torch.no_grad():
        logits = loaded(input_ids=source, attention_mask=(~padding).long(), decoder_input_ids=target).logits
        torch.testing.assert_close(logits, model(source, target, padding), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"tied": False, "norm_epsilon": 1e-6},
        {"embedding_norm": False, "norm_gain": True, "source_context": 60},
        {"norm_place": "sandwich", "norm_gain": True, "embedding_norm": False, "activation": "geglu"},
        {"norm_place": "sandwich", "activation": "swiglu", "tied": False},
        {"window": 6, "full_every": 2, "tied": False, "decoder_layers": 4},
    ],
)
def test_a_rotary_generator(choice: dict[str, Any], tmp_path: Path) -> None:
    """Also where nothing is behind a branch and T5Gemma has a norm there, and for answers written token by token."""
    model = build(Seq2SeqConfig(**{**SMALL, "decoder_layers": 2, **choice}), seed=2)
    shake(model)
    assert export(model, LETTERS, tmp_path / "out").name == "T5GemmaForConditionalGeneration"
    loaded = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out", dtype="float32").eval()
    source, target = torch.randint(LETTERS.size, (2, 30)), torch.randint(LETTERS.size, (2, 25))
    padding = torch.zeros(2, 30, dtype=torch.bool)
    padding[1, 20:] = True
    seen = torch.ones_like(target)
    with torch.no_grad():
        logits = loaded(
            input_ids=source, attention_mask=(~padding).long(), decoder_input_ids=target, decoder_attention_mask=seen
        ).logits
        torch.testing.assert_close(logits, model(source, target, padding), atol=1e-4, rtol=1e-4)
    texts = ["hello world", "a"]
    ours = generate(model, LETTERS, texts, Sampling(max_new_tokens=20, temperature=0))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    for text, answers in zip(texts, ours, strict=True):
        theirs = loaded.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=20, do_sample=False)
        assert theirs[0, 1:].tolist() == list(answers[0].tokens)


def test_an_embedding_too_small_to_norm_is_refused() -> None:
    model = build(Seq2SeqConfig(**SMALL, norm_epsilon=1e-6), seed=2)
    with pytest.raises(GatllmError, match="too small for norm_epsilon"):
        to_transformers(model)


def test_what_fits_nothing_is_told_what_keeps_it() -> None:
    with pytest.raises(GatllmError, match="would need global_tokens = 0 instead of 2"):
        to_transformers(build(GPTConfig(**SMALL, window=4, global_tokens=2)))
    with pytest.raises(GatllmError, match="T5GemmaForConditionalGeneration would need qk_norm = false"):
        to_transformers(build(Seq2SeqConfig(**SMALL, qk_norm=True)))


def test_gpt2_comes_in(tmp_path: Path) -> None:
    config = transformers.GPT2Config(vocab_size=50, n_positions=32, n_embd=24, n_layer=2, n_head=3)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    shake(theirs)
    theirs.save_pretrained(tmp_path / "gpt2")
    tokens = torch.randint(50, (2, 32))
    for source in (theirs, tmp_path / "gpt2"):
        ours = import_gpt2(source)
        with torch.no_grad():
            torch.testing.assert_close(ours(tokens), theirs(tokens).logits, atol=1e-4, rtol=1e-4)
    with pytest.raises(GatllmError, match="can't read"):
        import_gpt2(tmp_path / "nothing")
    with pytest.raises(GatllmError, match="is not a plain GPT-2"):
        import_gpt2(to_transformers(build(GPTConfig(**SMALL))))
