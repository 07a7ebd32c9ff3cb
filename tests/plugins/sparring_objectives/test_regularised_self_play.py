"""Self-play in exact dynamics: the bundled objectives' own gradients, over all outcomes instead of samples.

Each player's policy is a softmax of its logits. A step gives every action its exact value against the opponent as it is and
takes one gradient step on the objective's expectation, both players at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
import torch

from sparring import RecipeError
from sparring.batch import ObjectiveBatch, Totals
from sparring.plugins import load_plugins
from sparring.recipe import find_recipe, load_recipe
from sparring_objectives.params import MagneticParams, PolicyGradientParams
from sparring_objectives.policy_gradient import Magnetic, PolicyGradient

#: What the row player wins from the column player. The only equilibria: (1, 1) / 2, and (1, 10, 5) / 16.
PENNIES = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)
BIASED = torch.tensor([[0.0, -1.0, 2.0], [1.0, 0.0, -0.2], [-2.0, 0.2, 0.0]], dtype=torch.float64)
GAMES = {"matching pennies": PENNIES, "biased": BIASED}
ALL_GAMES = pytest.mark.parametrize("name", list(GAMES))


def nash_conv(game: torch.Tensor, row: torch.Tensor, column: torch.Tensor) -> float:
    """What both players together could win by answering best."""
    return float((game @ column).max() - (row @ game).min())


def expected(logits: torch.Tensor, old: torch.Tensor, reference: torch.Tensor, value: torch.Tensor) -> ObjectiveBatch:
    """Every action once, weighted by how often the policy with the logits ``old`` plays it."""
    logps, sampled, theirs = (torch.log_softmax(x, 0) for x in (logits, old, reference))
    count = len(logits)
    return ObjectiveBatch(
        logprobs=logps,
        old_logprobs=sampled,
        reference=theirs,
        divergence=(logps.exp() * (logps - theirs)).sum().expand(count),
        advantages=value - sampled.exp() @ value,
        weights=sampled.exp(),
        sequence=torch.arange(count),
        sequences=count,
        totals=Totals(tokens=1.0, sequences=1.0),
    )


@dataclass
class SelfPlay:
    """Two policies over a matrix game, with what a recipe says about references and opponents."""

    objective: PolicyGradient
    epochs: int = 1
    refresh: int = 0
    rate: float = 1.0
    weight: float = 0.0  # of the reference in the opponent

    def run(self, game: torch.Tensor, steps: int, learning_rate: float = 0.1) -> list[float]:
        """NashConv before each step and after the last."""
        rows, columns = game.shape
        mine = [torch.linspace(0.5, -0.5, n, dtype=torch.float64) for n in (rows, columns)]
        references = [torch.zeros_like(logits) for logits in mine]  # plays evenly
        found = []
        for step in range(1, steps + 1):
            row, column = (torch.softmax(logits, 0) for logits in mine)
            found.append(nash_conv(game, row, column))
            row, column = (
                torch.softmax((1 - self.weight) * logits + self.weight * reference, 0)
                for logits, reference in zip(mine, references, strict=True)
            )
            values = (game @ column, -(row @ game))
            mine = [
                self.update(logits, reference, value, learning_rate)
                for logits, reference, value in zip(mine, references, values, strict=True)
            ]
            if self.refresh and step % self.refresh == 0:
                references = [torch.lerp(r, logits, self.rate) for r, logits in zip(references, mine, strict=True)]
        return [*found, nash_conv(game, *(torch.softmax(logits, 0) for logits in mine))]

    def update(
        self, old: torch.Tensor, reference: torch.Tensor, value: torch.Tensor, learning_rate: float
    ) -> torch.Tensor:
        logits = old.clone().requires_grad_()
        for _ in range(self.epochs):
            loss, _ = self.objective(expected(logits, old, reference, value))
            (gradient,) = torch.autograd.grad(loss, logits)
            logits = (logits - learning_rate * gradient).detach().requires_grad_()
        return logits.detach()


def pulled(kl: float) -> PolicyGradient:
    return PolicyGradient(PolicyGradientParams(kl_coef=kl, kl_estimator="full"))


def magnetic(kl: float, proximal: float = 1.0) -> Magnetic:
    return Magnetic(MagneticParams(kl_coef=kl, proximal=proximal))


#: Those whose reference moves towards the policy, and so lets go of where it began.
MOVING: dict[str, Callable[[], SelfPlay]] = {
    "refresh": lambda: SelfPlay(pulled(0.2), refresh=200),
    "magnetic": lambda: SelfPlay(magnetic(0.5), epochs=2, refresh=1, rate=0.01),
    "mixture": lambda: SelfPlay(pulled(0.2), weight=0.125, refresh=200),
}
FIXED: dict[str, Callable[[], SelfPlay]] = {
    "policy_gradient": lambda: SelfPlay(pulled(0.2)),
    "magnetic": lambda: SelfPlay(magnetic(0.2), epochs=2),
}


@ALL_GAMES
def test_plain_self_play_does_not_come_to_rest(name: str) -> None:
    found = SelfPlay(PolicyGradient(PolicyGradientParams())).run(GAMES[name], 1500, 0.5)
    late = found[-750:]
    assert max(late) > found[0]  # further from the equilibrium than it began
    assert min(late) > 0.1
    assert max(late) - min(late) > 0.5


@ALL_GAMES
@pytest.mark.parametrize("method", list(MOVING))
def test_with_a_moving_reference_the_policy_itself_reaches_the_equilibrium(name: str, method: str) -> None:
    found = MOVING[method]().run(GAMES[name], 1500, 0.5)
    assert max(found[-50:]) < 0.02


@pytest.mark.parametrize("method", list(FIXED))
def test_with_a_fixed_reference_it_rests_at_the_equilibrium_of_the_game_with_the_penalty(method: str) -> None:
    """There every policy is the best answer to the other less the penalty: ``π ∝ μ exp(q / α)``, which is not the game's."""
    play = FIXED[method]()
    found = play.run(BIASED, 600, 0.5)
    assert max(found[-20:]) - min(found[-20:]) < 1e-4
    assert found[-1] == pytest.approx(fixed_point_nash_conv(BIASED, 0.2), abs=1e-3)
    assert found[-1] > 0.1


