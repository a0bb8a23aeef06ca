"""The page in a real browser: answers stream in under a policy that forbids everything else, and it reads well."""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from gatllm.answering import Assistant, ConfidenceModel, FakeGenerator, Library
from gatllm.review import Reviewer
from gatllm.service import create_app, listen
from gatllm.service.database import Job
from gatllm.service.pages.rendering import scripts
from tests.service.conftest import QUOTE, SlowGenerator

REPLY = "Here it is, **with care**:\n\n```python\ndef double(x)\n    return 2 * x\n```\n\n" + QUOTE + "That is all."
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here (Debian: apt install chromium)"),
    pytest.mark.skipif(not scripts(), reason="no page assets; python web/build.py fetches them"),
]


@pytest.fixture
def generator() -> SlowGenerator:
    return SlowGenerator(REPLY, pause=0.04)


@pytest.fixture
def address(generator: SlowGenerator, library: Library, confidence: ConfidenceModel, trained: Path) -> Iterator[str]:
    second = FakeGenerator("Also.")
    second.name = "second"
    assistant = Assistant(generator, Reviewer(), library, confidence=confidence)
    app: FastAPI = create_app(assistant, runs=[trained], others=[second])
    _at_work(app)
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


def _at_work(app: FastAPI) -> None:
    """Let there be runs that another worker trains, waits for and has given up."""
    parts = app.state.parts
    me, step = parts.accounts.local().account_id, {"task": "training", "done": 3, "total": 9, "note": "loss 1.2"}
    states: dict[str, dict[str, Any]] = {
        "larger": {
            "state": "running",
            "worker": "elsewhere",
            "lease": time.time() + 3600,
            "progress": json.dumps(step),
        },
        "tiny": {"state": "failed", "error": "the disk is full"},
    }
    with parts.database.begin() as session:
        for run, values in states.items():
            session.add(Job(account_id=me, kind="train", arguments={"run": run}, **values))


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context()
    page = context.new_page()
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    yield page
    context.close()


