"""Answering: prompt → confidence → proposals → review → an answer with its sources."""

from gatllm.answering.answer import (
    Answer,
    Assessment,
    CodeReview,
    Draft,
    Edit,
    Event,
    Evidence,
    Note,
    SimilarCode,
    Source,
    Text,
)
from gatllm.answering.assistant import Assistant
from gatllm.answering.confidence import Confidence, ConfidenceModel
from gatllm.answering.council import Council, Decision, Identity, LocalPeer, Member, Node, verify_transcript
from gatllm.answering.data_requests import DataRequestFile
from gatllm.answering.estimator import Estimator, Quality
from gatllm.answering.generators import FakeGenerator, load_generator
from gatllm.answering.library import Library
from gatllm.answering.threshold import Reliability
from gatllm.answering.transcript import Transcript

__all__ = [
    "Answer",
    "Assessment",
    "Assistant",
    "CodeReview",
    "Confidence",
    "ConfidenceModel",
    "Council",
    "DataRequestFile",
    "Decision",
    "Draft",
    "Edit",
    "Estimator",
    "Event",
    "Evidence",
    "FakeGenerator",
    "Identity",
    "Library",
    "LocalPeer",
    "Member",
    "Node",
    "Note",
    "Quality",
    "Reliability",
    "SimilarCode",
    "Source",
    "Text",
    "Transcript",
    "load_generator",
    "verify_transcript",
]
