"""The page in a real browser: answers stream in under a policy that forbids everything else, and it reads well."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from gatllm.answering import Assistant, ConfidenceModel, Library
from gatllm.review import Reviewer
from gatllm.service import create_app, listen
from gatllm.service.pages import scripts
from tests.service.conftest import SlowGenerator

REPLY = "Here it is, **with care**:\n\n```python\ndef double(x)\n    return 2 * x\n```\n\nThat is all, " + "word " * 20
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here (Debian: apt install chromium)"),
    pytest.mark.skipif(not scripts(), reason="no page assets; python web/build.py fetches them"),
]


@pytest.fixture
def generator() -> SlowGenerator:
    return SlowGenerator(REPLY, pause=0.03)


@pytest.fixture
def address(generator: SlowGenerator, library: Library, confidence: ConfidenceModel) -> Iterator[str]:
    app: FastAPI = create_app(Assistant(generator, Reviewer(), library, confidence=confidence))
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


def test_an_answer_streams_in_and_stays(page: Any, address: str) -> None:
    page.goto(address)
    shoot(page, "empty")
    page.fill("#prompt", "Return a random element from a sequence")
    page.click("#ask > button")
    page.wait_for_selector(".status .busy")
    page.wait_for_selector("strong:has-text('with care')")
    assert page.input_value("#prompt") == ""
    shoot(page, "streaming")
    page.wait_for_selector(".verdict")
    assert "def double(x):" in page.inner_text(".text pre")
    assert "Code passed the review" in page.inner_text(".verdict")
    assert page.locator(".diff .added").count() == 1
    assert "Confidence" in page.inner_text(".confidence")
    page.click("text=nearest sources")
    assert "Merkle root" in page.inner_text(".sources")
    assert page.locator(".status button").count() == 0
    shoot(page, "answered")
    page.fill("#prompt", "Return a random element from a sequence")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".turn:nth-of-type(2) .verdict")
    assert page.problems == []


def test_below_the_threshold_the_user_decides(page: Any, address: str, generator: SlowGenerator) -> None:
    page.goto(address)
    page.fill("#prompt", "Which wine goes with roast duck?")
    page.click("#ask > button")
    page.wait_for_selector("text=Answer all the same")
    assert "can't answer it accurately" in page.inner_text(".warning")
    assert generator.asked == []
    shoot(page, "warned")
    page.click("text=Answer all the same")
    page.wait_for_selector(".verdict")
    assert page.locator(".turn").count() == 1
    assert page.locator("text=Answer all the same").count() == 0
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
    page.click("#ask > button")
    page.wait_for_selector("strong:has-text('with care')")
    page.click(".status button")
    page.wait_for_selector("text=Stopped.")
    for _ in range(100):  # it ends between two tokens
        if not generator.working:
            break
        page.wait_for_timeout(50)
    assert generator.working == 0
    assert "with care" in page.inner_text(".text")
    assert page.problems == []


def test_without_script_the_form_does_the_same(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.fill("#prompt", "Return a random element from a sequence")
    page.click("#ask > button")
    assert "def double(x):" in page.inner_text(".text pre")
    assert page.locator(".diff .added").count() == 1
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_reads_well(browser: Any, address: str, scheme: str, width: int) -> None:
    """No rule of axe-core is broken, at rest and answered; nothing is wider than the window."""
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    page = context.new_page()
    page.goto(address)
    shoot(page, f"empty-{scheme}-{width}")
    assert Axe().run(page).violations_count == 0, Axe().run(page).generate_report()
    page.fill("#prompt", "Return a random element from a sequence")
    page.click("#ask > button")
    page.wait_for_selector(".verdict")
    page.click("text=nearest sources")
    shoot(page, f"answered-{scheme}-{width}")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()
