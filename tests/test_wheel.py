"""The wheel, installed into a fresh environment outside the checkout with each extra: what a user gets from pip."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import gatllm
from gatllm.cli.frame import COMMANDS

ROOT = Path(__file__).parent.parent
WHEEL = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w")
BROKEN, FIXED = "def add(a, b:\n    return a + b\n", "def add(a, b):\n    return a + b\n"


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GATLLM"))}
    return subprocess.run(
        command, cwd=cwd, env=env | environment, capture_output=True, text=True, check=False, timeout=900
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    done = run(
        sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", out, ROOT, cwd=out
    )
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return built


def install(folder: Path, what: str) -> Path:
    """Make an environment in ``folder``, install ``what`` there, return its folder of programs."""
    venv.create(folder, with_pip=True)
    programs = folder / "bin"
    pins = ROOT / "constraints.txt"
    done = run(programs / "pip", "install", "-q", "--no-compile", "-c", pins, what, cwd=folder, PIP_NO_INPUT="1")
    assert done.returncode == 0, done.stderr
    return programs


def packages(programs: Path) -> set[str]:
    done = run(programs / "pip", "list", "--format", "freeze", cwd=programs)
    return {line.split("==")[0].lower() for line in done.stdout.split()} - {"gatllm", "pip", "setuptools"}


def installed(environment: Path) -> int:
    """Return the bytes in an environment, without pip and its own."""
    files = (path for path in environment.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files if not {"pip", "setuptools"} & set(path.parts))


def test_the_wheel_holds_what_the_commands_need(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for part in ("market/abi/", "service/static/vendor/", "review/weights/model.safetensors", "recipes/"):
        assert any(name.startswith(f"gatllm/{part}") for name in names), part
    for part in (
        "licenses/LICENSE",
        "licenses/NOTICE",
        "review/MODEL_CARD.md",
        "review/lineage/discriminator-2/proof.json",
    ):
        assert any(name.endswith(part) for name in names), part


@pytest.mark.parametrize("gone", ["src/gatllm/market/abi", "src/gatllm/service/static/vendor", "recipes"])
def test_a_wheel_that_would_lack_something_is_not_built(tmp_path: Path, gone: str) -> None:
    copy = shutil.copytree(ROOT, tmp_path / "gatllm", ignore=_unneeded)
    shutil.rmtree(copy / gone)
    done = run(*WHEEL, tmp_path, copy, cwd=tmp_path)
    assert done.returncode != 0
    assert "this wheel would lack" in done.stderr
    small = run(*WHEEL, tmp_path, copy, cwd=tmp_path, GATLLM_BUILD="small")
    assert (small.returncode == 0) == (gone != "recipes"), small.stderr


def _unneeded(folder: str, names: list[str]) -> set[str]:
    kept = {"src", "recipes", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "NOTICE"}
    return set(names) - kept if Path(folder) == ROOT else {name for name in names if name == "__pycache__"}


def check_bill(environment: Path, expected: set[str]) -> None:
    """Write a bill of materials as `make sbom` does, and look whether it names versions and licences."""
    written = environment / "sbom.json"
    command = (sys.executable, "-m", "cyclonedx_py", "environment", environment, "--pyproject", ROOT / "pyproject.toml")
    done = run(*command, "-o", written, cwd=environment)
    assert done.returncode == 0, done.stderr
    bill = json.loads(written.read_text())
    root = bill["metadata"]["component"]
    assert (bill["bomFormat"], root["name"], root["version"]) == ("CycloneDX", "gatllm", gatllm.__version__)
    named = {part["name"]: part for part in (root, *bill["components"])}
    assert expected <= named.keys()
    assert [name for name in expected if not (named[name]["version"] and named[name]["licenses"])] == []


def test_the_small_door_is_small_and_opens(wheel: Path, tmp_path: Path) -> None:
    programs = install(tmp_path / "env", str(wheel))
    assert len(packages(programs)) <= 12
    assert installed(tmp_path / "env") < 125e6
    (tmp_path / "app.py").write_text(BROKEN)
    assert run(programs / "gatllm", "check", "app.py", cwd=tmp_path).returncode == 1
    check_bill(tmp_path / "env", {"numpy", "safetensors", "cyclopts", "rich", "ruff", "gatllm"})
    assert "+def add(a, b):" in run(programs / "gatllm", "fix", "app.py", cwd=tmp_path).stdout
    assert run(programs / "gatllm", "fix", "--write", "app.py", cwd=tmp_path).returncode == 0
    assert (tmp_path / "app.py").read_text() == FIXED
    assert run(programs / "gatllm", "--version", cwd=tmp_path).stdout.strip() == gatllm.__version__
    assert run(programs / "gatllm", "doctor", cwd=tmp_path).returncode == 0
    for command, arguments in FIRST.items():
        done = run(programs / "gatllm", command, *arguments, cwd=tmp_path)
        assert done.returncode == 1, (command, done.stdout, done.stderr)
        (line,) = done.stderr.splitlines()
        assert f"pip install 'gatllm[{COMMANDS[command][2]}]'" in line, command


# What each command is asked for in the test above: it comes so far as to import what it needs.
FIRST: dict[str, tuple[str, ...]] = {
    "train": ("alphabetize",),
    "tune": ("alphabetize",),
    "eval": (".",),
    "report": (".",),
    "ask": ("reverse a list",),
    "chat": (),
    "sample": (".", "words"),
    "embed": (".", "words"),
    "export": (".", "--out", "x"),
    "data": ("check", "app.py"),
    "tokenizer": ("train", "app.py"),
    "serve": (),
    "market": ("list",),
    "rounds": ("--out", "x"),
}


@pytest.mark.slow
@pytest.mark.timeout(1800)  # torch alone takes minutes to unpack on a busy machine
@pytest.mark.parametrize(
    ("extra", "commands"),
    [
        ("data", [["data", "check", "good.py"]]),
        ("train", [["train", "alphabetize", "--set", "train.steps=2", "--out", "run"], ["sample", "run", "dcba"]]),
        ("market", [["market", "card", "--help"]]),
        ("chat", [["ask", "--help"]]),
        ("serve", [["serve", "--help"]]),
        ("all", [["doctor"], ["demo", "--help"]]),
    ],
)
def test_each_extra_holds_what_its_commands_need(
    wheel: Path, tmp_path: Path, extra: str, commands: list[list[str]]
) -> None:
    programs = install(tmp_path / "env", f"{wheel}[{extra}]")
    (tmp_path / "good.py").write_text("print(1)\n")
    for command in commands:
        done = run(programs / "gatllm", *command, cwd=tmp_path)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    # Every module of the subpackages that the extra opens can be imported.
    opened = {"data": "data tokenizers records", "train": "training proof models inference", "market": "market"}
    opened |= {"chat": "answering", "serve": "service", "all": "cli demo"}
    for package in opened[extra].split():
        walk = f"pkgutil.walk_packages(package.__path__, 'gatllm.{package}.')"
        # Alembic alone executes its `env`, in a context of its own.
        names = f"[module.name for module in {walk} if not module.name.endswith('migrations.env')]"
        code = f"import pkgutil, gatllm.{package} as package\nfor name in {names}: __import__(name)"
        done = run(programs / "python", "-c", code, cwd=tmp_path)
        assert done.returncode == 0, (package, done.stderr)
