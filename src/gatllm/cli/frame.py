"""The command line: which commands there are, how they fail, what they exit with."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import App, CycloptsError, Group
from cyclopts.config import Env, Toml

from gatllm import __version__
from gatllm.errors import GatllmError

# Each command is named by its import path and imported when it is used: `gatllm --help` never waits for torch.
COMMANDS: dict[str, tuple[str, str, str]] = {
    # name: (import path, one line of help, the extra that holds what it imports), in the order of their groups below
    "fix": ("gatllm.cli.review:fix", "Repair Python files that do not compile.", ""),
    "check": ("gatllm.cli.review:check", "Find what is wrong in Python files.", ""),
    "explain": ("gatllm.cli.review:explain", "Explain a rule named by check or fix.", ""),
    "lsp": ("gatllm.cli.review:lsp", "Serve an editor: diagnostics, quick fixes, formatting through errors.", ""),
    "mcp": ("gatllm.cli.review:mcp", "Serve agents: fix and check as tools (Model Context Protocol).", "mcp"),
    "ask": ("gatllm.cli.ask:ask", "Ask one question; the answer is reviewed before it is shown.", "chat"),
    "chat": ("gatllm.cli.ask:chat", "Talk with the assistant in the terminal.", "chat"),
    "serve": ("gatllm.cli.serve:serve", "Serve the chat page and the OpenAI-compatible API.", "serve"),
    "service": ("gatllm.cli.service:app", "Manage a service: users, API keys, backups.", "serve"),
    "node": ("gatllm.cli.node:node", "Run a council node: one generator or discriminator over HTTP.", "chat"),
    "verify": ("gatllm.cli.node:verify", "Check a council transcript: hashes, signatures, the count of votes.", "chat"),
    "train": ("gatllm.cli.train:train_app", "Train a model by a recipe.", "train"),
    "finetune": (
        "gatllm.cli.finetune:finetune",
        "Train a pretrained model further on texts, questions or conversations.",
        "train",
    ),
    "learn": ("gatllm.cli.learn:learn", "Train on question-answer pairs, and answer from them.", "train"),
    "reinforce": (
        "gatllm.cli.reinforce:reinforce",
        "Reinforce a model: it learns from its own answers, by a reward.",
        "train",
    ),
    "rounds": (
        "gatllm.cli.rounds:rounds",
        "Train generator and discriminator against each other, round by round.",
        "train",
    ),
    "tune": ("gatllm.cli.evaluate:tune_app", "Search for better hyper-parameters of a recipe.", "train"),
    "eval": (
        "gatllm.cli.evaluate:eval_app",
        "Zero-, one- and few-shot evaluation of a run or pretrained model.",
        "train",
    ),
    "report": ("gatllm.cli.train:report_app", "Write the report of a run: one page with its curves.", "train"),
    "sample": ("gatllm.cli.sample:sample", "Generate text from a trained model.", "train"),
    "embed": ("gatllm.cli.sample:embed", "Turn sentences into vectors.", "train"),
    "export": ("gatllm.cli.export:export", "Write a model as a folder of 🤗 Transformers.", "train"),
    "data": ("gatllm.cli.data:app", "Turn code into datasets: check, build, corrupt, show.", "data"),
    "tokenizer": ("gatllm.cli.tokenizer:app", "Train or inspect a tokenizer.", "data"),
    "proof": ("gatllm.cli.proof:app", "Prove how a run was trained, and verify anyone's proof.", "train"),
    "market": ("gatllm.cli.market:app", "Dataset tokens, subscription, rewards, on any EVM chain.", "market"),
    "demo": ("gatllm.cli.demo:demo", "Show the whole of gatllm on real code, in some ten minutes.", "all"),
    "doctor": ("gatllm.cli.doctor:doctor", "Show what this machine has, and the cure for what is missing.", ""),
    "config": ("gatllm.cli.config:app", "Settings: flag > environment > gatllm.toml > default.", ""),
}
GROUPS = {  # the first command of each group in `gatllm --help`
    "fix": "Code",
    "ask": "Questions",
    "train": "Models",
    "data": "Data",
    "proof": "Proof and market",
    "demo": "gatllm",
}

STDIN = "/dev/stdin"

app = App(
    name="gatllm",
    help="Repair Python that does not compile; train, serve and verify the models behind it.",
    version=__version__,
    help_format="plaintext",
    config=[Env("GATLLM_"), Toml("gatllm.toml", search_parents=True)],
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
_group = Group.create_ordered("")
for _name, (_target, _help, _) in COMMANDS.items():
    if _name in GROUPS:
        _group = Group.create_ordered(GROUPS[_name])
    app.command(_target, name=_name, help=_help, group=_group, sort_key=list(COMMANDS).index(_name))


def _missing(module: str | None, given: Sequence[str]) -> str:
    """Return the words for an import that failed: what to install, where that is what lacks."""
    command = next((argument for argument in given if argument in COMMANDS), "")
    extra = COMMANDS[command][2] if command else ""
    if not extra or (module or "").split(".")[0] == "gatllm":
        return f"there is no module {module}; install gatllm again"
    return f"`gatllm {command}` needs {module}, which is not installed; run: pip install 'gatllm[{extra}]'"


def _one_line(text: str) -> str:
    """The parser's words in one line, without the stop that ends them; an ellipsis stays."""
    line = " ".join(text.split())
    return line if line.endswith("..") else line.removesuffix(".")


def _fail(message: str, code: int) -> NoReturn:
    from gatllm.cli.console import error_line

    error_line(message)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 ok, 1 failed, 2 usage, 3 verification failed, 4 inconclusive, 130 interrupted."""
    # A lone "-" looks like an option to the parser; commands that read standard input know this name of it.
    given = [STDIN if argument == "-" else argument for argument in (sys.argv[1:] if arguments is None else arguments)]
    try:
        code = app(given, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        _fail(_one_line(str(error)) + "; see --help", 2)
    except GatllmError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted; no file was damaged, run the same command to resume", 130)
    except BrokenPipeError:  # the reader went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except ModuleNotFoundError as error:
        _fail(_missing(error.name, given), 1)
    except Exception as error:
        if os.environ.get("GATLLM_DEBUG"):
            raise
        _fail(f"unexpected {type(error).__name__}: {error}; GATLLM_DEBUG=1 shows where, please report it", 1)
    sys.exit(code if isinstance(code, int) else 0)
