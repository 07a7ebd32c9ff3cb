"""The generator `transformers`: any causal language model, in process, on CPU or CUDA, with continuous batching."""

from __future__ import annotations

import math
import sys
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils.memory import clear_device_cache

from sparring import Completion, LoadedModel, Request, Sampling
from sparring.chat import ChatFormat
from sparring.errors import GenerationError
from sparring.forward import autocast, head, hidden_states
from sparring.prefix_tree import build_forest
from sparring_generators.attention import Part, PromptPlan, Rows, parts
from sparring_generators.capacity import bytes_per_token, fitting, most_tokens
from sparring_generators.noise import uniforms
from sparring_generators.packed import PackedLinears, pack, packed_bytes
from sparring_generators.params import TransformersParams
from sparring_generators.prefix_cache import Node, PrefixCache
from sparring_generators.sampling import draw, limited
from sparring_generators.scoring import score
from sparring_memory.token_budget import lack


@dataclass(slots=True)
class _Policy:
    """A published policy, and what is kept of its conversations since the last `release`."""

    loaded: LoadedModel
    stop: frozenset[int]
    capacity: int  # tokens whose keys and values are held in rows, and as many again in the cache
    cache: PrefixCache
    rows: Rows
    packed: PackedLinears | None = None  # made when first needed: a policy may be published and never asked


