"""What all tests share."""

import os

# Tests train tiny models: one thread is faster than two that wait for each other, and leaves room for other workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")
