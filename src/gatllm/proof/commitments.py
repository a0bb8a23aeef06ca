"""What a run claims, as four hashes: the data, the model before training, the output, the log.

Each hash is the digest of a small JSON object whose every part can be computed again from the run folder; the same
four are registered on chain.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError, VerificationError
from gatllm.records import digest, file_sha256, log_head, read_log

_HEX = set("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Hashes:
    """The four registered hashes, each 64 hexadecimal digits."""

    data_hash: str
    model_hash: str
    output_hash: str
    log_hash: str

    def as_bytes32(self) -> tuple[str, str, str, str]:
        """Return the hashes as ``0x…``, in the order of ``registerTrainingProof``."""
        return ("0x" + self.data_hash, "0x" + self.model_hash, "0x" + self.output_hash, "0x" + self.log_hash)


@dataclass(frozen=True, slots=True)
class Claims:
    """What the hashes are hashes of."""

    data: dict[str, Any]
    model: dict[str, Any]
    output: dict[str, Any]
    log: dict[str, Any]

    def hashes(self) -> Hashes:
        """Return the four hashes of these claims."""
        return Hashes(
            data_hash=self.data["root"],
            model_hash=digest(self.model),
            output_hash=digest(self.output),
            log_hash=self.log["head"],
        )

    @property
    def seed_block(self) -> str | None:
        """The hash of the block that the seed follows from; None when the seed was chosen.

        Raises:
            VerificationError: the claims are not those of a training run.
        """
        determinism = _table(self.model, "recipe").get("determinism", {})
        if not isinstance(determinism, dict) or not isinstance(determinism.get("block", ""), str):
            raise VerificationError("the recipe's determinism table makes no sense")
        return (determinism.get("block") or None) if determinism.get("seed") == "committed" else None

    @property
    def seed_trainer(self) -> str | None:
        """The address that the seed follows from; None for seeds that were chosen or belong to nobody."""
        trainer = _table(self.model, "recipe").get("determinism", {}).get("trainer")
        return trainer if isinstance(trainer, str) and self.seed_block else None

    @property
    def salt(self) -> str | None:
        """The salt that hid the commitment until now; None where there was none."""
        salt = _table(self.model, "commitments").get("salt")
        return salt if is_hash(salt) else None

    def plan_hash(self) -> str:
        """Return the hash of what was promised before training: all that decides the result but data and seed.

        Raises:
            VerificationError: the claims are not those of a training run with a committed seed.
        """
        from gatllm.training.seeds import plan_of

        try:
            return digest(plan_of(_table(self.model, "recipe"), _table(self.model, "commitments")))
        except (KeyError, TypeError, AttributeError, ValueError):
            raise VerificationError("the recipe or the commitments are not those of a training run") from None

    def as_dict(self) -> dict[str, Any]:
        """Return the claims as they stand in ``proof.json``."""
        return asdict(self)


def _table(claims: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = claims.get(name, {})
    if not isinstance(found, dict):
        raise VerificationError(f"the claims' {name} are not those of a training run")
    return found


def is_hash(value: object) -> bool:
    """Tell whether ``value`` is a SHA-256 as we write it: 64 lower-case hexadecimal digits."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= _HEX


def read_recipe(run: Path) -> dict[str, Any]:
    """Return the run's fully resolved recipe.

    Raises:
        GatllmError: it is missing or damaged.
    """
    path = run / "recipe.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GatllmError(f"{path} is missing", "name a run folder, as `gatllm train` makes it") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise VerificationError(f"recipe.toml is damaged: {error}") from None


def read_claims(run: Path) -> Claims:
    """Derive what a finished run claims from its log, recipe and tokenizer.

    Raises:
        GatllmError: the run is not finished or a part is missing.
        VerificationError: the log's chain does not hold.
    """
    entries = read_log(run / "log.jsonl")
    starts = [entry for entry in entries if entry["event"] == "start"]
    ends = [entry for entry in entries if entry["event"] == "end"]
    if not starts or entries[0] is not starts[0] or len(starts) > 1:
        raise VerificationError("log.jsonl must begin with its one start event")
    if not ends or entries[-1] is not ends[-1] or len(ends) > 1:
        raise GatllmError(f"the run in {run} is not finished", "resume it, then prove it")
    start, end = starts[0], ends[0]
    commitments = start.get("commitments")
    if not isinstance(commitments, dict) or not is_hash(commitments.get("data_root")):
        raise VerificationError("the start event commits to no dataset (data_root)")
    if not is_hash(end.get("weights_root")) or not isinstance(end.get("metrics"), dict):
        raise VerificationError("the end event does not name weights (weights_root) and metrics")
    commitments = dict(commitments)
    root = commitments.pop("data_root")
    tokenizer = run / "tokenizer.json"
    model = {
        "commitments": commitments,  # init_root, code, environment and what else was fixed before the first step
        "recipe": read_recipe(run),  # architecture and hyper-parameters
        "tokenizer": file_sha256(tokenizer) if tokenizer.is_file() else None,
    }
    return Claims(
        data={"root": root},
        model=model,
        output={"weights_root": end["weights_root"], "metrics": end["metrics"]},
        log={
            "head": log_head(run / "log.jsonl"),
            "entries": len(entries),
            "started": start["time"],
            "ended": end["time"],
        },
    )


def numerical_variables(run: Path) -> dict[str, str]:
    """Return the environment variables that decided how a run computed, as its log names them; none when it can't."""
    try:
        start = read_log(run / "log.jsonl")[0]
        named = start["commitments"]["environment"]["variables"]
    except (GatllmError, IndexError, KeyError, TypeError):
        return {}
    known = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "OMP_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG")
    # A log is a stranger's text: of what it names only these are taken, and only plain words.
    return {name: str(named[name]) for name in known if name in named and re.fullmatch(r"[\w:,-]+", str(named[name]))}
