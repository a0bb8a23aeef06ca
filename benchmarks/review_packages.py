"""Fetches the releases that real mistakes are mined from and that the reviewer is measured on.

    python benchmarks/review_packages.py DIR [--part train|held-out]

Wheels of consecutive releases by pip, `review_packages.toml` says which, into DIR/train and DIR/held-out; what lies
there already is not fetched again, what no wheel is to be had of is left out and said so. Then, for each part:

    gatllm data mine DIR/train --out datasets/mistakes
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tomllib
from pathlib import Path

TABLE = Path(__file__).with_name("review_packages.toml")
_TOGETHER = 12  # packages one pip run fetches


def releases(part: str) -> dict[str, list[str]]:
    """Package and versions, oldest first, of ``train`` or ``held-out``."""
    found: dict[str, list[str]] = tomllib.loads(TABLE.read_text(encoding="utf-8"))[part]
    return found


def newest(part: str, folder: Path) -> dict[str, Path]:
    """The newest wheel fetched of each package."""
    out = {}
    for name in releases(part):
        known = {file.name.split("-")[1]: file for file in wheels(name, folder / part)}
        found = next((known[version] for version in reversed(releases(part)[name]) if version in known), None)
        if found is not None:
            out[name] = found
    return out


def fetch(part: str, folder: Path) -> None:
    """Fetch what is missing of one part."""
    folder.mkdir(parents=True, exist_ok=True)
    table = releases(part)
    for number in range(max(map(len, table.values()))):
        wanted = [f"{name}=={versions[number]}" for name, versions in table.items() if number < len(versions)]
        missing = [want for want in wanted if not _there(want, folder)]
        for start in range(0, len(missing), _TOGETHER):
            some = missing[start : start + _TOGETHER]
            if not _pip(some, folder):
                for want in some:
                    if not _there(want, folder) and not _pip([want], folder):
                        print(f"left out: no wheel of {want}", file=sys.stderr)
        print(f"{part}: round {number + 1}, {len(list(folder.glob('*.whl')))} wheels", file=sys.stderr, flush=True)


def wheels(name: str, folder: Path) -> list[Path]:
    """The wheels fetched of a package."""
    return [file for file in folder.glob("*.whl") if file.name.lower().startswith(f"{name.replace('-', '_')}-")]


def _there(want: str, folder: Path) -> bool:
    name, _, version = want.partition("==")
    return any(file.name.split("-")[1] == version for file in wheels(name, folder))


def _pip(wanted: list[str], folder: Path) -> bool:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(folder), *wanted]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0


def main() -> None:
    """Fetch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=["train", "held-out"])
    options = parser.parse_args()
    for part in [options.part] if options.part else ["train", "held-out"]:
        fetch(part, options.folder / part)


if __name__ == "__main__":
    main()
