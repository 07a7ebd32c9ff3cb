"""Requests of one policy while they are written: they join and leave at any token."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from sparring import Completion, LoadedModel, Request, Sampling
from sparring.forward import autocast, head, hidden_states
from sparring.prefix_tree import build_forest
from sparring_generators.capacity import bytes_per_token, most_tokens
from sparring_generators.noise import uniforms
from sparring_generators.params import TransformersParams
from sparring_generators.prefix_cache import Node, PrefixCache
from sparring_generators.prompts import Part, PromptPlan, parts
from sparring_generators.rows import Row, Rows, bank_size
from sparring_generators.sampling import draw, limited

# Those that wait are let in together, since to read a few tokens takes nearly as long as to read many: when they are this
# share of those that are being written, or nobody is.
JOIN = 1 / 4


@dataclass(slots=True)
class _Growing:
    """What is being written in one row: requests whose tokens have been the same so far."""

    requests: list[int]
    state: torch.Tensor  # (hidden,): the last hidden state, from which the next token is drawn
    token: int = -1  # which was drawn, and is to be read next


class Writing:
    """Requests from their prompts to their completions, and what is kept of their conversations.

    They are admitted in their order whenever there are rows for them, and leave when they end.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        stop: frozenset[int],
        limits: TransformersParams,
        seconds: MutableMapping[str, float],
    ) -> None:
        self.loaded, self.stop, self.limits = loaded, stop, limits
        self._seconds = seconds
        self._requests: dict[int, Request] = {}  # all that have not ended
        self._ended: dict[int, Completion] = {}
        self.forget()

    def forget(self) -> None:
        """Begin all that has not ended again, without what was kept."""
        # Tokens whose keys and values are held in rows, and as many again in the cache.
        self.capacity = max(1, int(self.limits.kv_gib * 2**30 / 2 / bytes_per_token(self.loaded)))
        self._cache, self._rows = PrefixCache(self.capacity), Rows()
        self._waiting = deque(self._requests)
        self._growing: dict[Row, _Growing] = {}
        self._live: set[int] = set()  # requests that have been admitted
        self._completions = {number: Completion([], [], "length") for number in self._requests}  # what there is of them

    def anew(self) -> Writing:
        """The same, of which nothing is asked and nothing is kept."""
        return Writing(self.loaded, self.stop, self.limits, self._seconds)

    @property
    def busy(self) -> bool:
        """Whether anything has not ended."""
        return bool(self._requests)

    @staticmethod
    def needs(request: Request) -> int:
        """Tokens whose keys and values there must be room for before it is admitted."""
        return bank_size(most_tokens(request) - 1)  # of an answer the last token is not read

    @property
    def held(self) -> int:
        """What all that has not ended needs."""
        return sum(map(self.needs, self._requests.values()))

    @property
    def longest(self) -> int:
        """The most tokens that something which has not ended may come to."""
        return max(map(most_tokens, self._requests.values()), default=0)

    def add(self, number: int, request: Request) -> None:
        self._requests[number] = request
        self._completions[number] = Completion([], [], "length")
        self._waiting.append(number)

    def take(self) -> dict[int, Completion]:
        """Those that have ended and were not taken yet, by number."""
        ended, self._ended = self._ended, {}
        return ended

    def proceed(self, until: Callable[[], bool]) -> None:
        """Write until something has ended, if there is anything, or ``until()``."""
        while self._requests and not self._ended and not until():
            if self._due():
                with self._clock("prefill"):
                    self._admit()
            with self._clock("sample"):
                self._draw()
            if self._growing:
                with self._clock("decode"):
                    self._extend()

    def _due(self) -> bool:
        if not self._growing:
            return True
        enough = len(self._waiting) >= JOIN * len(self._live)
        return bool(self._waiting) and enough and len(self._growing) <= self.limits.decode_batch * 3 // 4

    @contextmanager
    def _clock(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._seconds[what] += time.perf_counter() - began

    # ---- prompts ---------------------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        cache = self._cache
        cache.tick()
        nodes: dict[Node, list[int]] = {}
        held = sum(self.needs(self._requests[number]) for number in self._live)
        while self._waiting and len(self._growing) + len(nodes) < self.limits.decode_batch:
            number = self._waiting[0]
            held += self.needs(self._requests[number])
            if self._live and held > self.capacity:
                break
            self._live.add(number)
            self._waiting.popleft()
            nodes.setdefault(cache.locate(self._requests[number].context), []).append(number)
        self._read(list(nodes))
        rows = self._rows.add([node.path() for node in nodes], [len(numbers) for numbers in nodes.values()])
        for row, (node, numbers) in zip(rows, nodes.items(), strict=True):
            assert node.state is not None
            self._growing[row] = _Growing(numbers, node.state)
        cache.shrink()

    def _read(self, ends: Sequence[Node]) -> None:
        """Run what is new of these nodes and of those before them through the model, ``prefill_tokens`` at a time."""
        part: list[list[Node]] = []  # what has to be read for some ends
        new: set[Node] = set()
        size = 0
        # Neighbours share most; what one part has read is known to the next.
        for end in sorted(ends, key=lambda end: [token for node in end.path() for token in node.tokens]):
            unread = end.unread()
            more = sum(len(node.tokens) for node in unread if node not in new)
            if part and size + more > self.limits.prefill_tokens:
                self._run(part)
                part, new, size = [], set(), 0
                unread = end.unread()
                more = sum(len(node.tokens) for node in unread)
            if unread:
                part.append(unread)
                new.update(unread)
                size += more
        if part:
            self._run(part)

    def _run(self, ends: Sequence[Sequence[Node]]) -> None:
        """Read, for each end, nodes that stand one below the other."""
        loaded = self.loaded
        followed: dict[Node, list[Sequence[Node]]] = {}
        for unread in ends:
            assert unread[0].parent is not None
            followed.setdefault(unread[0].parent, []).append(unread)
        score = torch.zeros((), dtype=torch.bfloat16 if loaded.bf16 else loaded.model.dtype, device=loaded.model.device)
        tokens: list[int] = []
        positions: list[int] = []
        plan: list[Part] = []
        places: dict[Node, slice] = {}
        for parent, several in followed.items():
            forest = build_forest([[token for node in unread for token in node.tokens] for unread in several])
            begin = len(tokens)
            for unread, path in zip(several, forest.paths, strict=True):
                at = 0
                for node in unread:
                    # A node is a run of tokens that nothing branches off, so they stand side by side.
                    places[node] = slice(begin + path[at], begin + path[at] + len(node.tokens))
                    at += len(node.tokens)
            plan += parts(forest, begin, parent.path(), score)
            tokens += forest.tokens
            positions += [parent.end + depth for depth in forest.positions]
        prompts = PromptPlan(plan, loaded.model.config.get_text_config().num_hidden_layers, len(tokens))
        with autocast(loaded):
            states = hidden_states(loaded.model, tokens, positions, prompts)
        for node, place in places.items():
            self._cache.computed(node, prompts.kv[:, :, :, place].clone(), states[place.stop - 1].clone())

    # ---- answers ---------------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        """A token for each request. Rows split where they differ, and those without a request that goes on are given up."""
        asked = [(row, number) for row, growing in self._growing.items() for number in growing.requests]
        tokens, logprobs = self._sample(asked)
        branches: dict[Row, dict[int, list[int]]] = {row: {} for row in self._growing}  # row -> token -> requests
        for (row, number), token, logprob in zip(asked, tokens, logprobs, strict=True):
            completion = self._completions[number]
            completion.tokens.append(token)
            completion.logprobs.append(logprob)
            ended = token in self.stop
            broken = not math.isfinite(logprob)  # the table says whose it is; to go on would bring no better number
            if ended or broken or len(completion.tokens) == self._requests[number].sampling.max_tokens:
                self._end(row, number, ended)
            else:
                branches[row].setdefault(token, []).append(number)
        for row in [row for row, found in branches.items() if not found]:
            del self._growing[row]
            self._rows.drop(row)
        for row, found in branches.items():
            for n, (token, requests) in enumerate(found.items()):
                state = self._growing[row].state
                self._growing[self._rows.fork(row) if n else row] = _Growing(requests, state, token)

    def _end(self, row: Row, number: int, stopped: bool) -> None:
        done, request = self._completions.pop(number), self._requests.pop(number)
        self._ended[number] = Completion(done.tokens, done.logprobs, "stop" if stopped else "length")
        self._live.remove(number)
        # The last token was not read back; a conversation goes on from the one before.
        if len(done.tokens) > 1:
            seen = [*request.context, *done.tokens[:-1]]
            self._cache.keep(seen, self._growing[row].state, row.span)

    def _extend(self) -> None:
        loaded = self.loaded
        rows = self._rows.extend()
        growing = [self._growing[row] for row in rows]
        with autocast(loaded):
            states = hidden_states(
                loaded.model, [each.token for each in growing], [row.length - 1 for row in rows], self._rows
            )
        for each, state in zip(growing, states, strict=True):
            each.state = state

    def _sample(self, asked: Sequence[tuple[Row, int]]) -> tuple[list[int], list[float]]:
        """A token for each (row, request) from the distribution at its row, by inverting the cumulative distribution."""
        loaded = self.loaded
        requests = [self._requests[number] for _, number in asked]
        draws: dict[tuple[Row, Sampling], list[int]] = {}
        for place, ((row, _), request) in enumerate(zip(asked, requests, strict=True)):
            draws.setdefault((row, request.sampling), []).append(place)
        counters = [len(self._completions[number].tokens) for _, number in asked]
        noise = uniforms([request.key for request in requests], counters)
        tokens, logprobs = [0] * len(asked), [0.0] * len(asked)
        keys = list(draws)
        for a in range(0, len(keys), self.limits.decode_batch):
            part = keys[a : a + self.limits.decode_batch]
            with autocast(loaded):
                logits = head(loaded.model, torch.stack([self._growing[row].state for row, _ in part]))
            members = [draws[key] for key in part]
            width = max(map(len, members))
            drawn = torch.zeros(len(part), width, dtype=torch.float64)
            for r, places in enumerate(members):
                drawn[r, : len(places)] = torch.from_numpy(noise[places])
            chosen, picked = draw(limited(logits, [sampling for _, sampling in part]), drawn)
            for places, row_tokens, values in zip(members, chosen.tolist(), picked.tolist(), strict=True):
                for place, token, value in zip(places, row_tokens, values, strict=False):
                    tokens[place], logprobs[place] = token, value
        return tokens, logprobs
