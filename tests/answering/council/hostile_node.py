"""A member of a council in a process of its own, honest or not: ``python -m … BEHAVIOUR REPLY``."""

import sys
import time
from typing import Any

from gatllm.answering import FakeGenerator
from gatllm.answering.council import Identity, Node, NodeServer, network
from gatllm.answering.council.council import take_step
from gatllm.answering.council.messages import Critique, Proposal, Vote, commitment, fresh
from gatllm.review import Reviewer

BAD = "```python\nimport math\nprint(math.nothing)\n```\n"


class Raw(Exception):  # noqa: N818  # not an error: what is sent instead of an answer
    """Bytes to be sent as they are."""


class Hostile:
    """Answers each step as its behaviour wants."""

    def __init__(self, behaviour: str) -> None:
        self.behaviour = behaviour
        self.said: dict[str, list[Any]] = {}

    def __call__(self, node: Node, step: str, request: dict[str, Any]) -> list[Any]:
        if self.behaviour == "stall":
            time.sleep(600)
        if self.behaviour in ("huge", "garbage"):
            raise Raw
        honest = take_step(node, step, request)
        head = {"decision": request["decision"], "round": request["round"], "sender": node.identity.public}
        sign = node.identity.sign
        if self.behaviour == "replay":
            return self.said.setdefault(step, honest)
        if self.behaviour == "twice" and step == "propose":
            return [*honest, sign(Proposal(**head, commitment=commitment(BAD, fresh())))]
        if self.behaviour == "swap" and step == "reveal":
            salt = fresh()
            return [sign(Proposal(**head, commitment=commitment(BAD, salt), text=BAD, salt=salt)), *honest[1:]]
        if self.behaviour == "lie" and step == "review":
            return [sign(Critique(**head, of=each.of, score=1 - each.score)) for each in honest]
        if self.behaviour == "lie" and step == "vote":
            return [sign(Vote(**head, of=node.identity.public))]
        return honest


def main(behaviour: str, reply: str) -> None:
    node = Node(behaviour, Identity.generate(), FakeGenerator(reply), Reviewer())
    hostile = Hostile(behaviour)

    class Handler(network._Handler):
        def do_POST(self) -> None:
            try:
                super().do_POST()
            except Raw:
                self.send_response(200)
                self.end_headers()
                self.close_connection = True
                if behaviour == "garbage":
                    self.wfile.write(b"\x00\xff{[" * 1000)
                else:
                    for _ in range(100):
                        self.wfile.write(b"x" * (1 << 20))

    network.take_step = hostile  # type: ignore[assignment]
    network._Handler = Handler  # type: ignore[misc]
    server = NodeServer(node)
    print(server.address, flush=True)
    server.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
