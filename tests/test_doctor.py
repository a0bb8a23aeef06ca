"""The doctor looks and changes nothing; what is missing has a cure."""

import json
import subprocess
import sys

from gatllm.doctor import diagnose


def test_everything_missing_has_a_cure() -> None:
    checks = diagnose()
    assert {"Python", "PyTorch", "contracts", "local chain", "chat model"} <= {check.what for check in checks}
    assert [check.what for check in checks if not check.ok and not check.cure] == []


def test_the_exit_code_follows_the_required_parts() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gatllm", "doctor", "--json"], capture_output=True, text=True, check=False
    )
    checks = json.loads(done.stdout)
    assert done.returncode == int(any(check["required"] and not check["ok"] for check in checks))