def fixed_point_nash_conv(game: torch.Tensor, alpha: float) -> float:
    """Of the logit equilibrium with an even magnet, found by damped iteration."""
    row, column = (torch.full((n,), 1 / n, dtype=torch.float64) for n in game.shape)
    for _ in range(3000):
        row = 0.98 * row + 0.02 * torch.softmax(game @ column / alpha, 0)
        column = 0.98 * column + 0.02 * torch.softmax(-(row @ game) / alpha, 0)
    return nash_conv(game, row, column)


@ALL_GAMES
def test_momentum_keeps_it_from_coming_to_rest(name: str) -> None:
    """AdamW's average of past gradients goes on pushing where the opponent no longer is."""
    late = {momentum: by_adamw(GAMES[name], pulled(0.2), momentum)[-100:] for momentum in (0.9, 0.0)}
    assert max(late[0.9]) > 1.0
    assert max(late[0.0]) < 0.25


def by_adamw(game: torch.Tensor, objective: PolicyGradient, momentum: float, steps: int = 400) -> list[float]:
    """NashConv before each step, with a reference that plays evenly and is fixed."""
    mine = [torch.linspace(0.5, -0.5, n, dtype=torch.float64).requires_grad_() for n in game.shape]
    optimizer = torch.optim.AdamW(mine, lr=0.05, betas=(momentum, 0.95), weight_decay=0.0)
    found = []
    for _ in range(steps):
        row, column = (torch.softmax(logits.detach(), 0) for logits in mine)
        found.append(nash_conv(game, row, column))
        optimizer.zero_grad()
        for logits, value in zip(mine, (game @ column, -(row @ game)), strict=True):
            objective(expected(logits, logits.detach(), torch.zeros_like(logits), value))[0].backward()
        optimizer.step()
    return found


