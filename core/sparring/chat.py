"""Token-exact, append-only conversations over any tokenizer with a chat template.

Text is tokenised once, when it is said; what a model sampled stays the tokens it sampled. The pieces that a chat template puts
between messages are found by rendering it around sentinels, so any template works whose messages come out verbatim.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from sparring.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_A, _B, _C = "⟪first⟫", "⟪answer⟫", "⟪second⟫"


class ChatFormat:
    """The tokens of a chat template: how a conversation opens, goes on and ends a turn."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        if not tokenizer.chat_template:
            raise ModelError(f"the tokenizer {tokenizer.name_or_path!r} has no chat template; give the model folder one")
        self._end_text, self._between, self._generation = self._pieces()
        end = self._special(self._end_text)
        self._end = tuple(end)
        stops = {end[-1]} if end else set()
        if isinstance(tokenizer.eos_token_id, int):
            stops.add(tokenizer.eos_token_id)
        self.stop_ids: frozenset[int] = frozenset(stops)
        self._open_cached = cache(self._open)
        self._follow_cached = cache(self._follow)

    def _render(self, messages: Sequence[tuple[str, str]], ask: bool) -> str:
        rendered = self.tokenizer.apply_chat_template(
            [{"role": role, "content": text} for role, text in messages], tokenize=False, add_generation_prompt=ask
        )
        assert isinstance(rendered, str)
        return rendered

    def _pieces(self) -> tuple[str, str, str]:
        whole = self._render([("user", _A), ("assistant", _B), ("user", _C)], True)
        parts: list[str] = []
        rest = whole
        for sentinel in (_A, _B, _C):
            before, found, rest = rest.partition(sentinel)
            if not found:
                raise ModelError(f"the chat template of {self.tokenizer.name_or_path!r} does not give messages back verbatim")
            parts.append(before)
        after_answer = parts[2]
        eos = str(self.tokenizer.eos_token or "")
        special = [t for t in dict.fromkeys([eos, *map(str, self.tokenizer.all_special_tokens)]) if t and after_answer.startswith(t)]
        end = max(special, key=len) if special else ""
        return end or eos, after_answer[len(end) :], rest

    def _special(self, text: str) -> list[int]:
        """Template text: special tokens are meant."""
        return list(self.tokenizer.encode(text, add_special_tokens=False)) if text else []

    def _plain(self, text: str) -> list[int]:
        """Somebody's words: what looks like a special token is just text."""
        return list(self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)) if text else []

    def open(self, messages: Sequence[tuple[str, str]]) -> tuple[int, ...]:
        """Tokens of the first messages, up to where the model begins to answer."""
        return self._open_cached(tuple(messages))

    def _open(self, messages: tuple[tuple[str, str], ...]) -> tuple[int, ...]:
        sentinels = [f"⟪{i}⟫" for i in range(len(messages))]
        rest = self._render([(role, s) for (role, _), s in zip(messages, sentinels, strict=True)], True)
        tokens: list[int] = []
        for (_, text), sentinel in zip(messages, sentinels, strict=True):
            before, _, rest = rest.partition(sentinel)
            tokens += self._special(before) + self._plain(text)
        return tuple(tokens + self._special(rest))

    def follow(self, text: str, ended: bool) -> tuple[int, ...]:
        """Tokens between an answer and the next: the end of the answer's turn unless it ``ended`` itself, then ``text``."""
        return self._follow_cached(text, ended)

    def _follow(self, text: str, ended: bool) -> tuple[int, ...]:
        end = () if ended else self._end
        return (*end, *self._special(self._between), *self._plain(text), *self._special(self._generation))

    def answer(self, text: str) -> list[int]:
        """Tokens of a whole answer, the end of its turn included."""
        return [*self._plain(text), *self._end]

    def decode(self, tokens: Sequence[int]) -> str:
        """Text without special tokens."""
        text = self.tokenizer.decode(list(tokens), skip_special_tokens=True)
        assert isinstance(text, str)
        return text


class Conversation:
    """What one role has seen and said, as tokens. It only grows; `fork` makes a copy that grows apart."""

    __slots__ = ("_ended", "_pending", "_system", "chat", "role", "row", "tokens", "trajectory")

    def __init__(self, chat: ChatFormat, role: str, system: str = "") -> None:
        self.chat, self.role = chat, role
        self.tokens: list[int] = []
        self.row = self.trajectory = -1  # given by the table when it is first acted on
        self._system, self._pending, self._ended = system, "", True

    def say(self, text: str) -> None:
        """Tell the role something. What is told before its next answer is one message, a line each."""
        self._pending = f"{self._pending}\n{text}" if self._pending else text

    def context(self) -> list[int]:
        """The tokens on which the role answers next."""
        if not self.tokens:
            messages = [("system", self._system)] if self._system else []
            self.tokens.extend(self.chat.open([*messages, ("user", self._pending)]))
            self._pending = ""
        elif self._pending:
            self.tokens.extend(self.chat.follow(self._pending, self._ended))
            self._pending = ""
        return self.tokens

    def add(self, tokens: Sequence[int], ended: bool) -> int:
        """Append an answer; returns where it begins. ``ended``: its last token ends the turn."""
        start = len(self.context())
        self.tokens.extend(tokens)
        self._ended = ended
        return start

    def fork(self) -> Conversation:
        other = copy.copy(self)
        other.tokens = list(self.tokens)
        other.row = other.trajectory = -1
        return other
