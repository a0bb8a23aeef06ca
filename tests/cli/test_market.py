"""The market's commands, as users type them: a dataset is minted, sold, unlocked and paid for."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gatllm.answering import Transcript
from gatllm.cli import main
from gatllm.data import Dataset, DatasetWriter
from gatllm.market import Cid, Devnet, find_anvil, running_url
from gatllm.proof import load_key, write_proof
from gatllm.records import new_folder, sha256
from tests.proof.runs import make_dataset, make_run

ABI = Path(__file__).parents[2] / "src" / "gatllm" / "market" / "abi"
MISSING = "" if find_anvil() and ABI.is_dir() else "no anvil or contracts not built: run `make setup`"
needs_chain = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=MISSING or "-")

Run = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in [name for name in os.environ if name.startswith("GATLLM_") and name != "GATLLM_ANVIL"]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def chain(home: Path) -> Iterator[Devnet]:
    with Devnet(home / "data" / "gatllm" / "market" / "devnet") as running:
        yield running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; returns what it prints as JSON (with --json) or text; a failed one gives its error line."""

    def call(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(["market", *arguments])
        printed = capsys.readouterr()
        assert exit_.value.code == code, printed.err
        if code:
            assert "Traceback" not in printed.err
            return printed.err
        return json.loads(printed.out) if "--json" in arguments else printed.out

    return call


@pytest.fixture
def dataset(home: Path) -> Dataset:
    with new_folder(home / "tiny") as partial:
        writer = DatasetWriter(partial, kind="positive", name="tiny")
        for number in range(4):
            text = f"def f{number}():\n    return {number}\n"
            digest = sha256(text.encode())
            writer.add({"id": digest[:16], "text": text, "sha256": digest, "licence": "MIT", "origin": f"{number}.py"})
        writer.finish()
    return Dataset.open(home / "tiny")


@needs_chain
def test_a_dataset_is_minted_sold_unlocked_and_rewarded(chain: Devnet, dataset: Dataset, run: Run, home: Path) -> None:
    root = dataset.manifest.merkle_root
    store, vault = home / "data" / "gatllm" / "market" / "store", home / "data" / "gatllm" / "market" / "keys"
    assert "nothing was sent" in run("deploy", "--dry-run")
    assert not store.exists()
    assert set(run("deploy", "--json")["addresses"]) >= {"DatasetToken", "Subscription", "ProofRegistry"}
    assert run("collection", "--json")["name"] == "gatllm datasets"
    named = run("collection", "--name", "Ours", "--external-link", "https://example.org", "--json")
    assert run("collection", "--json") == named
    assert (named["name"], named["external_link"]) == ("Ours", "https://example.org")
    assert "makes no sense" in run("collection", "--external-link", "nowhere", code=1)
    before = sorted(store.iterdir())
    assert "makes no sense" in run("mint", "tiny", "--external-url", "nowhere", code=1)
    assert "makes no sense" in run("mint", "tiny", "--sealed", "--external-url", "nowhere", code=1)
    assert "only the contract's owner" in run("collection", "--name", "Mine", "--key", "other.key", code=1)
    assert run("mint", "tiny", "--sealed", "--dry-run", "--json")["gas"] > 0
    assert run("mint", "tiny", "--dry-run", "--json")["gas"] > 0
    assert sorted(store.iterdir()) == before  # dry means dry, and nothing is written before it is checked
    assert not vault.exists()
    minted = run("mint", "tiny", "--sealed", "--json")
    assert minted["root"] == root
    assert minted["mint"]["gas_used"] <= 100_000
    assert run("mint", "tiny", "--sealed", "--json")["mint"] is None
    before = sorted(store.iterdir())
    assert "not published in plain" in run("mint", "tiny", code=1)
    assert sorted(store.iterdir()) == before
    token = minted["token"]
    assert [token["root"] for token in run("list", "--json")] == [root]

    run("list", root, "--price", "0.5", "--out", "offer.json")
    buyer = ("--key", "buyer.key")
    assert run("buy", "offer.json", *buyer, "--dry-run", "--json")["value_wei"] == str(5 * 10**17)
    bought = run("buy", "offer.json", *buyer, "--json")
    assert bought["owner"] != minted["owner"]
    assert "sold already" in run("buy", "offer.json", *buyer, code=1)
    assert [one["root"] for one in run("status", *buyer, "--json")["datasets"]] == [root]

    # The vault is the seller's: neither they nor a stranger open what the buyer owns now.
    assert "does not own" in run("unlock", root, "--out", "no", code=3)
    assert "does not own" in run("unlock", root, "--out", "no", "--key", "stranger.key", code=3)
    assert not (home / "no").exists()
    assert run("unlock", root, "--out", "mine", *buyer).strip() == "mine"
    assert Dataset.open(home / "mine").manifest == dataset.manifest

    # Without a server: the buyer shows a card, the seller wraps the key for it.
    assert run("card", "--out", "card.json", *buyer).strip() == "card.json"
    assert run("wrap", root, "card.json", "--out", "wrapped.json").strip() == "wrapped.json"
    elsewhere = ("--state-dir", "buyers", "--store", str(home / "data" / "gatllm" / "market" / "store"))
    shutil.copytree(home / "data" / "gatllm" / "market", home / "buyers")
    shutil.rmtree(home / "buyers" / "keys")
    assert "not kept here" in run("unlock", root, "--out", "no", *elsewhere, *buyer, code=1)
    assert "another account" in run("unlock", root, "--wrapped", "wrapped.json", *elsewhere, code=3)
    run("unlock", root, "--wrapped", "wrapped.json", "--out", "unwrapped", *elsewhere, *buyer)
    assert Dataset.open(home / "unwrapped").manifest == dataset.manifest
    run("unlock", root, "--out", "again", *elsewhere, *buyer)  # the key was kept
    run("card", "--out", "mine.json")
    assert "does not own" in run("wrap", root, "mine.json", code=3)
    assert "one place" in run("unlock", root, "--wrapped", "wrapped.json", "--server", "http://x", code=2)

    paid = run("subscribe", "--months", "10", "--json", *buyer)
    assert run("status", *buyer, "--json")["paid_until"] == paid["paid_until"] > 0
    answered = Transcript()
    answered.add("answer", sources=[{"root": root, "fraction": 0.5}, {"root": "0" * 64, "fraction": 0.5}])
    (home / "answers").mkdir()
    answered.save(home / "answers" / "one.jsonl")
    assert run("reward", "answers", "--out", "epoch.json").strip() == "epoch.json"
    assert "does not own" in run("claim", "epoch.json", token, code=1)
    assert run("claim", "epoch.json", root, *buyer, "--json")["amount_wei"] == str(10 * 3 * 10**15 * 40 // 100)
    assert "claimed already" in run("claim", "epoch.json", root, *buyer, code=1)


@needs_chain
def test_a_buyer_on_a_bare_machine(chain: Devnet, dataset: Dataset, run: Run, home: Path) -> None:
    """With an address book, an offer and an RPC address, and nothing else of the seller's."""
    run("deploy", "--owner", "0x" + "12" * 20)
    state = home / "data" / "gatllm" / "market"
    token = run("mint", "tiny", "--sealed", "--json")["token"]
    run("list", token, "--price", "0.5", "--out", "offer.json")
    book = home / "book.json"
    shutil.copy(state / "deployment-31337.json", book)
    bare = ("--state-dir", "bare", "--deployment", str(book), "--rpc", chain.url, "--key", "buyer.key")
    bare += ("--store", str(state / "store"))  # what a gateway gives: public, sealed
    assert run("buy", "offer.json", *bare, "--json")["token"] == token
    assert "not kept here" in run("unlock", token, "--out", "no", *bare, code=1)
    run("card", "--out", "card.json", "--key", "buyer.key")
    run("wrap", token, "card.json", "--out", "wrapped.json")
    run("unlock", token, "--wrapped", "wrapped.json", "--out", "bought", *bare)
    assert Dataset.open(home / "bought").manifest == dataset.manifest
    # The buyer is the owner: sells on, takes it back, gives it away.
    run("list", token, "--price", "1", "--out", "again.json", *bare)
    run("cancel", "again.json", *bare)
    assert "was cancelled" in run("buy", "again.json", code=1)
    given = run("transfer", token, "0x" + "34" * 20, "--json", *bare)
    assert given["owner"] == "0x" + "34" * 20
    # Who wrote the address book is trusted; what is none is one clear line.
    assert "can't read" in run("list", "--deployment", "none.json", code=1)
    (home / "torn.json").write_text('{"chain_id": 31337, "block": 0, "addresses": {"DatasetToken": "0x12"}}')
    assert "is damaged" in run("list", "--deployment", "torn.json", code=1)
    book.write_text(book.read_text().replace("31337", "1"))
    assert "is for chain 1" in run("list", "--deployment", str(book), code=1)
    # The owner was named at deployment: the deployer has no say in the price.
    assert "only the contract's owner" in run("price", "1", code=1)


@needs_chain
def test_an_offer_cant_name_its_own_seaport(chain: Devnet, dataset: Dataset, run: Run, home: Path) -> None:
    run("deploy")
    token = run("mint", "tiny", "--json")["token"]
    run("list", token, "--price", "0.5", "--out", "offer.json")
    offer = json.loads((home / "offer.json").read_text())
    offer["seaport"] = "0x" + "66" * 20  # a contract that keeps the money
    (home / "offer.json").write_text(json.dumps(offer))
    assert "other contracts than ours" in run("buy", "offer.json", "--key", "buyer.key", code=1)


@needs_chain
def test_explorers_can_compile_what_was_deployed(chain: Devnet, run: Run, home: Path) -> None:
    deployed = run("deploy", "--json")["addresses"]
    folder = home / "data" / "gatllm" / "market" / "verification-31337"
    for name, address in deployed.items():
        told = json.loads((folder / f"{name}.json").read_text())
        assert told["address"] == address
        given = json.loads((folder / told["input"]).read_text())
        path, contract = told["contract"].split(":")
        solc = Path(__file__).parents[2] / "contracts" / "tools" / "solc"
        command = [solc, "--standard-json"]
        done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=True)
        compiled = json.loads(done.stdout)["contracts"][path][contract]["evm"]["bytecode"]["object"]
        sent = chain.rpc("eth_getTransactionByHash", _creation(chain, address))["input"]
        assert sent == "0x" + compiled + told["constructor_arguments"], name


def _creation(chain: Devnet, address: str) -> str:
    """Return the hash of the transaction that made a contract."""
    for number in range(int(chain.rpc("eth_blockNumber"), 16) + 1):
        for hashed in chain.rpc("eth_getBlockByNumber", hex(number), False)["transactions"]:
            made = chain.rpc("eth_getTransactionReceipt", hashed)["contractAddress"]
            if made is not None and made.lower() == address.lower():
                return str(hashed)
    raise AssertionError(address)


@needs_chain
def test_a_run_is_registered_and_verified_against_the_chain(
    chain: Devnet, run: Run, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(home / "run", make_dataset(home / "data-set"))
    write_proof(folder, load_key())
    run("deploy")

    def proof(*arguments: str) -> tuple[int, dict[str, Any], str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(["proof", *arguments, "--json"])
        printed = capsys.readouterr()
        return int(str(exit_.value.code)), json.loads(printed.out or "{}"), printed.err

    code, _, error = proof("verify", "run", "--on-chain")
    assert code == 1
    assert "UnknownRun" in error
    assert proof("register", "run", "--dry-run")[1]["gas"] > 0
    code, made, _ = proof("register", "run")
    assert code == 0
    assert made["trainer"] == load_key().address
    assert made["receipt"]["gas_used"] < 160_000
    assert proof("register", "run")[1]["receipt"] is None
    code, verdict, _ = proof("verify", "run", "--on-chain")
    assert code == 4  # the hashes hold; nothing was trained again
    assert {"name": "registration", "verdict": "ok"}.items() <= next(
        item for item in verdict["items"] if item["name"] == "registration"
    ).items()
    code, _, error = proof("register", "run", "--substrate", "ws://127.0.0.1:9")
    assert code == 1
    assert "Substrate client is not installed" in error or "nothing answers" in error
    code, _, error = proof("register", "run", "--key", "other.key")
    assert code == 1
    assert "with the key that signed it" in error


RECIPE = """
objective = "causal"
[data]
source = "text.txt"
[tokenizer]
kind = "characters"
[model]
layers = 1
heads = 2
width = 16
context = 16
[train]
steps = 4
batch = 2
precision = "fp32"
threads = 1
evaluations = 1
samples = 0
"""


@needs_chain
def test_a_run_is_promised_trained_registered_and_verified(
    chain: Devnet, run: Run, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("deploy")
    (home / "text.txt").write_text("the cat sat on the mat. " * 60)
    (home / "tiny.toml").write_text(RECIPE)

    def gatllm(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(list(arguments))
        return int(str(exit_.value.code)), *capsys.readouterr()

    assert "nobody chooses the seed" in gatllm("train", "tiny.toml", "--commit", "--seed", "3")[2]
    assert "nothing answers" in gatllm("train", "tiny.toml", "--commit", "--rpc", "http://127.0.0.1:9")[2]
    assert not (home / "runs").exists()
    code, _, said = gatllm("train", "tiny.toml", "--out", "run", "--commit")
    assert code == 0, said
    assert "promised on chain" in said
    assert gatllm("train", "tiny.toml", "--out", "run", "--commit")[0] == 0
    assert gatllm("proof", "write", "run")[0] == 0
    shown = json.loads(gatllm("proof", "verify", "run", "--json")[1])
    assert {item["name"]: item["verdict"] for item in shown["items"]}["commitment"] == "skipped"
    made = json.loads(gatllm("proof", "register", "run", "--json")[1])
    assert 0 < made["committed_block"] < made["block"] - 1
    code, out, _ = gatllm("proof", "verify", "run", "--on-chain", "--depth", "full", "--json")
    verdicts = {item["name"]: item["verdict"] for item in json.loads(out)["items"]}
    assert code == 0
    assert [verdicts[name] for name in ("seed", "commitment", "registration", "replay")] == ["ok"] * 4
    # The same plan may be promised again, under a salt of its own: the registry shows both promises.
    assert "promised on chain" in gatllm("train", "tiny.toml", "--out", "again", "--commit")[2]
    assert "block" in gatllm("proof", "show", "run")[1]


@needs_chain
def test_what_users_get_wrong_is_one_clear_line(chain: Devnet, dataset: Dataset, run: Run, home: Path) -> None:
    assert "gatllm market deploy" in run("mint", "tiny", code=1)
    run("deploy")
    assert "is not a dataset" in run("mint", "nothing", code=1)
    assert "is chain 31337, not 1" in run("status", "--chain-id", "1", code=1)
    assert "nothing answers" in run("status", "--rpc", "http://127.0.0.1:9", code=1)
    assert "1 to 12 months" in run("subscribe", "--months", "13", code=1)
    assert "not an amount of ether" in run("subscribe", "--max-price", "cheap", code=2)
    assert "a token and a price" in run("list", "--price", "1", code=2)
    assert "names no token" in run("unlock", "12", code=2)
    assert "called --state-dir" in run("status", "--home", "x", code=2)
    assert "no dataset" in run("unlock", "ab" * 32, code=1)
    assert "can't read" in run("buy", "none.json", code=1)
    (home / "bad.json").write_text("[]")
    assert "no weights" in run("reward", "bad.json", "--out", "x", code=1)
    assert "lets everybody in for nothing" in run("price", "0", code=2)
    assert "is not free" in run("price", "1", "--free", code=2)
    assert "only the contract's owner" in run("price", "0.001", "--key", "other.key", code=1)
    assert run("price", "0.004", "--dry-run", "--json")["gas"] > 0
    assert run("price", "--json")["price_wei"] == str(3 * 10**15)
    assert run("price", "0.004", "--json")["price_wei"] == str(4 * 10**15)
    assert run("price", "0", "--free", "--json")["price_wei"] == "0"
    assert "more than your limit" in run("subscribe", "--max-fee-gwei", "0.0001", code=1)


def test_pinning_asks_a_service(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    cid = str(Cid.of(0x55, b"x"))
    assert "GATLLM_PINNING_TOKEN" in run("pin", cid, "--service", "http://127.0.0.1:9", code=2)
    monkeypatch.setenv("GATLLM_PINNING_TOKEN", "secret token")
    assert "not a CIDv1" in run("pin", "Qm", "--service", "http://127.0.0.1:9", code=2)
    refused = run("pin", f"ipfs://{cid}", "--service", "http://127.0.0.1:9", code=1)
    assert "nothing answers" in refused
    assert "secret token" not in refused


def test_no_chain_is_one_clear_line(home: Path, run: Run) -> None:
    assert "gatllm market devnet" in run("status", code=2)


@needs_chain
def test_the_devnet_command_ends_with_ctrl_c_and_leaves_nothing(home: Path) -> None:
    # Where the tests run in the background of a script, Ctrl-C is ignored, and that would be inherited.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\nfrom gatllm.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "market", "devnet", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert process.stdout
        for line in process.stderr:
            if "Ctrl-C" in line:
                break
        folder = home / "data" / "gatllm" / "market" / "devnet"
        pid = json.loads((folder / "devnet.json").read_text())["pid"]
        assert running_url(folder)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
        assert "ProofRegistry" in process.stdout.read()
    assert running_url(folder) is None
    assert not Path(f"/proc/{pid}").exists()
    assert (folder / "state.json").exists()
