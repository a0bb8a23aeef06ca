"""A local anvil chain on loopback, its state kept in a file, gone with the process that started it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from gatllm.errors import GatllmError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

DEVNET_CHAIN_ID = 31337
# Everybody knows this phrase: what it guards is worth nothing anywhere but on a local chain.
_MNEMONIC = "test test test test test test test test test test test junk"
_MODULES = Path("contracts", "node_modules")

# The child asks the kernel to end it with its parent (even on SIGKILL), then becomes anvil. A pre-exec hook would do
# the same, but is not safe in a process with threads. The check closes the gap before the request.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def find_anvil() -> Path | None:
    """Return the anvil program: ``GATLLM_ANVIL``, else the one that set-up built, else one on ``PATH``."""
    given = os.environ.get("GATLLM_ANVIL")
    if given:
        return Path(given) if os.access(given, os.X_OK) else None
    for base in (Path.cwd(), *Path(__file__).resolve().parents):
        for found in sorted((base / _MODULES / "@foundry-rs").glob("anvil-*/bin/anvil")):
            if os.access(found, os.X_OK):
                return found
    on_path = shutil.which("anvil")
    return Path(on_path) if on_path else None


@dataclass(frozen=True, slots=True)
class _Running:
    process: subprocess.Popen[str]
    url: str
    output: TextIO


class Devnet:
    """A local chain in a folder: ``state.json`` holds it between runs, ``devnet.json`` says where it listens.

    Use it as a context manager, from a long-lived thread: the kernel ends anvil when the thread that started it ends.

    Raises:
        GatllmError: there is no anvil, it does not start, or the folder's chain is running already.
    """

    def __init__(self, folder: Path, *, port: int = 0, block_time: float | None = None) -> None:
        self.folder = folder
        self._port = port
        self._block_time = block_time
        self._running: _Running | None = None

    @property
    def url(self) -> str:
        """Where the chain answers.

        Raises:
            GatllmError: it is not running.
        """
        if self._running is None:
            raise GatllmError("the local chain is not running", "start it with: gatllm market devnet")
        return self._running.url

    @property
    def pid(self) -> int | None:
        """The process id of anvil while it runs."""
        return self._running.process.pid if self._running else None

    @property
    def alive(self) -> bool:
        """Whether anvil runs."""
        return self._running is not None and self._running.process.poll() is None

    def accounts(self, count: int = 10) -> list[LocalAccount]:
        """Return the chain's funded accounts (10,000 ether each at the start); their keys are public knowledge."""
        from eth_account import Account

        Account.enable_unaudited_hdwallet_features()
        return [Account.from_mnemonic(_MNEMONIC, account_path=f"m/44'/60'/0'/0/{i}") for i in range(count)]

    def rpc(self, method: str, *parameters: Any) -> Any:
        """Call one of anvil's own methods (``anvil_setBalance``, ``evm_increaseTime``, …) and return its result."""
        return _rpc(self.url, method, list(parameters))

    def fund(self, address: str, ether: int = 10) -> None:
        """Give ``address`` at least ``ether`` ether."""
        if int(self.rpc("eth_getBalance", address, "latest"), 16) < ether * 10**18:
            self.rpc("anvil_setBalance", address, hex(ether * 10**18))

    def start(self) -> Self:
        """Start anvil and wait until it answers."""
        anvil = find_anvil()
        if anvil is None:
            raise GatllmError("there is no anvil", "run `make setup`, or set GATLLM_ANVIL to Foundry's anvil")
        self._refuse_second()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._keep_backup()
        command = [str(anvil), "--host", "127.0.0.1", "--port", str(self._port), "--chain-id", str(DEVNET_CHAIN_ID)]
        command += ["--mnemonic", _MNEMONIC, "--state", str(self.folder / "state.json")]
        # Cancun: what the contracts are compiled for; a newer default would change gas between anvil versions.
        command += ["--hardfork", "cancun"]
        if self._block_time:
            command += ["--block-time", str(self._block_time)]
        log = (self.folder / "anvil.log").open("w", encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C reaches us alone; we end it in order, with its state written
        )
        try:
            url = self._wait_for(process)
        except BaseException:
            _end(process, log)
            raise
        self._running = _Running(process, url, log)
        where = {"url": url, "chain_id": DEVNET_CHAIN_ID, "pid": process.pid}
        (self.folder / "devnet.json").write_text(json.dumps(where) + "\n", encoding="utf-8")
        return self

    def stop(self) -> None:
        """End anvil, its state written; safe to call twice."""
        if self._running is not None:
            running, self._running = self._running, None
            _end(running.process, running.output)
            (self.folder / "devnet.json").unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self if self._running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _refuse_second(self) -> None:
        url = running_url(self.folder)
        if url is not None:
            raise GatllmError(f"the chain in {self.folder} is running already at {url}", "use it, or stop it first")

    def _keep_backup(self) -> None:
        # anvil writes its state in place when it ends; a file that a crash cut off is not picked up.
        state, backup = self.folder / "state.json", self.folder / "state.json.bak"
        if state.exists():
            try:
                json.loads(state.read_bytes())
            except ValueError:
                state.unlink()
                if backup.exists():
                    shutil.copyfile(backup, state)
            else:
                shutil.copyfile(state, backup)

    def _wait_for(self, process: subprocess.Popen[str]) -> str:
        path = self.folder / "anvil.log"
        for _ in range(1500):
            if process.poll() is not None:
                break
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith("Listening on "):
                    return "http://" + line.removeprefix("Listening on ").strip()
            time.sleep(0.02)
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["no output"]
        raise GatllmError(f"anvil does not start: {lines[-1]}", f"see {path}; another --port may help")


def running_url(folder: Path) -> str | None:
    """Return where the chain of ``folder`` answers, or None when it does not run."""
    try:
        url = str(json.loads((folder / "devnet.json").read_text(encoding="utf-8"))["url"])
        return url if int(_rpc(url, "eth_chainId", []), 16) == DEVNET_CHAIN_ID else None
    except (OSError, ValueError, KeyError, TypeError, GatllmError):
        return None


def _rpc(url: str, method: str, parameters: list[Any]) -> Any:
    import requests

    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
    try:
        answer = requests.post(url, json=body, timeout=30).json()
    except (requests.RequestException, ValueError):
        raise GatllmError(f"nothing answers at {url}", "start the local chain") from None
    if "error" in answer:
        raise GatllmError(f"{method}: {answer['error'].get('message', answer['error'])}")
    return answer["result"]


def _end(process: subprocess.Popen[str], log: TextIO) -> None:
    try:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    except ProcessLookupError:
        process.wait()
    finally:
        log.close()
