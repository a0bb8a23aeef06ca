"""The chat page as a plain form, its headers, and what it does with hostile text."""

import asyncio
import inspect
import json
import re
import textwrap
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from gatllm.answering import Assistant, ConfidenceModel, FakeGenerator, Library
from gatllm.market import weights_of
from gatllm.review import Reviewer
from gatllm.service import create_app
from gatllm.service.pages.markup import diff, markdown
from gatllm.service.pages.rendering import scripts
from tests.service.conftest import Connect

FORM = {"content-type": "application/x-www-form-urlencoded"}


def words_of(page: str) -> str:
    """Return what is read of a page."""
    return unescape(re.sub(r"<[^>]*>", "", page))


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def test_a_plain_form_gets_a_page_with_the_answer(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            page = await client.get("/")
            assert 'action="/chat"' in page.text
            assert "What shall we write?" in page.text
            posted = await client.post("/chat", data={"prompt": "double a <b>number</b>"})
            assert posted.status_code == 303
            shown = await client.get(posted.headers["location"])
            assert "double a &lt;b&gt;number&lt;/b&gt;" in shown.text
            assert "def double(x):" in words_of(shown.text)
            assert '<code class="language-python"><span class="k">def</span>' in shown.text
            assert "Passed the review" in shown.text
            assert "1 correction" in shown.text
            name = re.search(r'name="conversation" value="([^"]+)"', shown.text)
            assert name
            again = await client.post("/chat", data={"prompt": "and now?", "conversation": name[1]})
            shown = await client.get(again.headers["location"])
            assert shown.text.count('<article class="turn"') == 2

    run(go())


def test_the_conversation_is_remembered(connect: Connect) -> None:
    generator = FakeGenerator("one", "two")
    app = create_app(Assistant(generator, Reviewer()))

    async def go() -> None:
        async with connect(app) as client:
            posted = await client.post("/chat", data={"prompt": "first"})
            name = posted.headers["location"].split("/")[2].split("#")[0]
            await client.post("/chat", data={"prompt": "second", "conversation": name})

    run(go())
    assert [message["content"] for message in generator.asked[1]][1:] == ["first", "one", "second"]


def test_below_the_threshold_the_user_decides(informed: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(informed) as client:
            posted = await client.post("/chat", data={"prompt": "Which wine goes with roast duck?"})
            shown = await client.get(posted.headers["location"])
            assert "can't answer this accurately" in words_of(shown.text)
            assert "double(x)" not in words_of(shown.text)
            button = re.search(r'name="again" value="(\w+)"', shown.text)
            assert button
            name = posted.headers["location"].split("/")[2].split("#")[0]
            posted = await client.post("/chat", data={"again": button[1], "conversation": name, "prompt": ""})
            shown = await client.get(posted.headers["location"])
            assert "def double" in words_of(shown.text)
            assert "can't answer this accurately" in words_of(shown.text)
            assert shown.text.count('<article class="turn"') == 1
            assert "Go on anyway" not in shown.text

    run(go())


def test_with_script_the_answer_streams_in(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            response = await client.post("/chat", data={"prompt": "double"}, headers={"hx-request": "true"})
        assert response.headers["content-type"].startswith("text/event-stream")
        events = response.text.split("\n\n")
        assert '<hx-partial hx-target="#turns" hx-swap="beforeend">' in events[0]
        assert "def double(x):" in words_of(events[-2])
        assert "Passed the review" in events[-2]
        # What is not reviewed is marked as a draft.
        raw = [event for event in events if "def double(x)\ndata:" in words_of(event) and 'class="diff"' not in event]
        assert all('class="draft"' in event for event in raw)

    run(go())


def test_stopping_what_is_not_there_is_not_remembered(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            assert (await client.post("/chat/stop", data={"turn": "guessed"})).status_code == 200
        assert app.state.parts.stopped == set()

    run(go())


def test_no_question_is_said_so(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            plain = await client.post("/chat", data={"prompt": "  "})
            assert plain.status_code == 400
            assert "Write a question first." in plain.text
            scripted = await client.post("/chat", data={"prompt": ""}, headers={"hx-request": "true"})
            assert "Write a question first." in scripted.text
            lost = await client.get("/chat/unknown")
            assert lost.status_code == 404
            assert "no such conversation" in lost.text

    run(go())


def test_a_failure_is_shown_on_the_page(connect: Connect) -> None:
    app = create_app(Assistant(FakeGenerator("x", context=5), Reviewer()))

    async def go() -> None:
        async with connect(app) as client:
            posted = await client.post("/chat", data={"prompt": "word " * 12})
            shown = await client.get(posted.headers["location"])
            assert "at most 40 are read" in shown.text
            refused = await client.post("/chat", data={"prompt": "word " * 20}, headers={"hx-request": "true"})
            assert "the model reads at most 5" in refused.text

    run(go())


def test_pages_say_what_may_run(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            first, second = await client.get("/"), await client.get("/")
        policy = first.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        nonce = re.search(r"'nonce-([\w-]+)'", policy)
        assert nonce
        assert f'hx-nonce="{nonce[1]}"' in first.text
        assert nonce[1] not in second.headers["content-security-policy"]
        assert all("src=" in script for script in re.findall(r"<script[^>]*>", first.text))
        assert "style=" not in first.text
        assert "onclick" not in first.text

    run(go())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "localhost:8000"}, 303),
        ({"host": "[::1"}, 403),
        ({"origin": "http://[::1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost"}, 303),
    ],
)
def test_other_sites_can_do_nothing_here(app: FastAPI, connect: Connect, headers: dict[str, str], status: int) -> None:
    async def go() -> None:
        async with connect(app) as client:
            response = await client.post("/chat", data={"prompt": "x"}, headers=headers)
            assert response.status_code == status
            if status == 403:
                assert response.json()["error"]["type"] == "permission_error"

    run(go())


def test_models_cannot_write_html() -> None:
    hostile = (
        "<script>alert(1)</script> <img src=x onerror=alert(1)> [a](javascript:alert(1)) [b](http://x.example)"
        " [c](https://x.example) ![d](https://x.example/i.png)\n\n```html\n<b hx-get=/x>\n```"
    )
    shown = str(markdown(hostile))
    assert "<script" not in shown
    assert "<img" not in shown
    assert "javascript:" not in re.sub(r"\[a\]\([^)]*\)", "", shown)
    assert re.findall(r'href="([^"]*)"', shown) == ["https://x.example"]
    assert "<b hx-get=/x>" in words_of(shown)
    assert "<b " not in shown


def test_a_diff_is_escaped() -> None:
    shown = str(diff("a\n<b>\n", "a\n<i>\n"))
    assert '<span class="removed"><b>−</b> &lt;b&gt;' in shown
    assert '<span class="added"><b>+</b> &lt;i&gt;' in shown
    assert "--x" in str(diff("--x\n", "++y\n"))


def test_files_with_a_version_are_kept_by_browsers(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            for script in scripts():  # none where set-up has not brought them
                kept = await client.get(f"/static/vendor/{script['file']}")
                assert (kept.status_code, kept.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
            for name in ("style.css", "market.css"):
                asked_after = await client.get(f"/static/{name}")
                assert (asked_after.status_code, asked_after.headers["cache-control"]) == (200, "no-cache")
                again = await client.get(f"/static/{name}", headers={"if-none-match": asked_after.headers["etag"]})
                assert again.status_code == 304
            assert (await client.get("/static/none.js")).headers["cache-control"] == "no-store"
            assert (await client.get("/")).headers["cache-control"] == "no-store"
            assert "/market" not in (await client.get("/")).text

    asyncio.run(go())


def test_a_corrected_answer_is_kept_for_training(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            await client.post("/account/feedback", data={"shares": "yes"})
            posted = await client.post("/chat", data={"prompt": "double a number"})
            place = posted.headers["location"]
            turn = place.partition("#turn-")[2]
            assert "Correct it" in (await client.get(place)).text
            mine = "def twice(x):\r\n    return x + x  # <b>mine</b>"
            saved = await client.post("/chat/edit", data={"turn": turn, "text": mine})
            assert (saved.status_code, saved.headers["location"]) == (303, place)
            page = (await client.get(place)).text
            assert "Your version" in page
            assert "# &lt;b&gt;mine&lt;/b&gt;</textarea>" in page
            assert (await client.post("/chat/edit", data={"turn": "none", "text": "x"})).status_code == 404
            assert (await client.post("/chat/edit", data={"turn": turn, "text": " "})).status_code == 400
            await client.post("/chat", data={"again": turn})  # asked anew: the first answer did not do
            lines = (await client.get("/operator/feedback.jsonl")).text.splitlines()
            edited, again = (json.loads(line) for line in lines)
            assert edited["messages"][-1]["content"] == mine.replace("\r\n", "\n")
            assert "def double(x):" in edited["rejected"]
            assert "def double(x):" in again["rejected"]
            assert "messages" not in again

    run(go())


def test_people_and_programs_choose_among_models(connect: Connect) -> None:
    second = FakeGenerator("I am the second.")
    second.name = "second"
    app = create_app(Assistant(FakeGenerator("I am the first."), Reviewer()), others=[second])

    async def go() -> None:
        async with connect(app) as client:
            assert "<option>second</option>" in (await client.get("/")).text
            for model, words in (("second", "the second"), ("", "the first"), ("fake", "the first")):
                posted = await client.post("/chat", data={"prompt": "who?", "model": model})
                assert words in (await client.get(posted.headers["location"])).text
            assert (await client.post("/chat", data={"prompt": "who?", "model": "none"})).status_code == 404
            listed = (await client.get("/v1/models")).json()["data"]
            assert [one["id"] for one in listed] == ["gatllm", "fake", "second"]
            body = {"model": "second", "messages": [{"role": "user", "content": "who?"}]}
            answer = (await client.post("/v1/chat/completions", json=body)).json()
            assert answer["choices"][0]["message"]["content"] == "I am the second."
            answer = (await client.post("/v1/completions", json={"model": "second", "prompt": "who?"})).json()
            assert answer["choices"][0]["text"] == "I am the second."
            assert (await client.post("/v1/completions", json={"model": "", "prompt": "x"})).status_code == 404

    run(go())


def test_a_bounty_is_shown_first(app: FastAPI, connect: Connect) -> None:
    kept = app.state.parts.data_requests
    for prompt, times in (("a frequent question", 3), ("a rare question", 1)):
        for _ in range(times):
            kept.add(prompt, 0.1, 0.5)
    digest = kept.top()[1].digest

    async def go() -> None:
        async with connect(app) as client:
            await client.post("/requests/bounty", data={"digest": digest, "bounty": "1 ETH <b>"})
            page = (await client.get("/requests")).text
            assert "Bounty: 1 ETH &lt;b&gt;" in page
            assert page.index("a rare question") < page.index("a frequent question")
            assert 'value="1 ETH &lt;b&gt;"' in page

    run(go())


def test_a_source_leads_to_its_dataset_and_is_counted(
    library: Library, confidence: ConfidenceModel, connect: Connect, tmp_path: Path
) -> None:
    quote = f"```python\n{inspect.getsource(textwrap.indent)}```\n"
    assistant = Assistant(FakeGenerator(quote), Reviewer(), library, confidence=confidence)
    app = create_app(assistant, transcripts=tmp_path)
    parts = app.state.parts
    parts.tokens_of = lambda root: ["ab" * 32] if root == library.roots[0] else []

    async def go() -> None:
        async with connect(app) as client:
            for shares in ("", "yes"):
                await client.post("/account/feedback", data={"shares": shares})
                posted = await client.post("/chat", data={"prompt": "Indent each line of a text"})
                page = (await client.get(posted.headers["location"])).text
                assert f'<a href="/datasets/{"ab" * 32}">' in page
                assert f"token <code>{'ab' * 6}…</code>" in page
            answers, weight = parts.attribution.of(library.roots[0])
            assert answers == 2
            assert weight == pytest.approx(2, abs=1e-3)
            weights = (await client.get("/operator/weights.json")).json()
            assert weights == {library.roots[0]: pytest.approx(weight)}
            assert (await client.get("/operator/weights.json?until=1")).json() == {}
            # The transcript of who agreed counts the same as the numbers do; it goes with the account.
            [transcript] = tmp_path.rglob("*.jsonl")
            assert weights_of([transcript]) == {library.roots[0]: pytest.approx(1, abs=1e-3)}
            await client.post("/account/erase", data={"sure": "erase"})
            assert not list(tmp_path.rglob("*.jsonl"))

    run(go())