def test_a_step_of_magnetic_mirror_descent_is_the_papers_closed_form() -> None:
    """``π' ∝ [π μ^(αη) exp(ηq)]^(1/(1+αη))``, where the expected loss has its minimum; Sokota et al. 2023, equation 11."""
    alpha, eta = 0.3, 2.0
    old, magnet = (torch.tensor(x, dtype=torch.float64) for x in ([0.2, -0.4, 0.9], [0.5, 0.1, -0.3]))
    value = torch.tensor([1.0, -0.5, 0.3], dtype=torch.float64)
    logits = old.clone().requires_grad_()
    objective = magnetic(alpha, 1 / eta)
    for _ in range(3000):
        (gradient,) = torch.autograd.grad(objective(expected(logits, old, magnet, value))[0], logits)
        logits = (logits - 0.5 * gradient).detach().requires_grad_()
    exact = (torch.log_softmax(old, 0) + alpha * eta * torch.log_softmax(magnet, 0) + eta * value) / (1 + alpha * eta)
    torch.testing.assert_close(torch.softmax(logits.detach(), 0), torch.softmax(exact, 0), atol=1e-8, rtol=0)


def test_the_proximal_term_is_the_divergence_from_the_policy_that_sampled() -> None:
    old, new = (torch.tensor(x, dtype=torch.float64) for x in ([0.2, -0.4, 0.9], [0.5, 0.1, -0.3]))
    logits = new.clone().requires_grad_()
    zero = torch.zeros(3, dtype=torch.float64)
    loss, metrics = magnetic(1e-12, 1.0)(expected(logits, old, zero, zero))
    (got,) = torch.autograd.grad(loss, logits)
    logps = torch.log_softmax(logits, 0)
    divergence = (logps.exp() * (logps - torch.log_softmax(old, 0))).sum()
    (wanted,) = torch.autograd.grad(divergence, logits)
    assert loss.item() == pytest.approx(divergence.item(), abs=1e-9)
    assert metrics["proximal_kl"].item() == pytest.approx(divergence.item(), abs=1e-9)
    torch.testing.assert_close(got, wanted, atol=1e-9, rtol=0)


def test_the_gradient_of_nash_md_is_that_of_its_published_trainer() -> None:
    """TRL f2cd577: ``-(P - 1/2) Σ lp + β Σ sg[lp - ref] lp``; with P = 0.7 and β = 0.1 its gradient by token is -0.15, -0.22."""
    logps = torch.tensor([-1.0, -2.0], requires_grad=True)
    batch = ObjectiveBatch(
        logprobs=logps,
        old_logprobs=logps.detach(),
        reference=torch.tensor([-1.5, -1.8]),
        divergence=None,
        advantages=torch.full((2,), 0.7 - 0.5),
        weights=torch.ones(2),
        sequence=torch.zeros(2, dtype=torch.long),
        sequences=1,
        totals=Totals(tokens=2, sequences=1),
    )
    params = PolicyGradientParams(kl_coef=0.1, kl_estimator="k2", normalize="token_sum")
    PolicyGradient(params)(batch)[0].backward()
    torch.testing.assert_close(logps.grad, torch.tensor([-0.15, -0.22]))


def test_a_proximal_term_that_could_not_act_is_refused() -> None:
    """In the only optimizer step of a collect the policy is the one that sampled."""
    load = partial(load_recipe, registry=load_plugins().registry)
    source = find_recipe("biased_rps/magnetic", load_plugins().recipe_packages)
    with pytest.raises(RecipeError, match=r"objective\.proximal: holds the policy near the one that sampled"):
        load(source, sets=["train.epochs=1"])
    for more in (["train.minibatches=2"], ["objective.proximal=0"]):
        assert load(source, sets=["train.epochs=1", *more]).objective.use == "magnetic"
