"""The generator `transformers`: any causal language model, in process, on CPU or CUDA, with continuous batching."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch

from sparring import Completion, LoadedModel, Request, Sampling
from sparring.chat import ChatFormat
from sparring.errors import GenerationError
from sparring.forward import autocast, head, hidden_states
from sparring.noise import uniforms
from sparring_generators.attention import PromptPlan, Rows, Siblings
from sparring_generators.capacity import bytes_per_token, fitting, most_tokens
from sparring_generators.packed import PackedLinears, pack, packed_bytes
from sparring_generators.params import TransformersParams
from sparring_generators.prefix_cache import Node, PrefixCache
from sparring_generators.sampling import distributions
from sparring_generators.scoring import score


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
        self.seconds: dict[str, float] = defaultdict(float)  # of prefill, decode and sample, since the beginning

    # ---- weights ---------------------------------------------------------------------------------------------------------

    def publish(self, policy: str, loaded: LoadedModel) -> None:
        known = self._policies.get(policy)
        stop = known.stop if known and known.loaded is loaded else ChatFormat(loaded.tokenizer).stop_ids
        capacity = max(1, int(self._params.kv_gib * 2**30 / 2 / bytes_per_token(loaded)))
        self._policies[policy] = _Policy(loaded, stop, capacity, PrefixCache(capacity), Rows())

    def memory_bytes(self) -> int:
        """Keys and values of what is published; the second, packed copy of the weights comes on top where there is one."""
        packed = sum(packed_bytes(known.loaded) for known in self._policies.values()) if self._params.pack else 0
        return int(len(self._policies) * self._params.kv_gib * 2**30) + packed

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
            batch = _Batch(known, self._params, [requests[i] for i in numbers], self.seconds)
            with known.packed.in_use() if known.packed else nullcontext():
                completions = batch.complete()
            for i, completion in zip(numbers, completions, strict=True):
                done[i] = completion
        return [completion for completion in done if completion is not None]


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
        self._completions = [Completion([], [], "length") for _ in requests]

    def complete(self) -> list[Completion]:
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
        return self._completions

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
        for node, numbers in nodes.items():
            assert node.state is not None
            self._policy.rows.add(node.path())
            self._growing.append(_Growing(numbers, node.state))
        cache.shrink()

    def _read(self, ends: Sequence[Node]) -> None:
        """Run what is new of these nodes and of those before them through the model, parents first."""
        new = dict.fromkeys(node for end in ends for node in end.path() if node.kv is None)
        while new:
            ready = [node for node in new if node.parent not in new]
            for part in self._parts(ready):
                self._run(part)
            for node in ready:
                del new[node]

    def _parts(self, ready: Sequence[Node]) -> Iterator[list[list[Node]]]:
        """Families of siblings, ``prefill_tokens`` at a time."""
        families: dict[Node | None, list[list[Node]]] = {}
        for node in ready:
            mine = families.setdefault(node.parent, [[]])
            # Siblings share one mask, which is quadratic in their tokens.
            if mine[-1] and sum(len(n.tokens) for n in mine[-1]) + len(node.tokens) > self._params.segment_tokens:
                mine.append([])
            mine[-1].append(node)
        part: list[list[Node]] = []
        size = 0
        for family in (family for mine in families.values() for family in mine):
            tokens = sum(len(node.tokens) for node in family)
            if part and size + tokens > self._params.prefill_tokens:
                yield part
                part, size = [], 0
            part.append(family)
            size += tokens
        if part:
            yield part

    def _run(self, families: Sequence[Sequence[Node]]) -> None:
        loaded = self._policy.loaded
        tokens: list[int] = []
        positions: list[int] = []
        groups = []
        for family in families:
            begin = len(tokens)
            for node in family:
                tokens += node.tokens
                positions += range(node.start, node.end)
            parent = family[0].parent
            known = parent.path() if parent is not None else []
            groups.append(Siblings(begin, len(tokens), known, _mask(family, loaded.model.device)))
        plan = PromptPlan(groups, loaded.model.config.get_text_config().num_hidden_layers, len(tokens))
        with autocast(loaded):
            states = hidden_states(loaded.model, tokens, positions, plan)
        at = 0
        for node in (node for family in families for node in family):
            end = at + len(node.tokens)
            self._policy.cache.computed(node, plan.kv[:, :, :, at:end].clone(), states[end - 1].clone())
            at = end

    # ---- answers ---------------------------------------------------------------------------------------------------------

    def _draw(self) -> list[int]:
        """A token for each request. Returns the token that follows in each row; rows are arranged for them."""
        asked = [(row, number) for row, growing in enumerate(self._growing) for number in growing.requests]
        tokens, logprobs = self._sample(asked)
        branches: list[dict[int, list[int]]] = [{} for _ in self._growing]  # row -> token -> requests
        for (row, number), token, logprob in zip(asked, tokens, logprobs, strict=True):
            completion = self._completions[number]
            completion.tokens.append(token)
            completion.logprobs.append(logprob)
            ended = token in self._policy.stop
            if ended or len(completion.tokens) == self._requests[number].sampling.max_tokens:
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
        done = self._completions[number]
        self._completions[number] = Completion(done.tokens, done.logprobs, "stop" if stopped else "length")
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
        counters = [len(self._completions[number].tokens) for _, number in asked]
        noise = uniforms([request.key for request in requests], counters)
        tokens, logprobs = [0] * len(asked), [0.0] * len(asked)
        keys = list(draws)
        for a in range(0, len(keys), self._params.decode_batch):
            part = keys[a : a + self._params.decode_batch]
            with autocast(loaded):
                logits = head(loaded.model, torch.stack([self._growing[row].state for row, _ in part]))
            logps = distributions(logits, [sampling for _, sampling in part])
            cumulative = logps.double().exp().cumsum(-1)
            members = [draws[key] for key in part]
            width = max(map(len, members))
            drawn = torch.zeros(len(part), width, dtype=torch.float64)
            for r, places in enumerate(members):
                drawn[r, : len(places)] = torch.from_numpy(noise[places])
            # The last sum is 1 only up to rounding; scaling by it keeps every draw inside and off zero-probability tokens.
            chosen = torch.searchsorted(cumulative, drawn.to(logps.device) * cumulative[:, -1:], right=True)
            picked = logps.gather(1, chosen)
            for places, row_tokens, values in zip(members, chosen.tolist(), picked.tolist(), strict=True):
                for place, token, value in zip(places, row_tokens, values, strict=False):
                    tokens[place], logprobs[place] = token, value
        return tokens, logprobs


def _mask(family: Sequence[Node], device: torch.device) -> torch.Tensor | None:
    """Each token of a family sees what is known before the family and, of its own node, those up to itself."""
    known = family[0].start
    if len(family) == 1 and known == 0:
        return None
    size = sum(len(node.tokens) for node in family)
    seen = torch.zeros(size, known + size, dtype=torch.bool, device=device)
    seen[:, :known] = True
    at = 0
    for node in family:
        end = at + len(node.tokens)
        seen[at:end, known + at : known + end] = torch.ones(end - at, end - at, dtype=torch.bool, device=device).tril()
        at = end
    return seen
