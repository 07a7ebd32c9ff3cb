"""The generator `transformers`: any causal language model, in process, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sparring import Completion, LoadedModel, Request, Sampling
from sparring.chat import ChatFormat
from sparring.errors import GenerationError
from sparring.forward import AttentionPlan, KeyValueStore, autocast, head, hidden_states, plan_for, token_logprobs
from sparring.noise import uniforms
from sparring.prefix_tree import PrefixForest, batches, build_forest
from sparring_generators.params import TransformersParams


@dataclass(slots=True)
class _Sequences:
    """Distinct sequences that are still growing: last hidden states ``(B, hidden)``, key-value slots ``(B, L)`` and lengths."""

    states: torch.Tensor
    slots: torch.Tensor
    lengths: torch.Tensor


class TransformersGenerator:
    def __init__(self, params: TransformersParams) -> None:
        self._params = params
        self._models: dict[str, tuple[LoadedModel, frozenset[int]]] = {}

    def publish(self, policy: str, loaded: LoadedModel) -> None:
        known = self._models.get(policy)
        if known is None or known[0] is not loaded:
            self._models[policy] = (loaded, ChatFormat(loaded.tokenizer).stop_ids)

    def withdraw(self, policy: str) -> None:
        del self._models[policy]

    def _model(self, policy: str) -> tuple[LoadedModel, frozenset[int]]:
        if policy not in self._models:
            raise GenerationError(
                f"no weights were published for {policy!r} (published: {', '.join(self._models) or 'none'})"
            )
        return self._models[policy]

    @torch.no_grad()
    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        done: list[Completion | None] = [None] * len(requests)
        for policy in dict.fromkeys(request.policy for request in requests):
            numbers = [i for i, request in enumerate(requests) if request.policy == policy]
            for i, completion in zip(numbers, self._complete(policy, [requests[i] for i in numbers]), strict=True):
                done[i] = completion
        return [completion for completion in done if completion is not None]

    @torch.no_grad()
    def score(self, policy: str, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[float]]:
        loaded, _ = self._model(policy)
        whole = [[*context, *continuation] for context, continuation in rows]
        where = [list(range(len(context), len(context) + len(continuation))) for context, continuation in rows]
        scores: list[list[float]] = [[] for _ in rows]
        for group in batches(whole, self._params.prefill_tokens):
            with autocast(loaded):
                flat = token_logprobs(
                    loaded.model,
                    [whole[r] for r in group],
                    [where[r] for r in group],
                    segment_tokens=self._params.segment_tokens,
                ).logprobs.tolist()
            at = 0
            for r in group:
                scores[r] = flat[at : at + len(where[r])]
                at += len(where[r])
        return scores

    def _complete(self, policy: str, requests: Sequence[Request]) -> list[Completion]:
        loaded, stop = self._model(policy)
        store = KeyValueStore()
        distinct: dict[tuple[int, ...], int] = {}
        at = [distinct.setdefault(tuple(request.context), len(distinct)) for request in requests]  # request -> sequence
        grown = self._prefill(loaded, list(distinct), store)
        completions = [Completion([], [], "length") for _ in requests]
        live = list(range(len(requests)))
        while live:
            tokens, logprobs = self._sample(
                loaded,
                grown.states,
                [at[i] for i in live],
                [requests[i] for i in live],
                len(completions[live[0]].tokens),
            )
            children: dict[tuple[int, int], int] = {}
            still: list[int] = []
            for i, token, logprob in zip(live, tokens, logprobs, strict=True):
                completion = completions[i]
                completion.tokens.append(token)
                completion.logprobs.append(logprob)
                if token in stop:
                    completions[i] = Completion(completion.tokens, completion.logprobs, "stop")
                elif len(completion.tokens) < requests[i].sampling.max_tokens:
                    at[i] = children.setdefault((at[i], token), len(children))
                    still.append(i)
            live = still
            if live:
                grown = self._extend(loaded, grown, list(children), store)
        return completions

    def _prefill(self, loaded: LoadedModel, contexts: Sequence[Sequence[int]], store: KeyValueStore) -> _Sequences:
        forest = build_forest(contexts, self._params.segment_tokens)
        states: list[torch.Tensor] = []
        group: list[int] = []  # numbers of segments that go through the model together
        for number, segment in enumerate(forest.segments):
            group.append(number)
            size = segment.start + len(segment.parents) - forest.segments[group[0]].start
            if size >= self._params.prefill_tokens or number == len(forest.segments) - 1:
                states.append(self._run_segments(loaded, forest, group, store))
                group = []
        last = torch.tensor([path[-1] for path in forest.paths])
        lengths = torch.tensor([len(path) for path in forest.paths])
        slots = torch.zeros(len(forest.paths), int(lengths.max()), dtype=torch.long)
        for row, path in enumerate(forest.paths):
            slots[row, : len(path)] = torch.tensor(path)
        device = loaded.model.device
        return _Sequences(torch.cat(states)[last.to(device)], slots.to(device), lengths.to(device))

    def _run_segments(
        self, loaded: LoadedModel, forest: PrefixForest, numbers: Sequence[int], store: KeyValueStore
    ) -> torch.Tensor:
        start = forest.segments[numbers[0]].start
        final = forest.segments[numbers[-1]]
        end = final.start + len(final.parents)
        plan = plan_for(forest, loaded.model.device, store)
        plan.segments = [(a - start, b - start, mask) for a, b, mask in (plan.segments[n] for n in numbers)]
        with autocast(loaded):
            states = hidden_states(loaded.model, forest.tokens[start:end], forest.positions[start:end], plan)
        store.used += end - start
        return states

    def _extend(
        self, loaded: LoadedModel, old: _Sequences, children: Sequence[tuple[int, int]], store: KeyValueStore
    ) -> _Sequences:
        """One token more for each (parent sequence, token)."""
        device = loaded.model.device
        parents = torch.tensor([parent for parent, _ in children], device=device)
        lengths = old.lengths[parents]
        slots = torch.cat([old.slots[parents], old.slots.new_zeros(len(children), 1)], dim=1)
        slots[torch.arange(len(children), device=device), lengths] = store.used + torch.arange(
            len(children), device=device
        )
        visible = torch.arange(slots.shape[1], device=device)[None, :] <= lengths[:, None]
        positions = lengths.tolist()
        states: list[torch.Tensor] = []
        for a in range(0, len(children), self._params.decode_batch):
            part = slice(a, a + self._params.decode_batch)
            plan = AttentionPlan(slots=slots[part], visible=visible[part], store=store)
            with autocast(loaded):
                states.append(
                    hidden_states(loaded.model, [token for _, token in children[part]], positions[part], plan)
                )
            store.used += len(children[part])
        return _Sequences(torch.cat(states), slots, lengths + 1)

    def _sample(
        self, loaded: LoadedModel, states: torch.Tensor, at: Sequence[int], requests: Sequence[Request], counter: int
    ) -> tuple[list[int], list[float]]:
        """A token for each request from the distribution at its sequence, by inverting the cumulative distribution."""
        rows: dict[tuple[int, Sampling], list[int]] = {}
        for number, (sequence, request) in enumerate(zip(at, requests, strict=True)):
            rows.setdefault((sequence, request.sampling), []).append(number)
        noise = uniforms([request.key for request in requests], [counter] * len(requests))
        tokens, logprobs = [0] * len(requests), [0.0] * len(requests)
        keys = list(rows)
        for a in range(0, len(keys), self._params.decode_batch):
            part = keys[a : a + self._params.decode_batch]
            with autocast(loaded):
                logits = head(
                    loaded.model, states[torch.tensor([sequence for sequence, _ in part], device=states.device)]
                )
            logps = distributions(logits, [sampling for _, sampling in part])
            cumulative = logps.double().exp().cumsum(-1)
            members = [rows[key] for key in part]
            width = max(map(len, members))
            drawn = torch.zeros(len(part), width, dtype=torch.float64)
            for r, numbers in enumerate(members):
                drawn[r, : len(numbers)] = torch.from_numpy(noise[numbers])
            # The last sum is 1 only up to rounding; scaling by it keeps every draw inside and off zero-probability tokens.
            chosen = torch.searchsorted(cumulative, drawn.to(states.device) * cumulative[:, -1:], right=True)
            picked = logps.gather(1, chosen)
            for numbers, row, values in zip(members, chosen.tolist(), picked.tolist(), strict=True):
                for number, token, value in zip(numbers, row, values, strict=False):
                    tokens[number], logprobs[number] = token, value
        return tokens, logprobs


def distributions(logits: torch.Tensor, samplings: Sequence[Sampling]) -> torch.Tensor:
    """Log-probabilities ``(N, V)`` actually sampled from: temperature, then top-k, then top-p, renormalised.

    Temperature 0 puts all mass on the largest logit (the first of equals).
    """
    if all(s == samplings[0] and s.temperature == 1 and s.top_k == 0 and s.top_p == 1 for s in samplings):
        return torch.log_softmax(logits, -1)
    out = torch.empty_like(logits)
    for row, sampling in enumerate(samplings):
        values = logits[row]
        if sampling.temperature == 0:
            out[row] = float("-inf")
            out[row, values.argmax()] = 0.0
            continue
        values = values / sampling.temperature
        if 0 < sampling.top_k < len(values):
            values = values.masked_fill(values < values.topk(sampling.top_k).values[-1], float("-inf"))
        if sampling.top_p < 1:
            ordered, index = values.softmax(-1).sort(descending=True, stable=True)
            # Keep the smallest set that reaches top_p: a token stays if the mass before it is still under top_p.
            values = values.index_fill(0, index[ordered.cumsum(0) - ordered >= sampling.top_p], float("-inf"))
        out[row] = torch.log_softmax(values, -1)
    return out
