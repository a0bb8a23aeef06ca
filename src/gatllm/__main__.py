"""``python -m gatllm``: the same as the ``gatllm`` command."""

from gatllm.cli import main

main()
