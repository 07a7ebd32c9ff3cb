"""Claim: AdamW's momentum is what keeps self-play from its resting point, and a moving reference brings that to 0.

    python benchmarks/dynamics.py kuhn_poker --pulls 0.1:0,0.05:0,0.1:0.005,0.15:0.01 --rates 0.05,0.2
    python benchmarks/dynamics.py leduc_poker --pulls 0.5:0,0.5:0.005 --rates 0.05,0.2
    python benchmarks/dynamics.py leduc_poker --pulls 0.5:0,0.5:0.01 --rates 0.05,0.2 --hands 512 --steps 300

A table of logits instead of a model, and exact gradients over OpenSpiel's whole tree instead of sampled hands, so that what is left is
the method's own doing: policy gradient with the forward KL of the recipes and Adam with a half cosine. NashConv at the end. A
pull ``0.1:0.005`` is a KL weight of 0.1 to a reference that moves 0.005 of its way to the policy in each step. With ``--hands`` so many
are sampled for each step instead, eight of a deal compared with each other: what a run has but for the model.
"""

from __future__ import annotations

import argparse
import math
from typing import Any, NamedTuple

import pyspiel
import torch
from common import save

GAMES = {"kuhn_poker": "kuhn_poker", "leduc_poker": "leduc_poker(suit_isomorphism=true)"}
GROUP = 8  # hands of a deal that are compared
NOTHING = 0  # the action before the first one, of probability 1: fills up short paths


class Tree(NamedTuple):
    """Every history of a game of two players. An action is a place in the logits; there are A of them and `NOTHING`."""

    where: dict[str, tuple[int, list[int]]]  # information state: its first action, and the legal ones' numbers
    state_of: torch.Tensor  # (A + 1,) which information state an action is of
    player_of: torch.Tensor  # (A + 1,) whose: 1 for the first player, -1 for the second
    ends: torch.Tensor  # (T, depth) actions that lead to each end
    wins: torch.Tensor  # (T,) its probability by chance alone, times what the first player wins
    decisions: torch.Tensor  # (D, depth) actions that lead to each decision
    chance: torch.Tensor  # (D,) its probability by chance alone
    decided: torch.Tensor  # (D,) the information state there
    deals: torch.Tensor  # (K,) how probable each deal of all cards is
    dealt: torch.Tensor  # (K, T) 1 where a deal may come to an end, 0 elsewhere
    returns: torch.Tensor  # (T,) what the first player wins at each end


def tree_of(game: Any) -> Tree:
    where: dict[str, tuple[int, list[int]]] = {}
    state_of, player_of = [0], [0]
    names = {"": 0}
    ends: list[tuple[list[int], float, tuple[int, ...]]] = []
    returns: list[float] = []
    deals: dict[tuple[int, ...], float] = {}
    decisions: list[tuple[list[int], float, int]] = []

    def visit(state: Any, path: list[int], chance: float, cards: tuple[int, ...]) -> None:
        if state.is_terminal():
            ends.append((path, chance * state.returns()[0], cards))
            returns.append(state.returns()[0])
            deals[cards] = chance
        elif state.is_chance_node():
            for action, probability in state.chance_outcomes():
                visit(state.child(action), path, chance * probability, (*cards, action))
        else:
            player, legal = state.current_player(), state.legal_actions()
            key = state.information_state_string(player)
            if key not in where:
                where[key], names[key] = (len(state_of), legal), len(names)
                state_of.extend([names[key]] * len(legal))
                player_of.extend([1 - 2 * player] * len(legal))
            decisions.append((path, chance, names[key]))
            for place, action in enumerate(legal):
                visit(state.child(action), [*path, where[key][0] + place], chance, cards)

    visit(game.new_initial_state(), [], 1.0, ())
    depth = max(len(path) for path, _, _ in ends)
    most = max(map(len, deals))  # a hand that ends early is of every deal that begins with its cards
    whole = {cards: chance for cards, chance in deals.items() if len(cards) == most}

    def padded(paths: list[list[int]]) -> torch.Tensor:
        return torch.tensor([path + [NOTHING] * (depth - len(path)) for path in paths])

    return Tree(
        where,
        torch.tensor(state_of),
        torch.tensor(player_of, dtype=torch.float64),
        padded([path for path, _, _ in ends]),
        torch.tensor([value for _, value, _ in ends], dtype=torch.float64),
        padded([path for path, _, _ in decisions]),
        torch.tensor([chance for _, chance, _ in decisions], dtype=torch.float64),
        torch.tensor([number for _, _, number in decisions]),
        torch.tensor(list(whole.values()), dtype=torch.float64),
        torch.tensor(
            [[float(deal[: len(cards)] == cards) for _, _, cards in ends] for deal in whole], dtype=torch.float64
        ),
        torch.tensor(returns, dtype=torch.float64),
    )


