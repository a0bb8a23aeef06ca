#!/usr/bin/env python3
"""The picture of the chat in the README: a real service and a real review; only the generator's words are written here.

    python web/screenshot.py docs/images/chat.png

Needs the Playwright package and a Chromium (Debian: apt install chromium).
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path

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


def main(target: Path) -> None:
    """Ask one question in a real browser and keep the picture."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("there is no Chromium; on Debian: apt install chromium")
    with tempfile.TemporaryDirectory() as scratch:
        app, listener = create_app(_assistant(Path(scratch))), listen("127.0.0.1", 0)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
        thread.start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
                page = browser.new_page(viewport={"width": 1180, "height": 1010}, device_scale_factor=1)
                page.goto(f"http://127.0.0.1:{listener.getsockname()[1]}/")
                page.fill("#prompt", PROMPT)
                page.press("#prompt", "Enter")
                page.wait_for_selector(".verdict", timeout=60_000)
                for summary in page.locator("summary:has-text('in the data')").all():
                    summary.click()
                page.evaluate("window.scrollTo(0, 0)")
                target.parent.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=target)
                browser.close()
        finally:
            server.should_exit = True
            thread.join()
            listener.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/chat.png"))
