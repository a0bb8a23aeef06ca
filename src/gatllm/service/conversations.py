"""What was said, kept in memory for as long as it is not the oldest of too much."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from gatllm.answering import Answer, Assessment
from gatllm.models import Message


@dataclass
class Turn:
    """One question and what became of it."""

    id: str
    prompt: str
    assessment: Assessment | None = None
    answer: Answer | None = None
    error: str = ""

    @property
    def declined(self) -> bool:
        """Whether the answer waits for the user to go on below the threshold."""
        return self.answer is not None and self.answer.declined


MOST_TURNS = 100


@dataclass
class Conversation:
    """The last `MOST_TURNS` turns of one conversation; its id is a secret of whoever began it."""

    id: str
    turns: list[Turn] = field(default_factory=list)

    def begin(self, prompt: str) -> Turn:
        """Add a turn; the oldest goes where there are too many."""
        turn = Turn(secrets.token_hex(4), prompt)
        self.turns.append(turn)
        del self.turns[:-MOST_TURNS]
        return turn

    def find(self, name: str) -> Turn | None:
        """Return the turn of this id."""
        return next((turn for turn in self.turns if turn.id == name), None)

    def history(self, until: Turn) -> list[Message]:
        """Return what was said before a turn, as generators know it."""
        messages: list[Message] = []
        for turn in self.turns:
            if turn is until:
                break
            if turn.answer is not None and not turn.answer.declined:
                messages += [
                    {"role": "user", "content": turn.prompt},
                    {"role": "assistant", "content": turn.answer.text},
                ]
        return messages


class Conversations:
    """At most ``most`` conversations; the one longest unused goes first."""

    def __init__(self, most: int = 200) -> None:
        self._most = most
        self._kept: OrderedDict[str, Conversation] = OrderedDict()

    def open(self, name: str | None) -> Conversation:
        """Return the conversation of this id, or a new one where there is none (any more)."""
        if name is not None and name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        conversation = Conversation(secrets.token_urlsafe(16))
        self._kept[conversation.id] = conversation
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return conversation

    def get(self, name: str) -> Conversation | None:
        """Return the conversation of this id, if it is still kept."""
        return self._kept.get(name)
