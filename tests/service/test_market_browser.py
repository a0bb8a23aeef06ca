"""Two people with wallets in a real browser: one contributes and sells, the other buys and unlocks.

`GATLLM_SCREENSHOTS=FOLDER` keeps a picture of each page: those of the docs are made so.
"""

# ruff: noqa: F811  # fixtures are imported by name

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from gatllm.market import Devnet
from gatllm.proof import Key
from gatllm.service.market import Market
from gatllm.service.pages.rendering import scripts
from tests.service.markets import (  # noqa: F401  # fixtures
    WALLET,
    Keys,
    Wallet,
    app,
    base,
    contribute,
    deployment,
    devnet,
    market,
    new_key,
    owner,
    served,
)
from tests.service.test_browser import ARGUMENTS, CHROMIUM, browser  # noqa: F401  # fixture

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here (Debian: apt install chromium)"),
    pytest.mark.skipif(not scripts(), reason="no page assets; python web/build.py makes them"),
]
CODE = '''"""Shapes and what can be said of them."""


class {name}:
    """A {name}, by the length of its sides."""

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.height = height

    def area(self) -> float:
        """Return width times height."""
        return self.width * self.height


def total_area(shapes: list["{name}"]) -> float:
    """Return the area of all shapes together."""
    return sum(shape.area() for shape in shapes)
'''


