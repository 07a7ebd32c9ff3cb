"""How an update is cut into micro-batches, and the order of its rows, change nothing; nor do rows that are left out.

Memory that runs short changes no more than the cut, and numbers that break are traced to their row through it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from sparring import LoadedModel, NeedsReference, Objective, PolicyGradientRecord, learner
from sparring.batch import ObjectiveBatch, totals
from sparring.errors import MemoryShortError, NumericsError
from sparring.forward import attend_by_plan
from sparring.learner import Learner, Part, UpdateReport
from sparring.prefix_tree import build_forest
from sparring.records import PreferenceRecord, Record
from sparring.sections import TrainSpec
from sparring.trainer import Trainer
from sparring_memory import plan as memory
from sparring_objectives.params import PolicyGradientParams, PpoClipParams, make_policy_gradient, make_ppo_clip
from sparring_objectives.preference_params import IpoParams, make_ipo

NORMALIZE = ("token_mean", "sequence_mean", "token_sum", "constant")
Gradient = dict[str, torch.Tensor]


class Keeps:
    """An `Accelerator` that keeps the gradient of the optimizer step and the losses it is the sum of."""

    report: UpdateReport
    learner: Learner

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.model: LlamaForCausalLM | None = None
        self.gradient: Gradient = {}

    def backward(self, loss: torch.Tensor) -> None:
        self.losses.append(loss.item())
        loss.backward()  # type: ignore[no-untyped-call]

    def clip_grad_norm_(self, parameters: Iterable[torch.nn.Parameter], limit: float) -> None:
        assert self.model is not None
        self.gradient = {n: p.grad.clone() for n, p in self.model.named_parameters() if p.grad is not None}


def update(
    parts: Sequence[Part], token_budget: int, accelerator: Any = None, *, broken: str = "", **more: Any
) -> Keeps:
    """One optimizer step of a fresh learner, whose reference is another model; one weight of ``broken`` is infinite."""

    def model(seed: int) -> LlamaForCausalLM:
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=31, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=64, initializer_range=0.2, tie_word_embeddings=True,
        )  # fmt: skip
        made = LlamaForCausalLM(config).eval()
        attend_by_plan(made)
        return made

    kept: Any = accelerator or Keeps()
    kept.model = model(0)
    spec: Any = SimpleNamespace(reference_refresh=0, reference_rate=1.0, learning_rate=None)
    tokenizer: Any = None
    train = TrainSpec(steps=1, token_budget=token_budget, learning_rate=1e-3, **more)
    kept.learner = Learner("main", LoadedModel(kept.model, tokenizer), spec, train, 1, kept)
    kept.learner.reference = LoadedModel(model(1), tokenizer)
    if broken:
        kept.model.get_parameter(broken).data.view(-1)[0] = float("inf")
    kept.report = kept.learner.update(parts, 1)
    return cast(Keeps, kept)


def rows(count: int = 14) -> list[PolicyGradientRecord]:
    """Rows of two turns each that share beginnings; every third has advantage zero, and one occurs twice."""
    chance = random.Random(3)
    made = []
    for number in range(count):
        tokens = [1, 2, 3, *(chance.randrange(4, 7) for _ in range(chance.randrange(5, 12)))]
        positions = [3, *range(5, len(tokens))]
        advantages = [0.0 if number % 3 == 0 else chance.uniform(-1, 1) for _ in range(2)]
        turns = [0, *(1 for _ in positions[1:])]
        made.append(
            PolicyGradientRecord(
                "main", 0, tokens, positions, [chance.uniform(-3, 0) for _ in positions], [advantages[t] for t in turns],
                turns, 2, number, {"entry": 0}, weight=1.0 + number % 2,
            )
        )  # fmt: skip
    return [*made, replace(made[1], episode=count)]


def pairs() -> list[PreferenceRecord]:
    made = rows()
    return [
        PreferenceRecord("main", a.tokens, b.tokens, a.positions, b.positions, margin=0.5, labels={"entry": 0})
        for a, b in zip(made[::2], made[1::2], strict=False)
    ]


def policy_gradient(normalize: Any, kl: Literal["none", "k2", "k3", "full", "full_forward"] = "none") -> Objective:
    more: dict[str, Any] = {} if kl == "none" else {"kl_coef": 0.3, "kl_estimator": kl}
    return make_policy_gradient(
        PolicyGradientParams(normalize=normalize, constant=16.0 if normalize == "constant" else None, **more)
    )


OBJECTIVES = [
    *(pytest.param(policy_gradient(how), rows(), id=how) for how in NORMALIZE),
    *(pytest.param(policy_gradient(how, "full_forward"), rows(), id=f"{how} with a divergence") for how in NORMALIZE),
    pytest.param(make_ppo_clip(PpoClipParams(kl_coef=0.3)), rows(), id="clipped, with an estimated KL"),
    pytest.param(make_ipo(IpoParams(beta=1.0)), pairs(), id="pairs"),
]


def same(a: Keeps, b: Keeps) -> None:
    assert sum(a.losses) == pytest.approx(sum(b.losses), rel=1e-6, abs=1e-6)
    largest = max(value.abs().max().item() for value in b.gradient.values())
    assert largest > 1e-3
    assert a.gradient.keys() == b.gradient.keys()
    for name, value in a.gradient.items():
        torch.testing.assert_close(value, b.gradient[name], atol=1e-6 * max(1.0, largest), rtol=0, msg=name)


@pytest.mark.parametrize(("objective", "records"), OBJECTIVES)
def test_a_smaller_token_budget_changes_nothing(objective: Objective, records: Sequence[Record]) -> None:
    part = Part(objective, records, totals(records))
    small, medium, unlimited = (update([part], budget) for budget in (1, 30, 10**9))
    assert (len(small.losses), len(unlimited.losses)) == (len(records), 1)
    assert 1 < len(medium.losses) < len(small.losses)
    same(small, unlimited)
    same(medium, unlimited)


@pytest.mark.parametrize(("objective", "records"), OBJECTIVES)
def test_the_order_of_rows_changes_nothing(objective: Objective, records: Sequence[Record]) -> None:
    shuffled = random.Random(0).sample(records, len(records))
    assert shuffled != records
    a, b = (update([Part(objective, order, totals(order))], 30) for order in (records, shuffled))
    same(a, b)


@pytest.mark.parametrize("how", NORMALIZE)
def test_rows_of_advantage_zero_are_left_out_and_still_counted(how: str) -> None:
    objective, records = policy_gradient(how), rows()
    (part,) = parts_of(objective, records)
    assert len(part.records) == sum(any(record.advantages) for record in records) < len(records)
    same(update([part], 30), update([Part(objective, records, totals(records))], 30))


@pytest.mark.parametrize("kl", ["k2", "full"])
def test_a_pull_to_the_reference_keeps_rows_of_advantage_zero(kl: Literal["k2", "full"]) -> None:
    (part,) = parts_of(policy_gradient("token_mean", kl), rows())
    assert list(part.records) == rows()


def parts_of(objective: Objective, records: Sequence[Record]) -> list[Part]:
    """As the trainer makes them for one entry."""
    trainer: Any = SimpleNamespace(entries=[SimpleNamespace(objective=objective)])
    return Trainer._parts(trainer, records)


def test_parts_of_one_step_are_added() -> None:
    objective, records = policy_gradient("token_mean"), rows()
    halves = [records[:7], records[7:]]
    both = update([Part(objective, half, totals(half)) for half in halves], 30)
    alone = [update([Part(objective, half, totals(half))], 30) for half in halves]
    for name, value in both.gradient.items():
        torch.testing.assert_close(value, alone[0].gradient[name] + alone[1].gradient[name], atol=1e-6, rtol=0)


# ---- memory that runs short ------------------------------------------------------------------------------------------


def room_for(tokens: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From here on a forward pass of more than ``tokens`` nodes fails as on CUDA. Returns the sizes of all that are tried."""
    forward, tried = learner.token_logprobs, list[int]()

    def limited(model: Any, rows: Sequence[Sequence[int]], *args: Any, **more: Any) -> Any:
        tried.append(build_forest(rows).size)
        if tried[-1] > tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return forward(model, rows, *args, **more)

    monkeypatch.setattr(learner, "token_logprobs", limited)
    return tried


