"""What all tests share."""

import os

from hypothesis import HealthCheck, settings

# Tests train tiny models: one thread is faster than two that wait for each other, and leaves room for other workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test asserts a time: on a busy machine an example may take seconds. CI draws the same examples each time, so that a
# change is judged by itself; new ones are found where people work.
settings.register_profile(
    "gatllm", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("gatllm")
