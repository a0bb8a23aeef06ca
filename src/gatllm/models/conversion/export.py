"""A native model as a folder of 🤗 Transformers, with equal logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.models.build import Model
from gatllm.models.conversion import bart, llama, t5gemma
from gatllm.models.conversion.target import Target
from gatllm.models.discriminator import Discriminator
from gatllm.models.seq2seq import Seq2Seq
from gatllm.models.weights import save_weights
from gatllm.records import new_folder, write_file
from gatllm.tokenizers import Tokenizer

TARGETS: tuple[Target, ...] = (*llama.TARGETS, *t5gemma.TARGETS, *bart.TARGETS)


def target_for(model: Model) -> Target:
    """Return the first architecture that ``model`` fits without losing anything.

    Raises:
        GatllmError: it fits none; the message names what keeps it from the closest one.
    """
    config = model.config
    misfits = [(target, target.misfits(config)) for target in TARGETS if target.kind == config.kind]
    for target, reasons in misfits:
        if not reasons:
            return target
    closest, reasons = min(misfits, key=lambda pair: len(pair[1]))
    raise GatllmError(
        f"no 🤗 architecture is this model; {closest.name} would need {', '.join(reasons)}",
        "train with these choices to export without loss (docs/models.md, Conversion)",
    )


def to_transformers(model: Model, tokenizer: Tokenizer | None = None) -> Any:
    """Return ``model`` as a 🤗 model in evaluation mode, in fp32.

    Raises:
        GatllmError: it fits no architecture.
    """
    target = target_for(model)
    import transformers

    transformers.utils.logging.disable_progress_bar()
    config, state = target.convert(model.eval())
    config.architectures = [target.name]
    _set_special_tokens(config, model, tokenizer)
    made = getattr(transformers, target.name)(config)
    missing, unknown = made.load_state_dict({name: value.clone() for name, value in state.items()}, strict=False)
    lost = [name for name in missing if not name.endswith(("inv_freq", "position_ids", "token_type_ids"))]
    if lost or unknown:  # a version of Transformers that lays its weights out differently
        raise GatllmError(f"{target.name} has other weights than we know: {(lost + list(unknown))[0]}", "report it")
    if tokenizer is not None and not isinstance(model, Discriminator):
        made.generation_config.suppress_tokens = [tokenizer.pad_id]  # never written by ours either
    return made.float().eval()


def _set_special_tokens(config: Any, model: Model, tokenizer: Tokenizer | None) -> None:
    stacks = [getattr(config, name, None) for name in ("encoder", "decoder")]  # T5Gemma's have configs of their own
    for part in (config, *(stack for stack in stacks if stack is not None)):
        part.pad_token_id = tokenizer.pad_id if tokenizer else None
        part.eos_token_id = part.bos_token_id = tokenizer.end_id if tokenizer else None
    if tokenizer is None:
        return
    if isinstance(model, Seq2Seq):
        config.decoder_start_token_id = tokenizer.end_id
    if isinstance(model, Discriminator):
        names = ["error", *(f"edit-{tag}" for tag in range(model.config.tags))]
        config.id2label = dict(enumerate(names))
        config.label2id = {name: index for index, name in enumerate(names)}


def export(model: Model, tokenizer: Tokenizer, folder: Path, *, replace: bool = False) -> Target:
    """Write ``model`` and ``tokenizer`` as a folder that 🤗 ``from_pretrained`` loads, and return what it became.

    Raises:
        GatllmError: the model fits no architecture, or the folder is already there.
    """
    target = target_for(model)
    made = to_transformers(model, tokenizer)
    with new_folder(folder, replace=replace) as temporary:
        made.save_pretrained(temporary)
        _save_tokenizer(tokenizer, temporary)
        if isinstance(model, Discriminator):
            inputs = ("marks.", "parts.", "embedding.") if _reads_beside(model) else ()
            beside = ("fake.", "pool.", *inputs)
            rest = {name: value for name, value in model.state_dict().items() if name.startswith(beside)}
            save_weights(temporary / "fake_head.safetensors", rest)
        write_file(temporary / "README.md", _about(model, target))
    return target


def _save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    if tokenizer.kind not in {"bpe", "characters", "sentencepiece"}:  # not a format that 🤗 tokenizers reads
        write_file(folder / "gatllm-tokenizer.json", tokenizer.to_json())
        return
    from transformers import PreTrainedTokenizerFast

    from tokenizers import Tokenizer as Engine

    names = {index: name for name, index in tokenizer.specials.items()}
    PreTrainedTokenizerFast(
        tokenizer_object=Engine.from_str(tokenizer.to_json()),
        pad_token=names[tokenizer.pad_id],
        eos_token=names[tokenizer.end_id],
        bos_token=names[tokenizer.end_id],
        clean_up_tokenization_spaces=False,
    ).save_pretrained(folder)


def _reads_beside(model: Discriminator) -> bool:
    return model.marks is not None or model.parts is not None


def _about(model: Model, target: Target) -> str:
    lines = [f"# A gatllm {model.config.kind} as {target.name}", ""]
    lines += [f"Load it with `transformers.{target.auto}.from_pretrained(folder)`; its logits equal the native ones."]
    if isinstance(model, Discriminator):
        lines += [
            "",
            "Label 0 is the error logit of a token (sigmoid), labels 1 and up are its edit tags (softmax).",
            "`fake_head.safetensors` holds the head for the whole text: softmax of `pool` over the tokens' last states",
            "weighs their sum, `fake` makes it one logit (sigmoid: probability of fake).",
        ]
        if _reads_beside(model):
            inside = target.name.startswith(("ModernBert", "Bert")) or not model.config.embedding_norm
            normed = "" if inside else ", divided by its root mean square"
            lines += [
                "",
                "Beside tokens it reads marks (`gatllm.review.structure`) and parts (`gatllm.review.spelling`),",
                "for which there is no place: pass `inputs_embeds`, the sum of the rows of `embedding.weight`,",
                "`marks.weight` and `parts.weight` (those that are in `fake_head.safetensors`) that tokens, marks and",
                f"parts name{normed}.",
            ]
    return "\n".join(lines) + "\n"
