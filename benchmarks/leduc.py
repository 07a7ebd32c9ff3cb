"""Claim: on Leduc poker a language model's own policy comes nearer to an equilibrium than OpenSpiel's policy gradients on as many hands.

    python benchmarks/leduc.py sparring --seeds 0
    python benchmarks/leduc.py a2c,rpg,qpg,rm --seeds 0

Everybody's NashConv is that of the policy as it is, over hands played. OpenSpiel's agents (``open_spiel.python.pytorch``, one network for
each player, fed with the information state as numbers) have their default rates and the size of OpenSpiel's examples, or what
``--setting`` says. What was measured before of others is kept.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import matplotlib as mpl
from common import RESULTS, column, save, train

mpl.use("Agg")
from matplotlib import pyplot  # after the choice of what it draws on

NAME, RECIPE = "leduc", "leduc_poker/selfplay"
NASH_CONV = "eval/nash_conv/leduc_poker/last"


@dataclass(frozen=True)
class Setting:
    """What OpenSpiel's agents are made with."""

    hidden: int = 128
    layers: int = 1
    batch_size: int = 16
    entropy_cost: float = 0.01
    critic_learning_rate: float = 0.01
    pi_learning_rate: float = 0.001
    num_critic_before_pi: int = 8


def peer(loss: str, seed: int, episodes: int, every: int, setting: Setting) -> Iterator[tuple[int, float]]:
    """Episodes and NashConv of OpenSpiel's policy gradient with the loss a2c, rpg, qpg, rm or neurd."""
    import numpy
    import torch
    from open_spiel.python import policy, rl_agent_policy, rl_environment
    from open_spiel.python.algorithms import exploitability
    from open_spiel.python.pytorch import policy_gradient

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    numpy.random.seed(seed)  # the agents draw from the global generator
    environment = rl_environment.Environment("leduc_poker")
    environment.seed(seed)
    made = {key: value for key, value in asdict(setting).items() if key not in ("hidden", "layers")}
    agents = {
        player: policy_gradient.PolicyGradient(
            player,
            environment.observation_spec()["info_state"][0],
            environment.action_spec()["num_actions"],
            loss_str=loss,
            hidden_layers_sizes=[setting.hidden] * setting.layers,
            **made,
        )
        for player in (0, 1)
    }
    joint = rl_agent_policy.JointRLAgentPolicy(environment.game, agents, use_observation=False)
    for episode in range(episodes + 1):
        if episode % every == 0 or episode == episodes:
            # As a table first: a best response asks for a position once for every history that leads to it.
            table = policy.tabular_policy_from_callable(environment.game, joint.action_probabilities)
            yield episode, float(exploitability.nash_conv(environment.game, table))
        now = environment.reset()
        while not now.last():
            now = environment.step([agents[now.current_player()].step(now).action])
        for agent in agents.values():
            agent.step(now)


def ours(seed: int, sets: list[str]) -> dict[str, Any]:
    rows, seconds = train(RECIPE, [f"train.seed={seed}", *sets])
    played = dict(zip(*column(rows, "episodes"), strict=True))
    steps, values = column(rows, NASH_CONV)
    return {"episodes": [played.get(step, 0) for step in steps], "nash_conv": values, "seconds": seconds, "sets": sets}


def draw(found: dict[str, dict[str, Any]]) -> None:
    figure, axes = pyplot.subplots(figsize=(7.5, 4))
    for number, (way, runs) in enumerate(found.items()):
        for seed, run in runs.items():
            axes.plot(run["episodes"], run["nash_conv"], color=f"C{number}", label=way if seed == min(runs) else None)
    axes.axhline(4.75, color="grey", linewidth=0.8, linestyle="--")
    axes.annotate("uniform play", (0, 4.75), xytext=(2, 2), textcoords="offset points", fontsize=8, color="grey")
    axes.set(xlabel="hands", ylabel="NashConv (chips)", ylim=(0, 8))
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(RESULTS / f"{NAME}.png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", help="sparring, or losses of OpenSpiel's: a2c, rpg, qpg, rm, neurd")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--episodes", type=int, default=307_200, help="hands of OpenSpiel's agents")
    parser.add_argument("--every", type=int, default=25_600, help="hands between their evaluations")
    parser.add_argument("--setting", default="{}", help="JSON of what differs from that")
    parser.add_argument("--set", action="append", default=[], dest="sets", help="of the recipe")
    given = parser.parse_args()
    before = RESULTS / f"{NAME}.json"
    found: dict[str, dict[str, Any]] = json.loads(before.read_text())["ways"] if before.exists() else {}
    setting = Setting(**json.loads(given.setting))
    for way in given.ways.split(","):
        for seed in given.seeds.split(","):
            if way == "sparring":
                run = ours(int(seed), given.sets)
            else:
                began, curve = time.process_time(), list(peer(way, int(seed), given.episodes, given.every, setting))
                run = {"episodes": [at for at, _ in curve], "nash_conv": [value for _, value in curve]}
                run |= {"processor_seconds": time.process_time() - began, "setting": asdict(setting)}
            name = way if given.setting == "{}" else f"{way} {given.setting}"
            found.setdefault(name, {})[seed] = run
            print(name, seed, [round(value, 3) for value in run["nash_conv"]], flush=True)
            save(NAME, {"uniform": 4.75, "ways": found})
    draw(found)


if __name__ == "__main__":
    main()
