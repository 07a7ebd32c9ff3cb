"""Claim: in Kuhn poker AdamW's momentum is what keeps self-play from its resting point, and a moving reference brings that to 0.

    python benchmarks/kuhn_dynamics.py

A table of logits instead of a model, and exact gradients over the whole tree instead of sampled hands, so that what is left is the
method's own doing: policy gradient with the forward KL of the recipes, Adam with a half cosine, in seconds. NashConv at the end,
mean of starts near even play.
"""

from __future__ import annotations

import numpy
import numpy.typing as npt
from common import save

Array = npt.NDArray[numpy.float64]

DEALS = [(mine, theirs) for mine in range(3) for theirs in range(3) if mine != theirs]
FIRST, SECOND = (numpy.array(cards) for cards in zip(*DEALS, strict=True))  # who acts first, and the other
WINS = numpy.where(FIRST > SECOND, 1.0, -1.0)  # of the first, at a showdown
# Decisions. Logits are those of betting or calling, (starts, decision, card).
OPEN, AFTER_CHECK, AFTER_BET, CHECKED_AND_BET = range(4)
STEPS = 500


def betting(logits: Array) -> list[Array]:
    """How often each decision bets or calls, ``(starts, deals)`` each."""
    p = 1 / (1 + numpy.exp(-logits))
    holder = {OPEN: FIRST, AFTER_CHECK: SECOND, AFTER_BET: SECOND, CHECKED_AND_BET: FIRST}
    return [p[:, decision, cards] for decision, cards in holder.items()]


def gradient(logits: Array) -> tuple[Array, Array]:
    """Of each player's own expected winnings by its logits, and how often each decision is met with each card."""
    opens, bets, calls, called = betting(logits)
    even = numpy.ones_like(opens)
    to_a_bet = called * 2 * WINS - (1 - called)  # what the first wins once it has checked and met a bet
    checking, betting_wins = (1 - bets) * WINS + bets * to_a_bet, calls * 2 * WINS + 1 - calls
    found, met = numpy.zeros_like(logits), numpy.zeros_like(logits)
    for decision, cards, reach, gain, p in (
        (OPEN, FIRST, even, betting_wins - checking, opens),
        (AFTER_CHECK, SECOND, 1 - opens, WINS - to_a_bet, bets),
        (AFTER_BET, SECOND, opens, 1 - 2 * WINS, calls),
        (CHECKED_AND_BET, FIRST, (1 - opens) * bets, 2 * WINS + 1, called),
    ):
        for deal, card in enumerate(cards):
            gains = numpy.broadcast_to(gain, even.shape)[:, deal]
            found[:, decision, card] += reach[:, deal] * p[:, deal] * (1 - p[:, deal]) * gains / len(DEALS)
            met[:, decision, card] += reach[:, deal] / len(DEALS)
    return found, met


def nash_conv(logits: Array) -> Array:
    """What best answers to both players win, ``(starts,)``."""
    opens, bets, calls, called = betting(logits)
    total = numpy.zeros(len(logits))
    for card in range(3):
        own = numpy.where(card == FIRST)[0]
        betting_wins = (calls * 2 * WINS + 1 - calls)[:, own].sum(1)
        after = numpy.maximum((bets * 2 * WINS)[:, own].sum(1), -bets[:, own].sum(1))
        total += numpy.maximum(betting_wins, ((1 - bets) * WINS)[:, own].sum(1) + after)
        own = numpy.where(card == SECOND)[0]
        checked, bet = (1 - opens)[:, own], opens[:, own]
        against_bet = -called[:, own] * 2 * WINS[own] + 1 - called[:, own]
        total += numpy.maximum(-(checked * WINS[own]).sum(1), (checked * against_bet).sum(1))
        total += numpy.maximum(-(bet * 2 * WINS[own]).sum(1), -bet.sum(1))
    return numpy.asarray(total / len(DEALS))


def run(betas: tuple[float, float], kl: float, rate: float, steps: int, learning_rate: float, starts: int = 8) -> Array:
    """NashConv of each start after ``steps``; the reference moves by ``rate`` of its way to the policy in each."""
    logits = numpy.random.default_rng(0).normal(0, 0.3, (starts, 4, 3))
    reference, mean, square = logits.copy(), numpy.zeros_like(logits), numpy.zeros_like(logits)
    for step in range(steps):
        gained, met = gradient(logits)
        # The gradient of KL(reference || policy) by a logit is the policy's probability minus the reference's.
        up = gained - kl * met * (1 / (1 + numpy.exp(-logits)) - 1 / (1 + numpy.exp(-reference)))
        mean, square = betas[0] * mean + (1 - betas[0]) * up, betas[1] * square + (1 - betas[1]) * up**2
        unbiased = mean / (1 - betas[0] ** (step + 1)), square / (1 - betas[1] ** (step + 1))
        factor = 0.5 * (1 + numpy.cos(numpy.pi * step / steps))
        logits = logits + learning_rate * factor * unbiased[0] / (numpy.sqrt(unbiased[1]) + 1e-8)
        reference = reference + rate * (logits - reference)
    return nash_conv(logits)


def main() -> None:
    found: list[dict[str, float]] = []
    for learning_rate in (0.05, 0.2):
        for kl, rate in ((0.1, 0.0), (0.05, 0.0), (0.1, 0.005), (0.15, 0.01)):
            for momentum in (0.9, 0.0):
                ends = run((momentum, 0.95), kl, rate, STEPS, learning_rate)
                at = {"learning_rate": learning_rate, "kl_coef": kl, "reference_rate": rate, "momentum": momentum}
                found.append({**at, "nash_conv": float(ends.mean()), "highest": float(ends.max())})
                print({key: round(value, 3) for key, value in found[-1].items()}, flush=True)
    save("kuhn_dynamics", {"steps": STEPS, "runs": found})


if __name__ == "__main__":
    main()
