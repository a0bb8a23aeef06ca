"""Time stamps by an authority made on the spot with openssl: right ones hold, others are caught."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gatllm.cli import main
from gatllm.errors import GatllmError, VerificationError
from gatllm.proof import Key, attach_timestamp, fetch_timestamp, timestamp_request, verify, write_proof
from gatllm.proof.verdict import Item

pytest.importorskip("rfc3161_client", reason="the optional part gatllm[timestamp] is not installed")
if shutil.which("openssl") is None:
    pytest.skip("no openssl to play the authority", allow_module_level=True)

CONFIG = """
[tsa]
default_tsa = here
[here]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
ess_cert_id_alg = sha256
"""


class Authority:
    """A root certificate and a time stamping certificate under it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.root = folder / "root.pem"
        (folder / "tsa.cnf").write_text(CONFIG)
        (folder / "serial").write_text("01\n")
        (folder / "usage").write_text("extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n")
        key = ("-newkey", "rsa:2048", "-nodes")
        self.openssl("req", "-x509", *key, "-keyout", "root.key", "-out", "root.pem", "-days", "9", "-subj", "/CN=root")
        self.openssl("req", "-new", *key, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=tsa")
        sign = ("-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "2", "-days", "9", "-extfile", "usage")
        self.openssl("x509", "-req", "-in", "tsa.csr", *sign, "-out", "tsa.pem")

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def answer(self, query: bytes) -> bytes:
        (self.folder / "q").write_bytes(query)
        self.openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "q", "-out", "r")
        return (self.folder / "r").read_bytes()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa") / "one")


def stamp(run: Path, *roots: Path) -> Item:
    (item,) = [item for item in verify(run, authorities=roots).items if item.name == "proof.tsr"]
    return item


def test_a_time_stamp_holds_under_its_root_only(run: Path, authority: Authority, tmp_path: Path) -> None:
    when = attach_timestamp(run, authority.answer(timestamp_request(run)))
    assert stamp(run, authority.root).verdict == "ok"
    assert when in stamp(run, authority.root).detail
    assert stamp(run).verdict == "skipped"
    assert stamp(run, Authority(tmp_path / "other").root).verdict == "failed"


def test_openssl_agrees(run: Path, authority: Authority) -> None:
    attach_timestamp(run, authority.answer(timestamp_request(run)))
    files = ("-in", str(run / "proof.tsr"), "-data", str(run / "proof.json"))
    authority.openssl("ts", "-verify", *files, "-CAfile", "root.pem")


def test_the_stamp_of_an_earlier_proof_is_caught(run: Path, authority: Authority, key: Key) -> None:
    answer = authority.answer(timestamp_request(run))
    attach_timestamp(run, answer)
    write_proof(run, key)  # without its dataset: another proof
    assert stamp(run, authority.root).verdict == "failed"
    with pytest.raises(VerificationError, match="not a time stamp of this proof"):
        attach_timestamp(run, answer)


@pytest.mark.parametrize("content", [b"", b"\x30\x03\x02\x01\x00", b"nonsense"])
def test_nonsense_is_caught(run: Path, authority: Authority, content: bytes) -> None:
    with pytest.raises(VerificationError):
        attach_timestamp(run, content)
    (run / "proof.tsr").write_bytes(content)
    assert stamp(run, authority.root).verdict == "failed"


def test_one_flipped_bit_of_the_signature_is_caught(run: Path, authority: Authority) -> None:
    answer = bytearray(authority.answer(timestamp_request(run)))
    answer[-5] ^= 1
    (run / "proof.tsr").write_bytes(answer)
    assert stamp(run, authority.root).verdict == "failed"


def test_a_missing_stamp_fails_where_one_was_asked_for(run: Path, authority: Authority) -> None:
    assert stamp(run, authority.root).verdict == "failed"


def test_the_command(run: Path, authority: Authority, tmp_path: Path) -> None:
    def gatllm(*arguments: object) -> object:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return left.value.code

    assert gatllm("proof", "stamp", run, "--request", tmp_path / "q") == 0
    (tmp_path / "r").write_bytes(authority.answer((tmp_path / "q").read_bytes()))
    assert gatllm("proof", "stamp", run, "--response", tmp_path / "r") == 0
    assert gatllm("proof", "verify", run, "--authority", authority.root) == 4
    assert gatllm("proof", "stamp", run) == 2
    assert gatllm("proof", "stamp", run, "--response", tmp_path / "none") == 1


def test_an_authority_out_of_reach_is_one_clear_line(run: Path) -> None:
    with pytest.raises(GatllmError, match="gives no time stamp"):
        fetch_timestamp(run, "http://127.0.0.1:9/")
    with pytest.raises(GatllmError, match="not an address"):
        fetch_timestamp(run, "file:///etc/passwd")
