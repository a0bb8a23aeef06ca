"""Models: attention, GPT decoder, encoder-decoder generator, encoder discriminator, pretrained LMs, conversion."""

from gatllm.models.attention import attend
from gatllm.models.build import Model, build
from gatllm.models.chat import (
    ChatGenerator,
    ChatOptions,
    Completion,
    ContextOverflowError,
    Message,
    StateReader,
    TooLongError,
)
from gatllm.models.config import (
    DiscriminatorConfig,
    GPTConfig,
    ModelConfig,
    Seq2SeqConfig,
    TransformerConfig,
    config_from_dict,
)
from gatllm.models.device import choose_device
from gatllm.models.discriminator import Discriminator, DiscriminatorOutput
from gatllm.models.fingerprint import tensor_hashes, weights_root
from gatllm.models.gpt import GPT
from gatllm.models.pattern import Pattern
from gatllm.models.pretrained import PretrainedLM
from gatllm.models.run import LoadedRun, load_run
from gatllm.models.seq2seq import Seq2Seq
from gatllm.models.weights import load_weights, put_weights, save_weights

__all__ = [
    "GPT",
    "ChatGenerator",
    "ChatOptions",
    "Completion",
    "ContextOverflowError",
    "Discriminator",
    "DiscriminatorConfig",
    "DiscriminatorOutput",
    "GPTConfig",
    "LoadedRun",
    "Message",
    "Model",
    "ModelConfig",
    "Pattern",
    "PretrainedLM",
    "Seq2Seq",
    "Seq2SeqConfig",
    "StateReader",
    "TooLongError",
    "TransformerConfig",
    "attend",
    "build",
    "choose_device",
    "config_from_dict",
    "load_run",
    "load_weights",
    "put_weights",
    "save_weights",
    "tensor_hashes",
    "weights_root",
]
