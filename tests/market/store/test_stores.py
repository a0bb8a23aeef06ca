"""Stores: folders, nodes and gateways give back what was put in, or a clear error."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gatllm.errors import GatllmError, VerificationError
from gatllm.market.store.car import CarFile
from gatllm.market.store.cid import Cid
from gatllm.market.store.stores import Gateway, KuboStore, LocalStore, open_store, pin, read_small


class FakeNode:
    """Speaks what we use of kubo's RPC, of a trustless gateway and of the pinning API, over real HTTP."""

    def __init__(self, folder: Path) -> None:
        self.store = LocalStore(folder)
        self.status = ["queued", "pinning", "pinned"]
        self.damage: Callable[[bytes], bytes] = lambda data: data
        self.tokens: list[str] = []
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.startswith("/api/v0/dag/import"):
                    start = body.index(b"\r\n\r\n") + 4
                    end = body.rindex(b"\r\n--")
                    node.store.folder.mkdir(exist_ok=True)
                    path = node.store.folder / "incoming.car"
                    path.write_bytes(body[start:end])
                    root = CarFile(path).root
                    path.rename(node.store.car(root))
                    self._answer(json.dumps({"Root": {"Cid": {"/": str(root)}}}).encode())
                elif self.path.startswith("/api/v0/dag/export"):
                    self._car(self.path.rpartition("arg=")[2])
                elif self.path == "/pins":
                    node.tokens.append(self.headers["Authorization"])
                    self._answer(json.dumps({"requestid": "7", "status": node.status.pop(0)}).encode())

            def do_GET(self) -> None:
                if self.path.startswith("/ipfs/"):
                    self._car(self.path.removeprefix("/ipfs/").partition("?")[0])
                else:
                    self._answer(json.dumps({"requestid": "7", "status": node.status.pop(0)}).encode())

            def _car(self, name: str) -> None:
                path = node.store.car(Cid.parse(name))
                self._answer(node.damage(path.read_bytes())) if path.exists() else self.send_error(404, "not found")

            def _answer(self, data: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[FakeNode]:
    running = FakeNode(tmp_path / "node")
    yield running
    running.close()


@pytest.fixture
def content(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    folder.mkdir()
    (folder / "a").write_bytes(bytes(3_000_000))
    (folder / "b").write_text("b")
    return folder


def test_a_local_store(tmp_path: Path, content: Path) -> None:
    store = LocalStore(tmp_path / "store")
    cid = store.add(content)
    store.fetch(cid, tmp_path / "out")
    assert (tmp_path / "out" / "b").read_text() == "b"
    assert store.read(store.add_bytes(b"small")) == b"small"
    assert read_small(store, store.add_bytes(b"small")) == b"small"
    with pytest.raises(GatllmError, match="does not hold"):
        store.fetch(Cid.of(0x55, b"other"), tmp_path / "none")
    with pytest.raises(GatllmError, match="not a file of one block"):
        read_small(store, cid)
    assert all(path.suffix == ".car" for path in store.folder.iterdir())


def test_a_node_takes_and_gives(tmp_path: Path, content: Path, node: FakeNode) -> None:
    store = open_store(f"kubo:{node.url}")
    cid = store.add(content)
    store.fetch(cid, tmp_path / "out")
    assert (tmp_path / "out" / "a").stat().st_size == 3_000_000


def test_a_gateway_gives_and_takes_nothing(tmp_path: Path, content: Path, node: FakeNode) -> None:
    cid = node.store.add(content)
    gateway = open_store(f"gateway:{node.url}")
    assert isinstance(gateway, Gateway)
    gateway.fetch(cid, tmp_path / "out")
    assert (tmp_path / "out" / "b").read_text() == "b"
    with pytest.raises(GatllmError, match="takes no uploads"):
        gateway.add(content)
    with pytest.raises(GatllmError, match="404"):
        gateway.fetch(Cid.of(0x55, b"other"), tmp_path / "none")


def test_a_gateway_that_lies_is_caught(tmp_path: Path, content: Path, node: FakeNode) -> None:
    cid = node.store.add(content)
    node.damage = lambda data: data[:-1] + bytes((data[-1] ^ 1,))
    with pytest.raises(VerificationError):
        Gateway(node.url).fetch(cid, tmp_path / "out")
    other = node.store.car(node.store.add_bytes(b"other content")).read_bytes()
    node.damage = lambda _: other
    with pytest.raises(VerificationError, match="holds"):
        Gateway(node.url).fetch(cid, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pinning(node: FakeNode) -> None:
    cid = Cid.of(0x55, b"x")
    assert pin(node.url, "secret", cid, "dataset", poll=0) == "7"
    assert node.tokens == ["Bearer secret"]
    node.status = ["failed"]
    with pytest.raises(GatllmError, match="failed"):
        pin(node.url, "secret", cid, "dataset")
    node.status = ["queued"] * 3
    with pytest.raises(GatllmError, match="did not fetch"):
        pin(node.url, "secret", cid, "dataset", timeout=-1)


def test_nothing_answers(tmp_path: Path) -> None:
    with pytest.raises(GatllmError, match="nothing answers"):
        KuboStore("http://127.0.0.1:9").fetch(Cid.of(0x55, b"x"), tmp_path / "out")