@pytest.mark.parametrize(("objective", "records"), OBJECTIVES)
def test_a_micro_batch_that_does_not_fit_is_run_in_halves(
    objective: Objective, records: Sequence[Record], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    part = Part(objective, records, totals(records))
    whole = update([part], 10**9)
    tried = room_for(40, monkeypatch)
    halved = update([part], 10**9)
    assert max(tried) > 40
    assert 10 < halved.learner.budget.tokens <= tried[0] // 2
    assert halved.report.metrics["token_budget"] == halved.learner.budget.tokens
    same(halved, whole)
    for name, value in whole.report.metrics.items():
        if name not in ("token_budget", "logprob_gap"):  # the gap is that of the first micro-batch
            assert halved.report.metrics[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    told = capsys.readouterr().err
    assert (
        f"warning: step 1: memory ran short in a micro-batch of {tried[0]} tokens of policy 'main' (CUDA out of" in told
    )
    assert f"from now on they have at most {halved.learner.budget.tokens} (train.token_budget: 1000000000)" in told


class BreaksOff(Keeps):
    """Memory runs out in the middle of some backward passes, when ``after`` parameters have their gradient."""

    def __init__(self, after: int, calls: Sequence[int]) -> None:
        super().__init__()
        self.after, self.calls, self.call, self.broken = after, calls, 0, 0

    def backward(self, loss: torch.Tensor) -> None:
        assert self.model is not None
        self.call += 1
        done = list[torch.Tensor]()

        def count(parameter: torch.Tensor) -> None:
            done.append(parameter)
            if len(done) == self.after:
                self.broken += 1
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

        due = self.call in self.calls
        hooks = [p.register_post_accumulate_grad_hook(count) for p in self.model.parameters()] if due else []
        try:
            loss.backward()  # type: ignore[no-untyped-call]
            self.losses.append(loss.item())
        finally:
            for hook in hooks:
                hook.remove()


@pytest.mark.parametrize("after", [1, 7, 15])
@pytest.mark.parametrize("calls", [[1], [2], [1, 2], [1, 2, 3], [1, 3]])
def test_a_backward_pass_that_breaks_off_counts_nothing_twice(after: int, calls: list[int]) -> None:
    objective, records = policy_gradient("token_mean"), rows(60)
    parts = [Part(objective, half, totals(half)) for half in (records[:50], records[50:])]
    whole, broken = update(parts, 200), update(parts, 200, BreaksOff(after, calls))
    assert cast(BreaksOff, broken).broken == len(calls)
    assert broken.learner.budget.tokens <= 200 // 2 ** len(calls)
    same(broken, whole)


def test_a_row_that_does_not_fit_alone_is_an_error_that_says_what_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    objective, records = policy_gradient("token_mean"), rows()
    longest = max(len(record.tokens) for record in records)
    room_for(longest - 1, monkeypatch)
    message = (
        rf"step 1: one row of {longest} tokens of policy 'main' does not fit .*CUDA out of memory.*sampling\.max_tokens"
    )
    with pytest.raises(MemoryShortError, match=message):
        update([Part(objective, records, totals(records))], 10**9)
    pair = pairs()[:1]
    with pytest.raises(MemoryShortError, match=r"2 rows that stay together of \d+ and \d+ tokens"):
        update([Part(make_ipo(IpoParams(beta=1.0)), pair, totals(pair))], 10**9)


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **more: Any) -> Any:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(learner, "token_logprobs", fails)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        update([Part(policy_gradient("token_mean"), rows(), totals(rows()))], 30)


def test_the_watermark_halves_what_follows_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    part = Part(policy_gradient("token_mean"), rows(), totals(rows()))
    whole = update([part], 30)
    limit = memory.watermark(torch.device("cpu"), 0.5)
    assert limit is not None
    seen = iter([limit, limit + 1])
    monkeypatch.setattr(memory, "resident_bytes", lambda: next(seen, limit))
    held = update([part], 30, memory_share=0.5)
    same(held, whole)
    assert len(held.losses) > len(whole.losses)
    assert held.losses[:2] == whole.losses[:2]  # what was under way when it was seen is not run again
    assert held.learner.budget.tokens == held.report.metrics["token_budget"] <= 15
    assert "GiB are in memory, more than train.memory_share allows" in capsys.readouterr().err


def test_a_resume_keeps_the_halved_budget_unless_the_recipe_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part(policy_gradient("token_mean"), rows(), totals(rows()))
    with monkeypatch.context() as short:
        room_for(40, short)
        halved = update([part], 1000).learner
    again, larger = update([part], 1000).learner, update([part], 2000).learner
    weights = {name: p.detach().clone() for name, p in halved.loaded.model.named_parameters()}
    for fresh in (again, larger):
        fresh.restore(halved.state_dict(), halved.tensors(), weights)
    assert again.budget.tokens == halved.budget.tokens < 40
    assert larger.budget.tokens == 2000


def test_on_cuda_the_allocator_tells_and_no_watermark_does() -> None:
    assert memory.watermark(torch.device("cuda"), 0.5) is None


# ---- numbers that break ----------------------------------------------------------------------------------------------


class Norm(Keeps):
    def clip_grad_norm_(self, parameters: Iterable[torch.nn.Parameter], limit: float) -> Any:
        return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])


