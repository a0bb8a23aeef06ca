"""The description of the API is complete: whatever is sent by it, and against it, is answered as it says."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from gatllm.answering import Assistant, FakeGenerator
from gatllm.review import Reviewer
from gatllm.service import create_app

schema = schemathesis.openapi.from_asgi(
    "/openapi.json", create_app(Assistant(FakeGenerator("Hello there."), Reviewer()), slots=8, hosts=[])
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@schema.parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: schemathesis.Case) -> None:
    response = case.call()
    # What a schema can't say (an empty question, a form of answer that this model has not) is refused with a 400; what
    # is far too large is refused with a 413 before anything reads it.
    excluded = [positive_data_acceptance, *([negative_data_rejection] if response.status_code == 413 else [])]
    case.validate_response(response, excluded_checks=excluded)
