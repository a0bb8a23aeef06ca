"""A council: members that propose, criticise, vote and agree, in one process or over the network."""

from gatllm.answering.council.council import Council, Decision, LocalPeer, Member, Peer, seats
from gatllm.answering.council.messages import Identity, schema
from gatllm.answering.council.network import HttpPeer, NodeServer, read_address
from gatllm.answering.council.node import Node
from gatllm.answering.council.verifying import verify_decision, verify_transcript

__all__ = [
    "Council",
    "Decision",
    "HttpPeer",
    "Identity",
    "LocalPeer",
    "Member",
    "Node",
    "NodeServer",
    "Peer",
    "read_address",
    "schema",
    "seats",
    "verify_decision",
    "verify_transcript",
]
