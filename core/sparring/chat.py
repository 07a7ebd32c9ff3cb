"""Token-exact, append-only conversations over any tokenizer with a chat template.

A template is taken apart once: it is rendered around sentinels, and what stands between them is tokenised. Messages are
tokenised one by one and put in between, so text that has become tokens is never tokenised again, and what a policy
sampled stays the tokens that it sampled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from sparring.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SENTINEL = re.compile("⟪([0-9]+)⟫")
_CACHED = 1 << 16  # texts; games repeat theirs, and what players write to each other must not pile up


def _fixed_date(form: str) -> str:
    return datetime(2024, 7, 26).strftime(form)


class ChatFormat:
    """The tokens of a chat template: how a conversation opens, goes on and ends a turn.

    What a message says is only text: an end-of-turn mark within it is spelled out and ends nothing. A template that
    refuses system messages has their text put before the first user message. Raises `ModelError` if there is no
    template, or it does not give messages back as they are, or nothing ends a turn.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        if not tokenizer.chat_template:
            raise ModelError(f"{self._name} has no chat template; add chat_template.jinja to the model's folder")
        # SentencePiece puts a space before any text; text in the middle of a row is encoded after a line break instead.
        self._anchor = "\n" if tokenizer.convert_ids_to_tokens(self._encode("x", False))[0].startswith("▁") else ""
        self._anchor_ids = self._encode(self._anchor, False)

        _, generation = self._frame(("user",), True)
        _, header, tail = self._frame(("user", "assistant"), False)
        _, _, middle, again = self._frame(("user", "assistant", "user"), True)
        # Templates of the Llama 2 family write an answer with a space before it that the generation prompt lacks.
        lead = header.removeprefix(generation) if header.startswith(generation) else ""
        self._lead = "" if lead.strip() else lead

        marks = set(tokenizer.added_tokens_decoder)
        between = self._ids(middle)
        self._end = self._first_mark(tail, marks)
        if self._end in between:
            del between[: between.index(self._end) + 1]
        self._between, self._generation = tuple(between), tuple(self._ids(again))
        eos = tokenizer.eos_token_id
        self.stop_ids: frozenset[int] = frozenset([self._end] if eos is None else [self._end, eos])
        written = [*self._ids(header), *self._ids(middle), *self._ids(tail), *self._generation]
        self._control = self.stop_ids | marks.intersection(written)

        self._plain = lru_cache(_CACHED)(self._plain_uncached)
        self._open = lru_cache(_CACHED)(self._open_uncached)
        self._opening = lru_cache(_CACHED)(self._opening_uncached)
        self._decode = lru_cache(_CACHED)(self._decode_uncached)

    @property
    def _name(self) -> str:
        return f"the tokenizer of {self.tokenizer.name_or_path or type(self.tokenizer).__name__!r}"

    # ---- taking the template apart ---------------------------------------------------------------------------------------

    def _frame(self, roles: tuple[str, ...], ask: bool) -> list[str]:
        """What the template writes before, between and after messages of ``roles``: one text more than there are messages."""
        try:
            rendered = self.tokenizer.apply_chat_template(
                [{"role": role, "content": f"⟪{n}⟫"} for n, role in enumerate(roles)],
                tokenize=False,
                add_generation_prompt=ask,
                strftime_now=_fixed_date,  # a run that is resumed on another day has the same prompts
            )
        except Exception as error:  # templates raise whatever they like
            raise ModelError(f"the chat template of {self._name} fails on {', '.join(roles)}: {error}") from error
        parts = _SENTINEL.split(str(rendered))
        if parts[1::2] != [str(n) for n in range(len(roles))]:
            raise ModelError(
                f"the chat template of {self._name} does not give messages back once each and in order (asked with {', '.join(roles)}); "
                "use one that writes every message as it is"
            )
        return parts[::2]

    def _first_mark(self, tail: str, marks: set[int]) -> int:
        """The token that ends a turn: what follows an answer, or the tokenizer's end token if the template writes none."""
        for token in self._ids(tail):
            if token in marks:
                return token
            if str(self.tokenizer.decode([token])).strip():
                break
        eos = self.tokenizer.eos_token_id
        if not isinstance(eos, int):
            raise ModelError(f"{self._name} has no end token and its chat template writes none after an answer")
        return eos

    # ---- text to tokens ------------------------------------------------------------------------------------------------

    def _encode(self, text: str, plain: bool) -> list[int]:
        encoded: list[int] = self.tokenizer(text, add_special_tokens=False, split_special_tokens=plain)["input_ids"]
        return list(encoded)

    def _ids(self, text: str, plain: bool = False) -> list[int]:
        return self._encode(self._anchor + text, plain)[len(self._anchor_ids) :] if text else []

    def _plain_uncached(self, text: str) -> tuple[int, ...]:
        tokens = self._ids(text, plain=True)
        if not self._control.isdisjoint(tokens):
            # A mark of the template that its tokenizer does not count as special: no single character can be one.
            tokens = [token for character in text for token in self._ids(character, plain=True)]
        return tuple(tokens)

    def _opening_uncached(self, roles: tuple[str, ...]) -> tuple[list[int], ...]:
        """What stands before, between and after first messages of ``roles``; rendering it takes longer than a turn does."""
        before, *after = self._frame(roles, True)
        return (self._encode(before, False), *map(self._ids, after))

    def _open_uncached(self, messages: tuple[tuple[str, str], ...]) -> tuple[int, ...]:
        try:
            before, *after = self._opening(tuple(role for role, _ in messages))
        except ModelError:
            if len(messages) < 2 or messages[0][0] != "system":
                raise
            (_, system), (role, text), *others = messages
            return self._open_uncached(((role, f"{system}\n\n{text}"), *others))
        tokens = list(before)
        for (_, text), piece in zip(messages, after, strict=True):
            tokens += self._plain(text)
            tokens += piece
        return tuple(tokens)

    def open(self, messages: Sequence[tuple[str, str]]) -> tuple[int, ...]:
        """Tokens of the first messages, (role, text) each, up to where an answer begins."""
        return self._open(tuple(messages))

    def follow(self, text: str, ended: bool) -> tuple[int, ...]:
        """Tokens between an answer and the next one, with the user message ``text``.

        ``ended``: the answer's last token ends the turn. If it was cut off instead, that token is put first.
        """
        return (*self.close(ended), *self._between, *self._plain(text), *self._generation)

    def close(self, ended: bool) -> tuple[int, ...]:
        """What ends an answer: nothing if it ``ended`` itself."""
        return () if ended else (self._end,)

    def answer(self, text: str) -> list[int]:
        """Tokens of a whole answer, the one that ends the turn included."""
        return [*self._plain(self._lead + text), self._end]

    # ---- tokens to text ------------------------------------------------------------------------------------------------

    def _decode_uncached(self, tokens: tuple[int, ...]) -> str:
        text = self.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text).removeprefix(self._lead)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of an answer; special tokens are left out."""
        return self._decode(tuple(tokens))


class Conversation:
    """What one role has seen and said, as tokens. They are only ever added to; `fork` makes a copy that goes its own way.

    ``row`` and ``trajectory`` are set by the table; -1 until it has done so.
    """

    __slots__ = (
        "_ended",
        "_past",
        "_prompted",
        "_said",
        "_settled",
        "chat",
        "role",
        "row",
        "system",
        "tokens",
        "trajectory",
    )

    def __init__(self, chat: ChatFormat, role: str, system: str = "") -> None:
        self.chat, self.role, self.system = chat, role, system
        self.tokens: list[int] = []
        self.row = self.trajectory = -1
        self._past: list[tuple[str, str]] = []  # what it was told and what it answered, for each answer
        self._said: list[str] = []  # since the last answer
        self._settled = 0  # tokens up to the end of the last answer
        self._ended = True  # does the last answer end its turn?
        self._prompted = False  # are `_said` and the generation prompt in `tokens`?

    def say(self, text: str) -> None:
        """Tell the role something. All that it is told before its next answer is one message, a line each."""
        if self._prompted:
            # Nobody answered here (several answers stand in forks): the prompt is not settled and is written anew.
            del self.tokens[self._settled :]
            self._prompted = False
        self._said.append(text)

    def context(self) -> list[int]:
        """The tokens on which the role answers next: `tokens` itself, not a copy."""
        if not self._prompted:
            text = "\n".join(self._said)
            if self._settled:
                self.tokens.extend(self.chat.follow(text, self._ended))
            else:
                system = [("system", self.system)] if self.system else []
                self.tokens.extend(self.chat.open([*system, ("user", text)]))
            self._prompted = True
        return self.tokens

    def transcript(self) -> list[tuple[str, str]]:
        """The same as (role, text), up to what it answers next, with answers as the texts that they were."""
        system = [("system", self.system)] if self.system else []
        past = [message for told, said in self._past for message in (("user", told), ("assistant", said))]
        return [*system, *past, ("user", "\n".join(self._said))]

    def add(self, tokens: Sequence[int], ended: bool, text: str | None = None) -> int:
        """Append an answer, sampled or given, and return where it begins. ``ended``: its last token ends the turn.

        ``text`` is what the tokens say, if it is at hand.
        """
        start = len(self.context())
        self._past.append(("\n".join(self._said), self.chat.decode(tokens) if text is None else text))
        self.tokens.extend(tokens)
        self._settled = len(self.tokens)
        self._ended = ended
        self._said = []
        self._prompted = False
        return start

    def fork(self) -> Conversation:
        """A copy with its own tokens, of no row and no trajectory yet."""
        other = Conversation(self.chat, self.role, self.system)
        other.tokens = list(self.tokens)
        other._past, other._said = list(self._past), list(self._said)
        other._settled, other._ended, other._prompted = self._settled, self._ended, self._prompted
        return other
