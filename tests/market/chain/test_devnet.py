"""The local chain: it keeps its state, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gatllm.errors import GatllmError
from gatllm.market import Chain, Devnet, running_url
from gatllm.market.chain import devnet as module

pytestmark = pytest.mark.usefixtures("devnet")  # skips all where there is no anvil


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _gone(pid: int) -> bool:
    for _ in range(500):
        if not _alive(pid):
            return True
        time.sleep(0.02)
    return False


def test_state_survives_a_restart(tmp_path: Path) -> None:
    to = "0x" + "12" * 20
    with Devnet(tmp_path) as first:
        first.fund(to, 3)
        chain = Chain(first.url)
        head = chain.head()
        pid = first.pid
        assert running_url(tmp_path) == first.url
    assert pid
    assert not _alive(pid)
    assert running_url(tmp_path) is None
    with Devnet(tmp_path) as second:
        assert Chain(second.url).balance(to) == 3 * 10**18
        assert Chain(second.url).head() >= head


def test_a_folder_has_one_chain(tmp_path: Path) -> None:
    with Devnet(tmp_path), pytest.raises(GatllmError, match="running already"):
        Devnet(tmp_path).start()


def test_it_ends_with_a_killed_parent_and_the_state_is_whole(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from gatllm.market import Devnet\n"
        "d = Devnet(Path(sys.argv[1])).start(); d.fund('0x' + '34' * 20, 5); print(d.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    pid = int(parent.stdout.readline())
    assert _alive(pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert _gone(pid)
    with Devnet(tmp_path) as again:
        assert Chain(again.url).balance("0x" + "34" * 20) == 5 * 10**18


def test_a_state_that_was_cut_off_is_not_picked_up(tmp_path: Path) -> None:
    with Devnet(tmp_path) as first:
        first.fund("0x" + "56" * 20, 7)
    with Devnet(tmp_path):
        pass
    state = tmp_path / "state.json"
    state.write_bytes(state.read_bytes()[:100])
    with Devnet(tmp_path) as again:
        assert Chain(again.url).balance("0x" + "56" * 20) == 7 * 10**18


def test_a_port_in_use_is_one_clear_line(tmp_path: Path, devnet: Devnet) -> None:
    port = int(devnet.url.rsplit(":", 1)[1])
    with pytest.raises(GatllmError, match="anvil does not start"):
        Devnet(tmp_path, port=port).start()


def test_no_anvil_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATLLM_ANVIL", str(tmp_path / "none"))
    assert module.find_anvil() is None
    with pytest.raises(GatllmError, match="there is no anvil"):
        Devnet(tmp_path).start()


def test_the_devnet_stopped_says_so(tmp_path: Path) -> None:
    with pytest.raises(GatllmError, match="not running"):
        _ = Devnet(tmp_path).url