def shoot(page: Any, name: str) -> None:
    """Keep a picture where `GATLLM_SCREENSHOTS` names a folder."""
    if folder := os.environ.get("GATLLM_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


SEND = "#ask button.primary"


def test_an_answer_streams_in_and_stays(page: Any, address: str) -> None:
    page.goto(address)
    shoot(page, "empty")
    page.fill("#prompt", "Return a random element from a sequence")
    page.click(SEND)
    page.wait_for_selector(".status .busy")
    page.wait_for_selector(".draft pre")  # code is shown while it is written
    shoot(page, "streaming")
    page.wait_for_selector("strong:has-text('with care')")
    assert page.input_value("#prompt") == ""
    page.wait_for_selector(".verdict")
    assert page.locator(".draft").count() == 0
    assert "def double(x):" in page.inner_text(".text pre")
    assert page.locator(".text pre .k").count() > 0
    assert "Passed the review" in page.inner_text(".verdict")
    assert page.locator(".diff .added").count() == 1
    assert "confident" in page.inner_text(".confidence")
    page.click("text=in the data")
    assert "Merkle root" in page.inner_text(".sources")
    assert page.locator(".status button").count() == 0
    shoot(page, "answered")
    assert "/chat/" in page.url
    page.fill("#prompt", "Return a random element from a sequence")
    page.press("#prompt", "Shift+Enter")
    assert page.input_value("#prompt").endswith("\n")
    page.press("#prompt", "Enter")
    page.wait_for_selector(".turn:nth-of-type(2) .verdict")
    page.reload()
    assert page.locator(".turn .verdict").count() == 2
    assert page.locator("#history a[aria-current]").count() == 1
    assert page.problems == []


def test_below_the_threshold_the_user_decides(page: Any, address: str, generator: SlowGenerator) -> None:
    page.goto(address)
    page.fill("#prompt", "Which wine goes with roast duck?")
    page.click(SEND)
    page.wait_for_selector("text=Go on anyway")
    assert "can't answer this accurately" in page.inner_text(".warning")
    assert not any("wine" in asked[-1]["content"] for asked in generator.asked)  # the service asks whether it is ready
    shoot(page, "warned")
    page.click("text=Go on anyway")
    page.wait_for_selector(".verdict")
    assert page.locator(".turn").count() == 1
    assert page.locator("text=Go on anyway").count() == 0
    assert page.problems == []


def test_an_example_asks_itself(page: Any, address: str) -> None:
    page.goto(address)
    page.click(".welcome li:nth-child(2) button")
    page.wait_for_selector(".verdict")
    assert "def mean(values):" in page.inner_text(".text pre >> nth=0")
    assert page.problems == []


def test_stop_ends_the_answer_and_the_work(page: Any, address: str, generator: SlowGenerator) -> None:
    generator.pause = 0.2
    page.goto(address)
    page.fill("#prompt", "Return a random element from a sequence")
    page.click(SEND)
    page.wait_for_selector("strong:has-text('with care')")
    page.click(".status button")
    page.wait_for_selector("text=Stopped.")
    for _ in range(100):  # it ends between two tokens
        if not generator.working:
            break
        page.wait_for_timeout(50)
    assert generator.working == 0
    assert "with care" in page.inner_text(".text")
    page.reload()
    assert "with care" in page.inner_text(".text")
    assert page.problems == []


def test_answers_are_copied_judged_retried_and_questions_edited(page: Any, address: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(address)
    page.fill("#prompt", "Return a random element from a sequence")
    page.press("#prompt", "Enter")
    page.wait_for_selector(".verdict")
    page.click(".text .copy")
    page.wait_for_selector("text=Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("def double(x):\n")
    page.click("text=Good")
    page.wait_for_selector("[aria-pressed=true]")
    page.click("text=Retry")
    page.wait_for_selector(".status .busy")
    page.wait_for_selector(".verdict")
    page.click("text=Edit")
    assert page.input_value("#prompt") == "Return a random element from a sequence"
    page.fill("#prompt", "Return one random element from a sequence")
    page.press("#prompt", "Enter")
    page.wait_for_selector(".prompt:has-text('one random')")
    page.wait_for_selector(".verdict")
    assert page.locator(".turn").count() == 1
    page.fill("[type=search]", "one random")
    page.wait_for_selector("#history li")
    page.fill("[type=search]", "nothing like it")
    page.wait_for_selector("text=Nothing found")
    assert page.problems == []


def test_without_script_the_form_does_the_same(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.fill("#prompt", "Return a random element from a sequence")
    page.click(SEND)
    assert "def double(x):" in page.inner_text(".text pre")
    assert page.locator(".diff .added").count() == 1
    context.close()


PAGES = ("training", "training/tiny", "requests", "account", "operator", "nowhere")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1920])
def test_it_reads_well(browser: Any, address: str, scheme: str, width: int) -> None:
    """No rule of axe-core is broken on any page in any state; nothing is wider than the window."""
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    page = context.new_page()

    def check(name: str) -> None:
        page.mouse.move(0, 0)
        shoot(page, f"{name}-{scheme}-{width}")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name

    page.goto(address)
    check("empty")
    page.fill("#prompt", "Which wine goes with roast duck?")
    page.click(SEND)
    page.wait_for_selector("text=Go on anyway")
    check("warned")
    page.fill("#prompt", "Return a random element from a sequence")
    page.click(SEND)
    page.wait_for_selector(".draft pre")
    check("streaming")
    page.wait_for_selector(".verdict")
    page.click("text=in the data")
    page.click(".turn:nth-of-type(2) .confidence summary")
    check("answered")
    page.click(".turn:nth-of-type(2) .correct summary")
    check("correcting")
    page.click(".settings summary")
    check("settings")
    if width < 900:
        page.click("[popovertarget=side]")
        page.wait_for_selector("#side:popover-open")
        check("drawer")
        page.keyboard.press("Escape")
    page.goto(page.url + "?edit=" + page.locator(".turn").first.get_attribute("id").removeprefix("turn-"))
    check("editing")
    page.click(".menu summary")
    check("menu")
    for name in PAGES:
        page.goto(address + name)
        check(name)
    page.goto(address + "training")
    page.wait_for_selector(".jobs progress")
    page.click(".begin summary")
    check("begin")
    page.goto(address + "training/tiny")
    page.click("text=Verify now")
    page.wait_for_selector("text=All hashes hold")
    check("verified")
    page.goto(address + "account")
    page.fill("[name=name]", "editor")
    page.click("text=Make a key")
    check("new-key")
    context.close()