class TransformersGenerator:
    def __init__(self, params: TransformersParams) -> None:
        self._params = params
        self._policies: dict[str, _Policy] = {}
        self._halvings = 0  # of what is done at once, since memory ran short
        self.seconds: dict[str, float] = defaultdict(float)  # of prefill, decode and sample, since the beginning

    # ---- weights ---------------------------------------------------------------------------------------------------------

    def publish(self, policy: str, loaded: LoadedModel) -> None:
        known = self._policies.get(policy)
        stop = known.stop if known and known.loaded is loaded else ChatFormat(loaded.tokenizer).stop_ids
        capacity = max(1, int(self._limits().kv_gib * 2**30 / 2 / bytes_per_token(loaded)))
        self._policies[policy] = _Policy(loaded, stop, capacity, PrefixCache(capacity), Rows())

    def memory_bytes(self) -> int:
        """Keys and values of what is published; the second, packed copy of the weights comes on top where there is one."""
        packed = sum(packed_bytes(known.loaded) for known in self._policies.values()) if self._params.pack else 0
        return int(len(self._policies) * self._params.kv_gib * 2**30) + packed

    def version_bytes(self, loaded: LoadedModel) -> int:
        """Of one more set of weights that is published: their packed copy."""
        return packed_bytes(loaded) if self._params.pack else 0

    def withdraw(self, policy: str) -> None:
        del self._policies[policy]

    def release(self) -> None:
        for known in self._policies.values():
            known.cache, known.rows = PrefixCache(known.capacity), Rows()

    def _known(self, policy: str) -> _Policy:
        if policy not in self._policies:
            raise GenerationError(
                f"no weights were published for {policy!r} (published: {', '.join(self._policies) or 'none'})"
            )
        return self._policies[policy]

    # ---- scoring ---------------------------------------------------------------------------------------------------------

    def score(self, policy: str, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[float]]:
        return score(self._known(policy).loaded, rows, self._params.prefill_tokens)

    # ---- sampling --------------------------------------------------------------------------------------------------------

    def room(self, requests: Sequence[Request]) -> int:
        return fitting(requests, lambda policy: self._known(policy).capacity)

    @torch.no_grad()
    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        done: list[Completion | None] = [None] * len(requests)
        for policy in dict.fromkeys(request.policy for request in requests):
            known = self._known(policy)
            if self._params.pack and known.packed is None:
                known.packed = pack(known.loaded)
            numbers = [i for i, request in enumerate(requests) if request.policy == policy]
            with known.packed.in_use() if known.packed else nullcontext():
                completions = self._complete(policy, known, [requests[i] for i in numbers])
            for i, completion in zip(numbers, completions, strict=True):
                done[i] = completion
        return [completion for completion in done if completion is not None]

    # ---- memory that runs short ------------------------------------------------------------------------------------------

    def _complete(self, policy: str, known: _Policy, requests: Sequence[Request]) -> list[Completion]:
        """All of them; where memory does not suffice, from the beginning with half as much at once.

        A sample depends on its key and its context alone, so that changes no more than rounding does.
        Raises `GenerationError` if a single sequence does not fit.
        """
        while True:
            batch = _Batch(known, self._limits(), requests, self.seconds)
            why = lack(batch.complete)
            if not why:
                return batch.completions
            del batch
            self.release()  # keys and values of conversations that may go on are read again when they do
            clear_device_cache(garbage_collection=True)
            if self._limits().decode_batch == 1:
                longest = max(map(most_tokens, requests))
                raise GenerationError(
                    f"generator transformers: a single sequence of policy {policy!r}, of up to {longest} tokens, does not fit into "
                    f"memory: {why}. Shorten answers (sampling.max_tokens) or conversations, or leave more free "
                    "(train.token_budget, the policies' dtype or adapter)"
                )
            self._halvings += 1
            for other in self._policies.values():
                other.capacity = max(1, other.capacity // 2)
            now = self._limits()
            print(
                f"warning: generator transformers: memory ran short ({why}); from now on {now.decode_batch} sequences are written "
                f"and {now.prefill_tokens} prompt tokens read at once, with keys and values of {now.kv_gib:.3g} GiB",
                file=sys.stderr,
            )

    def _limits(self) -> TransformersParams:
        """The parameters, as far as memory has sufficed for them."""
        given, n = self._params, self._halvings
        smaller = {"decode_batch": given.decode_batch >> n, "prefill_tokens": given.prefill_tokens >> n}
        return given.model_copy(update={"kv_gib": given.kv_gib / 2**n, **{k: max(1, v) for k, v in smaller.items()}})

    def state_dict(self) -> dict[str, Any]:
        return {"halvings": self._halvings, "given": self._params.model_dump()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """A recipe that has been given other limits since begins with those."""
        if state["given"] == self._params.model_dump():
            self._halvings = int(state["halvings"])


@dataclass(slots=True)
class _Growing:
    """What is being written in one row: requests whose tokens have been the same so far."""

    requests: list[int]
    state: torch.Tensor  # (hidden,): the last hidden state, from which the next token is drawn


class _Batch:
    """Requests of one policy, from their prompts to their completions.

    They are admitted in their order whenever there are rows for them, and leave when they end.
    """

    def __init__(
        self, policy: _Policy, params: TransformersParams, requests: Sequence[Request], seconds: dict[str, float]
    ) -> None:
        self._policy, self._params, self._requests, self._seconds = policy, params, requests, seconds
        self._waiting = deque(range(len(requests)))
        self._growing: list[_Growing] = []  # one for each row
        self._live: dict[int, int] = {}  # admitted requests, and the tokens that each may come to
        self.completions = [Completion([], [], "length") for _ in requests]

    def complete(self) -> None:
        """Fill ``completions``."""
        self._policy.rows.arrange([])
        while self._waiting or self._growing:
            if self._waiting and len(self._growing) <= self._params.decode_batch * 3 // 4:
                with self._clock("prefill"):
                    self._admit()
            with self._clock("sample"):
                following = self._draw()
            if following:
                with self._clock("decode"):
                    self._extend(following)

    @contextmanager
    def _clock(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._seconds[what] += time.perf_counter() - began

    # ---- prompts ---------------------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        cache = self._policy.cache
        cache.tick()
        nodes: dict[Node, list[int]] = {}
        longest = max(self._live.values(), default=0)
        while self._waiting and len(self._growing) + len(nodes) < self._params.decode_batch:
            number = self._waiting[0]
            most = most_tokens(self._requests[number])
            longest = max(longest, most)
            if self._live and (len(self._live) + 1) * longest > self._policy.capacity:
                break
            self._live[number] = most
            self._waiting.popleft()
            nodes.setdefault(cache.locate(self._requests[number].context), []).append(number)
        self._read(list(nodes))
        if nodes:
            self._policy.rows.add([node.path() for node in nodes])
        for node, numbers in nodes.items():
            assert node.state is not None
            self._growing.append(_Growing(numbers, node.state))
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
            if part and size + more > self._params.prefill_tokens:
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
        loaded = self._policy.loaded
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
            self._policy.cache.computed(node, prompts.kv[:, :, :, place].clone(), states[place.stop - 1].clone())

    # ---- answers ---------------------------------------------------------------------------------------------------------

    def _draw(self) -> list[int]:
        """A token for each request. Returns the token that follows in each row; rows are arranged for them."""
        asked = [(row, number) for row, growing in enumerate(self._growing) for number in growing.requests]
        tokens, logprobs = self._sample(asked)
        branches: list[dict[int, list[int]]] = [{} for _ in self._growing]  # row -> token -> requests
        for (row, number), token, logprob in zip(asked, tokens, logprobs, strict=True):
            completion = self.completions[number]
            completion.tokens.append(token)
            completion.logprobs.append(logprob)
            ended = token in self._policy.stop
            broken = not math.isfinite(logprob)  # the table says whose it is; to go on would bring no better number
            if ended or broken or len(completion.tokens) == self._requests[number].sampling.max_tokens:
                self._end(row, number, ended)
            else:
                branches[row].setdefault(token, []).append(number)
        # Rows that end make place for the last ones or for branches, so that those in use stay the first.
        sources, following, kept = self._places(branches)
        self._policy.rows.arrange(sources)
        self._growing = [
            _Growing(requests, self._growing[source].state) for source, requests in zip(sources, kept, strict=True)
        ]
        return following

    @staticmethod
    def _places(branches: Sequence[dict[int, list[int]]]) -> tuple[list[int], list[int], list[list[int]]]:
        """For each new row: the row it continues, its token, its requests. As many as can stay where they are."""
        staying: dict[int, tuple[int, int, list[int]]] = {}
        others: list[tuple[int, int, list[int]]] = []
        for row, found in enumerate(branches):
            for n, (token, requests) in enumerate(found.items()):
                if n == 0:
                    staying[row] = (row, token, requests)
                else:
                    others.append((row, token, requests))
        count = len(staying) + len(others)
        others += [staying.pop(row) for row in sorted(staying) if row >= count]
        rest = iter(others)
        rows = [staying[row] if row in staying else next(rest) for row in range(count)]
        return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]

    def _end(self, row: int, number: int, stopped: bool) -> None:
        done = self.completions[number]
        self.completions[number] = Completion(done.tokens, done.logprobs, "stop" if stopped else "length")
        del self._live[number]
        # The last token was not read back; a conversation goes on from the one before.
        if len(done.tokens) > 1:
            seen = [*self._requests[number].context, *done.tokens[:-1]]
            self._policy.cache.keep(seen, self._growing[row].state, lambda a, b: self._policy.rows.span(row, a, b))

    def _extend(self, tokens: Sequence[int]) -> None:
        loaded, rows = self._policy.loaded, self._policy.rows
        positions = rows.extend()
        with autocast(loaded):
            states = hidden_states(loaded.model, tokens, positions, rows)
        for growing, state in zip(self._growing, states, strict=True):
            growing.state = state

    def _sample(self, asked: Sequence[tuple[int, int]]) -> tuple[list[int], list[float]]:
        """A token for each (row, request) from the distribution at its row, by inverting the cumulative distribution."""
        loaded = self._policy.loaded
        requests = [self._requests[number] for _, number in asked]
        draws: dict[tuple[int, Sampling], list[int]] = {}
        for place, ((row, _), request) in enumerate(zip(asked, requests, strict=True)):
            draws.setdefault((row, request.sampling), []).append(place)
        counters = [len(self.completions[number].tokens) for _, number in asked]
        noise = uniforms([request.key for request in requests], counters)
        tokens, logprobs = [0] * len(asked), [0.0] * len(asked)
        keys = list(draws)
        for a in range(0, len(keys), self._params.decode_batch):
            part = keys[a : a + self._params.decode_batch]
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
