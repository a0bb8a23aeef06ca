"""Where content lies: a local folder, a kubo node, a gateway. Whatever comes back is checked against its identifier."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from gatllm.errors import GatllmError, VerificationError
from gatllm.market.store.car import CarFile, write_car
from gatllm.market.store.cid import RAW, Cid
from gatllm.progress import Report, silent


class Store(Protocol):
    """A place that takes content and gives it back by its identifier."""

    def add(self, path: Path, report: Report = silent) -> Cid:
        """Take a file or folder."""

    def fetch(self, cid: Cid, target: Path) -> None:
        """Write content to ``target``, verified."""


class LocalStore:
    """CAR files in a folder, one per root; any of them can be uploaded as it is (``ipfs dag import``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, path: Path, report: Report = silent) -> Cid:
        """Take a file or folder.

        Raises:
            GatllmError: it can't be read, or the store can't be written.
        """
        with _scratch(self.folder) as scratch:
            root = write_car(path, scratch / "content.car", report=report)
            (scratch / "content.car").replace(self.car(root))
        return root

    def add_bytes(self, data: bytes) -> Cid:
        """Take a small file by its bytes (up to 1 MiB: one raw block)."""
        with _scratch(self.folder) as scratch:
            (scratch / "file").write_bytes(data)
            return self.add(scratch / "file")

    def car(self, cid: Cid) -> Path:
        """Return where the CAR file of a root lies."""
        return self.folder / f"{cid}.car"

    def fetch(self, cid: Cid, target: Path) -> None:
        """Write content to ``target``.

        Raises:
            GatllmError: the store does not hold it.
            VerificationError: it is damaged.
        """
        if not self.car(cid).is_file():
            raise GatllmError(f"{self.folder} does not hold {cid}", "fetch it from a node or gateway")
        _extract(self.car(cid), cid, target)

    def read(self, cid: Cid) -> bytes:
        """Return a small file's bytes.

        Raises:
            GatllmError: the store does not hold it.
            VerificationError: it is damaged.
        """
        with _scratch(self.folder) as scratch:
            self.fetch(cid, scratch / "file")
            return (scratch / "file").read_bytes()


class KuboStore:
    """A kubo node by its RPC address (default port 5001)."""

    def __init__(self, url: str = "http://127.0.0.1:5001") -> None:
        self.url = url.rstrip("/")

    def add(self, path: Path, report: Report = silent) -> Cid:
        """Upload a file or folder as a CAR file and pin it.

        Raises:
            GatllmError: the node does not answer or refuses.
            VerificationError: the node reports another root.
        """
        with tempfile.TemporaryDirectory() as scratch:
            car = Path(scratch) / "content.car"
            root = write_car(path, car, report=report)
            self.upload(car, root)
        return root

    def upload(self, car: Path, root: Cid) -> None:
        """Upload a CAR file and pin its root.

        Raises:
            GatllmError: the node does not answer or refuses.
            VerificationError: the node reports another root.
        """
        with car.open("rb") as file:
            answer = _request(
                "POST", f"{self.url}/api/v0/dag/import?pin-roots=true", files={"file": ("content.car", file)}
            )
        if str(root) not in answer.text:
            raise VerificationError(f"the node did not report the root {root}", "check the node's version")

    def fetch(self, cid: Cid, target: Path) -> None:
        """Write content to ``target``, every block checked against its identifier."""
        _download("POST", f"{self.url}/api/v0/dag/export?arg={cid}", cid, target)


class Gateway:
    """A trustless gateway: reading only, every block checked against its identifier."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def add(self, path: Path, report: Report = silent) -> Cid:
        """Refuse: gateways take nothing."""
        del path, report
        raise GatllmError("a gateway takes no uploads", "name a kubo node or a local folder")

    def fetch(self, cid: Cid, target: Path) -> None:
        """Write content to ``target``."""
        _download("GET", f"{self.url}/ipfs/{cid}?format=car", cid, target)


def pin(service: str, token: str, cid: Cid, name: str, *, timeout: float = 600, poll: float = 5) -> str:
    """Ask a pinning service (the IPFS pinning API) to keep content, wait until it does, return the request's id.

    The service fetches the bytes itself: some node must offer them.

    Raises:
        GatllmError: the service refuses, fails, or is not done in time.
    """
    headers = {"Authorization": f"Bearer {token}"}
    base = service.rstrip("/")
    answer = _json(_request("POST", f"{base}/pins", json={"cid": str(cid), "name": name}, headers=headers))
    started = time.monotonic()
    while (status := answer.get("status")) != "pinned":
        if status not in ("queued", "pinning"):
            raise GatllmError(f"the pinning service says {status!r} for {cid}", "see its own messages")
        if time.monotonic() - started > timeout:
            raise GatllmError(f"the pinning service did not fetch {cid} in {timeout:g} s", "is a node offering it?")
        time.sleep(poll)
        answer = _json(_request("GET", f"{base}/pins/{answer['requestid']}", headers=headers))
    return str(answer["requestid"])


def open_store(where: str) -> Store:
    """Return the store that a setting names: ``kubo:URL``, ``gateway:URL``, or a folder."""
    if where.startswith("kubo:"):
        return KuboStore(where.removeprefix("kubo:"))
    if where.startswith("gateway:"):
        return Gateway(where.removeprefix("gateway:"))
    return LocalStore(Path(where))


def read_small(store: Store, cid: Cid) -> bytes:
    """Return the bytes of a small file.

    Raises:
        GatllmError: it is not a single block, or the store can't give it.
    """
    if cid.codec != RAW:
        raise GatllmError(f"{cid} is not a file of one block", "metadata is at most 1 MiB")
    with tempfile.TemporaryDirectory() as scratch:
        store.fetch(cid, Path(scratch) / "file")
        return (Path(scratch) / "file").read_bytes()


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as scratch:
            yield Path(scratch)
    except OSError as error:
        raise GatllmError(f"can't write {folder}: {error.strerror}", "check space and permissions") from None


def _extract(path: Path, cid: Cid, target: Path) -> None:
    car = CarFile(path)
    if car.root != cid:
        raise VerificationError(f"{path.name} holds {car.root}, not {cid}")
    car.extract(target)


def _download(method: str, url: str, cid: Cid, target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        car = Path(scratch) / "content.car"
        answer = _request(method, url, stream=True, headers={"Accept": "application/vnd.ipld.car"})
        with car.open("wb") as file:
            for piece in answer.iter_content(1 << 20):
                file.write(piece)
        _extract(car, cid, target)


def _request(method: str, url: str, **options: Any) -> Any:
    import requests

    where = url.split("?", maxsplit=1)[0]
    try:
        answer = requests.request(method, url, timeout=60, **options)
    except requests.RequestException:
        raise GatllmError(f"nothing answers at {where}", "check the address and that the node runs") from None
    if not answer.ok:
        raise GatllmError(f"{where} answers {answer.status_code}: {' '.join(answer.text[:200].split())}")
    return answer


def _json(answer: Any) -> dict[str, Any]:
    try:
        value = answer.json()
    except ValueError:
        raise GatllmError("the service does not answer with JSON", "check its address") from None
    if not isinstance(value, dict):
        raise GatllmError("the service's answer makes no sense", "check its address")
    return value
