"""A generator behind an address: any engine that speaks OpenAI's API, such as vLLM, llama.cpp or Ollama."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gatllm.errors import GatllmError
from gatllm.models.chat import ChatOptions, Completion, ContextOverflowError, Message

if TYPE_CHECKING:
    import httpx

_CONTEXT = 8192  # tokens, where the engine does not tell
_KEY = "GATLLM_MODEL_KEY"


def is_address(model: object) -> bool:
    """Tell whether a model is named by an address instead of a file or a hub id."""
    return isinstance(model, str) and model.startswith(("http://", "https://"))


class RemoteGenerator:
    """Asks an engine by HTTP. Satisfies `ChatGenerator`; may be used by several threads at once.

    Args:
        address: where its API begins, such as ``http://localhost:8080/v1``; ``#NAME`` at the end names the model,
            where the engine has several. The key for it is read from GATLLM_MODEL_KEY.
        client: for tests.

    Raises:
        GatllmError: it does not answer, or has no such model.
    """

    def __init__(self, address: str, *, client: httpx.Client | None = None) -> None:
        import httpx

        base, _, wanted = address.partition("#")
        self._base = base.rstrip("/")
        if not self._base.endswith("/v1"):
            self._base += "/v1"
        key = os.environ.get(_KEY)
        # No limit for what comes between two tokens: whoever asks has time-outs of their own.
        self._client = client or httpx.Client(timeout=httpx.Timeout(10, read=None))
        weakref.finalize(self, self._client.close)
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        models = self._models()
        found = [model for model in models if not wanted or model["id"] == wanted]
        if not found:
            names = ", ".join(str(model["id"]) for model in models) or "none"
            raise GatllmError(f"{self._base} has no model {wanted!r}", f"it has: {names}")
        self.name = str(found[0]["id"])
        told = found[0].get("max_model_len") or (found[0].get("meta") or {}).get("n_ctx_train")
        self.context = int(told or _CONTEXT)

    def _models(self) -> list[dict[str, Any]]:
        import httpx

        try:
            answer = self._client.get(f"{self._base}/models", headers=self._headers, timeout=10)
            self._check(answer)
            return [model for model in answer.json()["data"] if isinstance(model, dict) and "id" in model]
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._gone(error) from None
        except (ValueError, KeyError, TypeError):
            raise GatllmError(
                f"{self._base} does not speak OpenAI's API", "name the address that ends in /v1"
            ) from None

    def _gone(self, error: Exception) -> GatllmError:
        return GatllmError(f"the engine at {self._base} does not answer: {error}", "is it running?")

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        answer.read()
        try:
            told = answer.json()
            failure = told.get("error", told)
            words = str(failure.get("message", failure)) if isinstance(failure, dict) else str(failure)
        except (ValueError, AttributeError):
            failure, words = {}, answer.text[:200]
        if isinstance(failure, dict) and failure.get("code") == "context_length_exceeded":
            raise ContextOverflowError(int(failure.get("n_prompt_tokens") or self.context), self.context)
        raise GatllmError(f"the engine refused ({answer.status_code}): {words}", f"is {_KEY} right, and the model?")

    def _body(self, options: ChatOptions, **more: Any) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.name, "max_tokens": options.max_new_tokens, "temperature": options.temperature,
            "top_p": options.top_p, "seed": options.seed, **more,
        }  # fmt: skip
        return body | ({"stop": list(options.stop)} if options.stop else {})

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Iterator[str | Completion]:
        """Yield pieces of the answer as they come and last the whole `Completion`; closing ends the request.

        Raises:
            ContextOverflowError: the conversation is too long for the engine.
            GatllmError: the engine does not answer, or refuses.
        """
        import httpx

        asked = self._body(options, messages=list(messages), stream=True, stream_options={"include_usage": True})
        text, reason = "", "stop"
        usage: dict[str, Any] = {}
        try:
            with self._client.stream(
                "POST", f"{self._base}/chat/completions", json=asked, headers=self._headers
            ) as answer:
                self._check(answer)
                for chunk in _chunks(answer.iter_lines()):
                    usage = chunk.get("usage") or usage
                    for choice in chunk.get("choices") or ():
                        reason = choice.get("finish_reason") or reason
                        if piece := (choice.get("delta") or {}).get("content"):
                            text += piece
                            yield piece
        except httpx.HTTPError as error:
            raise self._gone(error) from None
        yield _completion(text, reason, usage)

    def generate(
        self, conversations: Sequence[Sequence[Message]], options: ChatOptions, *, logprobs: bool = False
    ) -> list[Completion]:
        """Answer one conversation after the other; with ``logprobs`` the engine is asked how sure it was of each token.

        Many engines don't tell: the completion then has none.

        Raises:
            GatllmError: see `stream`.
        """
        done = []
        for messages in conversations:
            more = {"logprobs": True} if logprobs else {}
            answer = self._post("chat/completions", self._body(options, messages=list(messages), **more))
            [choice] = answer["choices"][:1]
            text = choice["message"].get("content") or ""
            told = (choice.get("logprobs") or {}).get("content") or ()
            each = tuple(float(token["logprob"]) for token in told)
            done.append(_completion(text, choice.get("finish_reason"), answer.get("usage") or {}, each))
        return done

    def complete(self, prompts: Sequence[str], options: ChatOptions) -> list[Completion]:
        """Continue plain texts.

        Raises:
            GatllmError: see `stream`.
        """
        done = []
        for prompt in prompts:
            answer = self._post("completions", self._body(options, prompt=prompt))
            [choice] = answer["choices"][:1]
            done.append(_completion(choice.get("text") or "", choice.get("finish_reason"), answer.get("usage") or {}))
        return done

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        """Return the engine's vector for each text, and how many tokens it read.

        Raises:
            GatllmError: see `stream`.
        """
        body = {"model": self.name, "input": list(texts), "encoding_format": "float"}
        answer = self._post("embeddings", body)
        vectors = [list(map(float, one["embedding"])) for one in answer["data"]]
        return vectors, int((answer.get("usage") or {}).get("prompt_tokens") or 0)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        import httpx

        try:
            answer = self._client.post(f"{self._base}/{path}", json=body, headers=self._headers)
            self._check(answer)
            content: dict[str, Any] = answer.json()
        except httpx.HTTPError as error:
            raise self._gone(error) from None
        return content


def _chunks(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Yield what server-sent events carry, until the stream says that it is done."""
    for line in lines:
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            return
        chunk = json.loads(data)
        if failure := chunk.get("error"):
            words = failure.get("message", failure) if isinstance(failure, dict) else failure
            raise GatllmError(f"the engine broke off: {words}", "ask again")
        yield chunk


def _completion(text: str, reason: str | None, usage: dict[str, Any], logprobs: tuple[float, ...] = ()) -> Completion:
    read, written = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    return Completion(text, "length" if reason == "length" else "stop", read, written, logprobs)