class Breaks:
    """A loss that breaks for the rows with an advantage of 7."""

    needs_reference: NeedsReference = "no"

    def __init__(self, how: str) -> None:
        self.how = how

    def __call__(self, batch: ObjectiveBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        marked = batch.advantages == 7
        loss, theirs = batch.reduce(batch.logprobs, "token_sum"), batch.logprobs[marked]
        if self.how == "loss":
            loss = loss + (theirs / 0).sum()
        elif self.how == "gradient":  # zero, with an infinite slope
            loss = loss + (theirs - theirs.detach()).sqrt().sum()
        else:  # finite, and its square is not
            loss = loss + 1e30 * theirs.sum()
        return loss, {}


def broke(how: str, budget: int, **more: Any) -> str:
    records = rows()
    records[8] = replace(
        records[8],
        advantages=[7.0] * len(records[8].advantages),
        labels={"game": "nim", "role": "player_1", "entry": 0},
    )
    with pytest.raises(NumericsError) as told:
        update([Part(Breaks(how), records, totals(records))], budget, Norm(), **more)
    return str(told.value)


@pytest.mark.parametrize("budget", [1, 30, 10**9])
def test_a_loss_that_breaks_is_traced_to_its_row(budget: int) -> None:
    told = broke("loss", budget)
    assert "step 1: the loss of policy 'main' is -inf because the objective overflows, " in told
    assert "first for episode 8 of nim (role player_1), while all that it is given is finite" in told


@pytest.mark.parametrize("budget", [1, 30, 10**9])
def test_a_gradient_that_breaks_is_traced_to_its_parameter_and_row(budget: int) -> None:
    told = broke("gradient", budget)
    assert "step 1: the gradient norm of policy 'main' is nan: not finite in 20 tensors" in told
    assert "first model.embed_tokens.weight; first from episode 8 of nim (role player_1)" in told


def test_gradients_whose_squares_overflow_are_said_to_be_finite() -> None:
    assert "is inf: every tensor is finite and their squares overflow; the largest value is" in broke("squares", 30)


def test_weights_that_are_not_finite_are_named_with_the_row_they_show_in() -> None:
    told = broke("none", 10**9, broken="model.layers.1.mlp.up_proj.weight")
    assert "the loss of policy 'main' is nan because logprobs has" in told
    assert re.search(r"first in episode \d+ of \? \(role \?\), token 3 of row 0 of its record", told)
    assert "so are 1 parameters, first model.layers.1.mlp.up_proj.weight" in told
