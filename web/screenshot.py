#!/usr/bin/env python3
"""The pictures of the pages: a real service and a real review; only the generator's words are written here.

    python web/screenshot.py docs/images/chat.png
    python web/screenshot.py --training docs/images/training.png
    python web/screenshot.py --pages FOLDER [RUNS]

``--training`` trains a small run, signs its proof and verifies it on its page. With ``--pages`` every page that needs
no chain, light and dark, for phone, tablet, desk and wide screen.

Needs the Playwright package and a Chromium (Debian: apt install chromium).
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from gatllm.answering import Assistant, ConfidenceModel, FakeGenerator, Library
from gatllm.data import Contributor, Options, build
from gatllm.review.default import load_reviewer
from gatllm.service import create_app, listen

PROMPT = "Write a function that returns the balance of an account after each of its bookings"
MODULE = '''"""Accounts and their bookings."""


def running_balance(bookings, opening=0):
    """Return the balance of an account after each of its bookings, oldest first.

    A booking is a pair of a text and an amount; amounts paid out are negative.
    """
    balance, history = opening, []
    for text, amount in bookings:
        balance += amount
        history.append((text, balance))
    return history
'''
# What it answers with is in the data, but for a bracket that it forgets.
CODE = MODULE.partition("\n\n\n")[2].replace("balance))", "balance)")
REPLY = f"Each booking is added to what was there before:\n\n```python\n{CODE}```\n"
MODULES = "bisect heapq textwrap statistics csv random shutil string calendar fractions gzip glob queue dataclasses"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip


def _assistant(folder: Path) -> Assistant:
    for module in MODULES.split():
        source = Path(sysconfig.get_paths()["stdlib"]) / f"{module}.py"
        (folder / "code").mkdir(exist_ok=True)
        shutil.copy(source, folder / "code" / source.name)
    (folder / "code" / "accounts.py").write_text(MODULE, encoding="utf-8")
    options = Options(contributor=Contributor(name="Ada"), licence="MIT")
    build(str(folder / "code"), folder / "stdlib", options=options)
    library = Library.open([folder / "stdlib"], folder / "index")
    confidence = ConfidenceModel.calibrate(library)
    return Assistant(FakeGenerator(REPLY), load_reviewer(), library, confidence=confidence)


SIZES = {"phone": (390, 844), "tablet": (820, 1180), "desk": (1280, 900), "wide": (1920, 1080)}


@contextlib.contextmanager
def _served(*runs: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as scratch:
        app, listener = create_app(_assistant(Path(scratch)), runs=runs), listen("127.0.0.1", 0)
        requests = app.state.parts.data_requests
        for prompt, times in (("Parse a COBOL copybook into records", 7), ("Read a DICOM header without a library", 3)):
            for _ in range(times):
                requests.add(prompt, 0.21, 0.6)
        requests.set_bounty(requests.top(1)[0].digest, "0.05 ETH for 200 functions")
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            listener.close()


@contextlib.contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("there is no Chromium; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


def _ask(page: Any, site: str) -> None:
    page.goto(f"{site}/")
    page.fill("#prompt", PROMPT)
    page.press("#prompt", "Enter")
    page.wait_for_selector(".verdict", timeout=60_000)


def chat(target: Path) -> None:
    """Ask one question in a real browser and keep the picture."""
    with _served() as site, _browser() as browser:
        page = browser.new_page(viewport={"width": 1180, "height": 1010}, device_scale_factor=1)
        _ask(page, site)
        for summary in page.locator("summary:has-text('in the data')").all():
            summary.click()
        page.evaluate("window.scrollTo(0, 0)")
        target.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=target)


def training(target: Path) -> None:
    """Train a run, verify it with a click, and keep the picture of its page."""
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "runs" / "alphabetize"
        gatllm = [sys.executable, "-m", "gatllm"]
        subprocess.run([*gatllm, "train", "alphabetize", "--steps", "400", "--out", str(run), "--quiet"], check=True)
        subprocess.run([*gatllm, "proof", "write", str(run), "--key", str(Path(place) / "key")], check=True)
        with _served(run.parent) as site, _browser() as browser:
            page = browser.new_page(viewport={"width": 1180, "height": 1010}, device_scale_factor=1)
            page.goto(f"{site}/training/{run.name}")
            page.click("text=Verify now")
            page.wait_for_selector(".outcome", timeout=60_000)
            page.locator("img.curves").scroll_into_view_if_needed()
            page.wait_for_load_state("networkidle")
            page.screenshot(path=target, full_page=True)


def pages(folder: Path, *runs: Path) -> None:
    """Keep a picture of every page in every size, light and dark."""
    folder.mkdir(parents=True, exist_ok=True)
    with _served(*runs) as site, _browser() as browser:
        page = browser.new_page()
        _ask(page, site)
        talk = page.evaluate("location.pathname")
        page.close()
        names = {"new": "/", "chat": talk, "requests": "/requests", "account": "/account", "operator": "/operator",
                 "training": "/training", "missing": "/none"}  # fmt: skip
        for log in [log for place in runs for log in sorted(place.glob("*/log.jsonl"))[:1]]:
            names["run"] = f"/training/{log.parent.name}"
        for scheme in ("light", "dark"):
            for size, (width, height) in SIZES.items():
                view = {"width": width, "height": height}
                page = browser.new_page(viewport=view, color_scheme=scheme, extra_http_headers={"accept": "text/html"})
                for name, path in names.items():
                    page.goto(site + path)
                    if name == "run" and page.locator("text=Verify now").count():
                        page.click("text=Verify now")
                    page.screenshot(path=folder / f"{name}-{size}-{scheme}.png", full_page=name in ("run", "operator"))
                page.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pages"]:
        pages(*map(Path, sys.argv[2:]))
    elif sys.argv[1:2] == ["--training"]:
        training(Path(sys.argv[2] if len(sys.argv) > 2 else "docs/images/training.png"))
    else:
        chat(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/chat.png"))