class Visitor:
    """A browser with a wallet in it; what the console says against the page is kept."""

    def __init__(self, browser: Any, devnet: Devnet, key: Key, served: str, **options: Any) -> None:
        self.wallet = Wallet(devnet, key)
        # Accessibility is checked by a script that the page's policy would not let in.
        self.context = browser.new_context(accept_downloads=True, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(90_000)
        self.page.expose_function("__wallet", self.wallet)
        self.page.add_init_script(WALLET)
        self.problems: list[str] = []
        self.page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.served = served

    def open(self, path: str) -> Any:
        self.page.goto(self.served + path)
        return self.page

    def connect(self, path: str = "/contribute") -> Any:
        page = self.open(path)
        page.get_by_role("button", name="Connect Test Wallet").click()
        page.locator("#sign-out").wait_for()
        return page


@pytest.fixture
def visit(browser: Any, devnet: Devnet, served: str) -> Iterator[Any]:
    opened: list[Visitor] = []

    def make(key: Key, **options: Any) -> Visitor:
        opened.append(Visitor(browser, devnet, key, served, **options))
        return opened[-1]

    yield make
    for one in opened:
        one.context.close()


def shoot(page: Any, name: str) -> None:
    if folder := os.environ.get("GATLLM_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"market-{name}.png", full_page=True)


def _archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(12):
            archive.writestr(f"shapes/shape{number}.py", CODE.format(name=f"Shape{number}"))
        archive.writestr("shapes/unfinished.py", "def area(shape:\n    return shape.width\n")
        archive.writestr("shapes/unused.py", "import os\nimport sys\n\nprint(sys.path)\n" + "x = undefined_name\n")
    return path


def _contribute(visitor: Visitor, archive: Path) -> None:
    """Upload, describe and seal in the browser; then the button to mint is there."""
    page = visitor.page
    page.set_input_files("input[name=files]", str(archive))
    page.get_by_label("Licence of what states none itself").select_option("MIT")
    page.get_by_label("Your name").fill("Ada")
    shoot(page, "contribute")
    page.get_by_role("button", name="Upload and check").click()
    page.get_by_role("heading", name="Verdicts").wait_for(timeout=180_000)
    assert "12 records kept" in page.inner_text(".figures")
    page.get_by_label("Name", exact=True).fill("Shapes and their areas")
    page.get_by_label("About you and the data").fill("Small classes with docstrings, written by hand.")
    shoot(page, "checked")
    page.get_by_role("button", name="Seal it").click()
    page.get_by_role("button", name="Mint", exact=True).wait_for(timeout=180_000)
    shoot(page, "sealed")


def test_from_an_upload_to_a_buyers_download(
    visit: Any, market: Market, devnet: Devnet, new_key: Keys, tmp_path: Path
) -> None:
    seller, buyer = visit(new_key()), visit(new_key())
    seller.wallet.refuse = ["eth_requestAccounts", "eth_sendTransaction"]
    page = seller.open("/contribute")
    page.get_by_role("button", name="Connect Test Wallet").click()
    page.get_by_text("You declined in the wallet").wait_for()
    seller.connect()
    page.reload()  # a reload keeps the sign-in
    page.locator("#sign-out").wait_for()
    assert seller.wallet.asked.count("personal_sign") == 1
    archive = _archive(tmp_path / "shapes.zip")
    _contribute(seller, archive)
    # The first transaction is declined: nothing was sent, and the button works again.
    page.get_by_role("button", name="Mint", exact=True).click()
    page.get_by_text("You declined in the wallet").wait_for()
    page.get_by_role("button", name="Mint", exact=True).click()
    page.wait_for_url("**/datasets/*", timeout=180_000)
    token = str(page.url).rpartition("/")[2]
    assert market.tokens.owner_of(token) == seller.wallet.key.address
    page.get_by_label("Price in ETH").fill("0.5")
    page.get_by_role("button", name="Offer it").click()
    page.get_by_role("button", name="Take the offer back").wait_for()
    shoot(page, "mine")

    page = buyer.connect("/datasets")
    page.get_by_role("link", name="Shapes and their areas").first.wait_for()
    shoot(page, "datasets")
    page.get_by_role("link", name="Shapes and their areas").first.click()
    shoot(page, "dataset")
    page.get_by_role("button", name="Buy").click()
    page.get_by_role("button", name="Unlock and download").wait_for()
    assert market.tokens.owner_of(token) == buyer.wallet.key.address
    with page.expect_download() as download:
        page.get_by_role("button", name="Unlock and download").click()
    with zipfile.ZipFile(download.value.path()) as got:
        assert "dataset/manifest.json" in got.namelist()
    assert seller.problems == []
    assert buyer.problems == []


def test_paying_and_other_chains(visit: Any, market: Market, new_key: Keys) -> None:
    reader = visit(new_key())
    reader.wallet.chain, reader.wallet.added = 1, [1]  # another chain, and ours is unknown to the wallet
    page = reader.connect("/market")
    assert reader.wallet.added == [1, 31337]
    assert "not paid" in page.inner_text("#paid")
    page.get_by_role("button", name="Pay").click()
    page.get_by_text("paid until").wait_for()
    assert market.subscriptions.is_active(reader.wallet.key.address)
    shoot(page, "account")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Connect Test Wallet").wait_for()
    assert reader.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_pages_read_well(
    visit: Any, app: FastAPI, market: Market, devnet: Devnet, new_key: Keys, scheme: str, width: int
) -> None:
    """No rule of axe-core is broken on any page in any state; nothing is wider than the window."""
    from axe_playwright_python.sync_playwright import Axe

    app.state.parts.jobs.handlers.clear()  # states stay as they are: a page whose job is over would show itself anew
    key = new_key()
    visitor = visit(key, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)

    def check(name: str) -> None:
        page = visitor.page
        page.wait_for_timeout(400)  # wallets have announced themselves
        shoot(page, f"{name}-{scheme}-{width}")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name

    for path in ("/contribute", "/datasets", "/market", "/datasets/12"):
        visitor.open(path)
        check("out" + path.replace("/", "-"))
    visitor.connect()
    states = {"uploading": {}, "rejected": {"problem": "nothing passed"}, "publishing": {}, "checking": {}}
    for state, more in states.items():
        name = contribute(market, key.address)
        found = market.contributions.get(name, key.address)
        market.contributions.change(found, "checked", state=state, **more)
        visitor.open(f"/contribute/{name}")
        check(state)
    visitor.open("/contribute")
    check("contributions")