def policy_of(tree: Tree, logits: torch.Tensor) -> torch.Tensor:
    """Probabilities of actions, ``(A + 1,)``: a softmax within each information state."""
    weights = logits.exp()
    sums = torch.zeros(int(tree.state_of.max()) + 1, dtype=weights.dtype).index_add(0, tree.state_of, weights)
    return weights / sums[tree.state_of]


def gradient(tree: Tree, logits: torch.Tensor, reference: torch.Tensor, kl: float) -> torch.Tensor:
    """Of each player's own winnings less the forward KL where it is met, by its logits."""
    logits = logits.detach().requires_grad_()
    policy = policy_of(tree, logits)
    value = (policy[tree.ends].prod(1) * tree.wins).sum()
    (of_value,) = torch.autograd.grad(value, logits)
    with torch.no_grad():
        reach = policy[tree.decisions].prod(1) * tree.chance
        met = torch.zeros(int(tree.state_of.max()) + 1, dtype=reach.dtype).index_add(0, tree.decided, reach)
        pull = met[tree.state_of] * (policy - policy_of(tree, reference))
        return torch.Tensor(of_value * tree.player_of - kl * pull)


def sampled_gradient(
    tree: Tree, logits: torch.Tensor, reference: torch.Tensor, kl: float, hands: int, chance: torch.Generator
) -> torch.Tensor:
    """The same from so many sampled hands, each against the others of its deal (leave one out)."""
    logits = logits.detach().requires_grad_()
    policy = policy_of(tree, logits)
    with torch.no_grad():
        deals = torch.multinomial(tree.deals, hands // GROUP, replacement=True, generator=chance)
        reach = tree.dealt[deals] * policy[tree.ends].prod(1)
        played = torch.multinomial(reach, GROUP, replacement=True, generator=chance)
        won = tree.returns[played]
        advantages = ((won - won.mean(1, keepdim=True)) * GROUP / (GROUP - 1)).flatten()
        taken = tree.ends[played.flatten()]
    gain = advantages @ (policy.log()[taken] * tree.player_of[taken]).sum(1)
    cross = torch.zeros(int(tree.state_of.max()) + 1, dtype=policy.dtype)
    cross = cross.index_add(0, tree.state_of, -policy_of(tree, reference) * policy.log())
    met = cross[tree.state_of[taken]] * (taken != NOTHING)
    (found,) = torch.autograd.grad((gain - kl * met.sum()) / hands, logits)
    return torch.Tensor(found)


def nash_conv(game: Any, tree: Tree, logits: torch.Tensor) -> float:
    policy = policy_of(tree, logits).tolist()
    table = {key: [(a, policy[first + n]) for n, a in enumerate(legal)] for key, (first, legal) in tree.where.items()}
    return float(pyspiel.nash_conv(game, pyspiel.TabularPolicy(table)))


class Way(NamedTuple):
    """How it is learned."""

    momentum: float
    kl: float
    reference_rate: float
    learning_rate: float


def run(game: Any, tree: Tree, way: Way, steps: int, hands: int) -> float:
    """NashConv after ``steps``, from a start near even play."""
    chance = torch.Generator().manual_seed(0)
    logits = 0.05 * torch.randn(len(tree.state_of), dtype=torch.float64, generator=chance)
    logits.requires_grad_()
    reference = logits.detach().clone()
    optimizer = torch.optim.AdamW([logits], lr=way.learning_rate, betas=(way.momentum, 0.95), weight_decay=0.0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = way.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        if hands:
            up = sampled_gradient(tree, logits, reference, way.kl, hands, chance)
        else:
            up = gradient(tree, logits, reference, way.kl)
        logits.grad = -up.to(torch.float64)
        optimizer.step()
        reference = torch.lerp(reference, logits.detach(), way.reference_rate)
    return nash_conv(game, tree, logits.detach())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("game", choices=list(GAMES))
    parser.add_argument("--pulls", required=True, help="KL weight and the reference's rate, such as 0.1:0,0.1:0.005")
    parser.add_argument("--rates", default="0.05", help="learning rates")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--hands", type=int, default=0, help="sampled for each step; 0: exact gradients")
    given = parser.parse_args()
    torch.set_num_threads(1)
    game = pyspiel.load_game(GAMES[given.game])
    tree = tree_of(game)
    found: list[dict[str, float]] = []
    for pull in given.pulls.split(","):
        for rate in given.rates.split(","):
            for momentum in (0.9, 0.0):
                kl, reference_rate = map(float, pull.split(":"))
                way = Way(momentum, kl, reference_rate, float(rate))
                found.append({**way._asdict(), "nash_conv": run(game, tree, way, given.steps, given.hands)})
                print({key: round(value, 3) for key, value in found[-1].items()}, flush=True)
    name = f"dynamics-{given.game}" + (f"-{given.hands}" if given.hands else "")
    save(name, {"steps": given.steps, "hands": given.hands, "runs": found})


if __name__ == "__main__":
    main()
