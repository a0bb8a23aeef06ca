"""What `gatllm doctor` finds: what this machine has, and the cure for what is missing. Changes nothing."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LATE = 120.0  # seconds: no chain that the market runs on makes blocks more slowly


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; without a ``required`` one gatllm can't do its main job."""

    what: str
    ok: bool
    found: str
    cure: str = ""
    required: bool = False


def diagnose() -> list[Check]:
    """Look at the processor, the disk, the parts that set-up built, what is installed, and a service that was started.

    Of networks only the database and the chain are asked that the environment names, or a local chain that runs.
    """
    return [*_machine(), *_built(), *_extras(), *_optional(), *_service(), *_market()]


def _machine() -> Iterator[Check]:
    enough = sys.version_info >= (3, 11)
    yield Check("Python", enough, platform.python_version(), "install Python 3.11 or newer", required=True)
    weights = Path(__file__).parent / "review" / "weights" / "model.safetensors"
    yield Check("discriminator", weights.is_file(), "weights are there", "install gatllm again", required=True)
    if _there("torch"):
        yield from _processor()
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    yield Check("disk", free > 4, f"{free:.0f} GB free here", "free 4 GB: the demo makes 1 GB, the chat model needs 2")


def _processor() -> Iterator[Check]:
    import torch

    yield Check("PyTorch", True, f"{torch.__version__}, {torch.get_num_threads()} threads")
    device = "CUDA" if torch.cuda.is_available() else "MPS" if torch.backends.mps.is_available() else "none"
    yield Check("GPU", device != "none", device, "optional: everything runs on the processor")
    level = torch.backends.cpu.get_cpu_capability()
    bf16 = any(f" {flag}" in _processor_flags() for flag in ("amx_bf16", "avx512_bf16"))
    yield Check("bf16", bf16, f"{level}{', bf16 instructions' if bf16 else ''}", "optional: training uses fp32 instead")


def _there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _processor_flags() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _built() -> Iterator[Check]:
    package = Path(__file__).parent
    abi = sorted((package / "market" / "abi").glob("*.json"))
    yield Check("contracts", bool(abi), f"{len(abi)} ABIs", "in a checkout: make setup")
    assets = sorted((package / "service" / "static" / "vendor").glob("*"))
    yield Check("page assets", bool(assets), f"{len(assets)} files", "in a checkout: make setup")
    if _there("web3"):
        from gatllm.market import find_anvil

        anvil = find_anvil()
        yield Check("local chain", anvil is not None, "anvil" if anvil else "", "in a checkout: make setup")
    if _there("torch"):
        from gatllm.models.pretrained import QWEN_CODER, cached_weights

        weights = cached_weights(QWEN_CODER)
        yield Check("chat model", weights is not None, str(weights or ""), "fetched once, by the first `gatllm ask`")


# extra → (one package that only it brings, what it is for)
_EXTRAS = {
    "data": ("datasketch", "gatllm data, tokenizer"),
    "train": ("torch", "gatllm train, finetune, sample, proof"),
    "chat": ("sklearn", "gatllm ask, chat"),
    "serve": ("fastapi", "gatllm serve"),
    "market": ("web3", "gatllm market"),
}


def _extras() -> Iterator[Check]:
    for extra, (package, use) in _EXTRAS.items():
        yield Check(use, _there(package), f"gatllm[{extra}]", f"pip install 'gatllm[{extra}]'")


def _optional() -> Iterator[Check]:
    for package, extra, use in (
        ("optuna", "tune", "gatllm tune"),
        ("datasets", "hf", "Hugging Face data sets"),
        ("ray", "ray", "building data on a cluster"),
        ("tree_sitter_cpp", "cpp", "C++ data"),
    ):
        yield Check(use, _there(package), package, f"optional: pip install 'gatllm[{extra}]'")
    yield _sandbox()
    key = bool(os.environ.get("GATLLM_KEY"))
    yield Check("trainer's key", True, "GATLLM_KEY" if key else "a file in the data folder, made when first needed")


def _sandbox() -> Check:
    from gatllm.errors import GatllmError
    from gatllm.sandbox import Runner

    try:
        with Runner(workers=1) as runner:
            return Check("sandbox", True, runner.protections.backend)
    except GatllmError as error:
        return Check("sandbox", False, "", error.cause)


def _service() -> Iterator[Check]:
    """The service's database and folder, where it was ever started."""
    where = os.environ.get("GATLLM_DATABASE")
    if not _there("sqlalchemy") or not _there("eth_account"):
        return
    from gatllm.errors import GatllmError
    from gatllm.proof import default_key_path
    from gatllm.service.database import check_database

    folder = default_key_path().parent
    if where is None and not (folder / "service" / "service.db").exists():
        return
    try:
        yield Check("service database", True, check_database(where or folder / "service" / "service.db"))
    except GatllmError as error:
        yield Check("service database", False, error.cause, error.cure or "")
    mode = folder.stat().st_mode & 0o077 if folder.is_dir() else 0
    yield Check("data folder", not mode, "yours alone" if not mode else "others can read it", f"chmod 700 {folder}")
    free = shutil.disk_usage(folder).free >> 30 if folder.is_dir() else 0
    yield Check("room for uploads", free >= 3, f"{free} GiB", "the service takes no uploads with less than 3 GiB")


def _market() -> Iterator[Check]:
    """The market's chain and store, where it was ever used."""
    if not _there("web3"):
        return
    from gatllm.errors import GatllmError
    from gatllm.market import Chain, LocalStore, open_store, running_url
    from gatllm.proof import default_key_path

    folder = Path(os.environ.get("GATLLM_STATE_DIR") or default_key_path().parent / "market")
    rpc = os.environ.get("GATLLM_RPC") or running_url(folder / "devnet")
    if rpc is not None:
        try:
            chain = Chain(rpc)
            age = max(0.0, time.time() - chain.timestamp())
            late = not chain.local and age > _LATE  # a local chain makes blocks for transactions only
            found = f"chain {chain.chain_id}, newest block {age:.0f} s old"
            yield Check("market's chain", not late, found, "the node is behind: ask another, or wait")
        except GatllmError as error:
            yield Check("market's chain", False, error.cause, error.cure or "")
    if not folder.is_dir():
        return
    place = os.environ.get("GATLLM_STORE") or str(folder / "store")
    try:
        store = open_store(place)
        held = f"{len(list(store.folder.glob('*')))} files" if isinstance(store, LocalStore) else place
        yield Check("market's store", True, held)
    except GatllmError as error:
        yield Check("market's store", False, error.cause, error.cure or "")
