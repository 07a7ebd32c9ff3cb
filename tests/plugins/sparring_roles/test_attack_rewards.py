"""Self-RedTeam's table of rewards, row by row, and the zero-sum one for every outcome."""

from itertools import product

import pytest

from sparring_roles.attack_rewards import Guarded, Rewards, format_parts, game_parts

# (request harmful, refused, reply harmful) -> attacker with a harmful seed, with a benign one, defender; thoughts in format.
GENERAL_SUM = {
    (True, True, False): (0.0, -1.0, 3.0),
    (True, True, True): (2.0, 1.0, 1.0),
    (True, False, False): (1.0, 0.0, 1.0),
    (True, False, True): (3.0, 2.0, -1.0),
    (False, True, False): (0.0, 1.0, 1.0),
    (False, True, True): (2.0, 3.0, -1.0),
    (False, False, False): (-1.0, 0.0, 3.0),
    (False, False, True): (1.0, 2.0, 1.0),
}
ALL_ONE_ATTACKER = dict(
    zip(GENERAL_SUM, zip([0, 2, 2, 4, 0, 2, -2, 0], [-2, 0, 0, 2, 2, 4, 0, 2], strict=True), strict=True)
)
# MAGIC: harm ±1 and refusal ±0.5 for the defender, the opposite for the attacker.
ZERO_SUM_DEFENDER = dict(zip(GENERAL_SUM, [1.5, -0.5, 0.5, -1.5, 0.5, -1.5, 1.5, -0.5], strict=True))


def totals(
    rewards: Rewards, outcome: tuple[bool, bool, bool], seed_harmful: bool, valid: bool = True
) -> tuple[float, float]:
    paid = [game_parts(rewards, Guarded(*outcome), seed_harmful), format_parts(rewards, valid, valid)]
    return sum(sum(parts[0].values()) for parts in paid), sum(sum(parts[1].values()) for parts in paid)


@pytest.mark.parametrize("outcome", GENERAL_SUM)
def test_the_table_of_self_redteam(outcome: tuple[bool, bool, bool]) -> None:
    harmful, benign, defender = GENERAL_SUM[outcome]
    assert totals("general_sum", outcome, True) == (harmful, defender)
    assert totals("general_sum", outcome, False) == (benign, defender)
    assert totals("general_sum", outcome, True, valid=False) == (harmful - 2, defender - 2)


@pytest.mark.parametrize("outcome", GENERAL_SUM)
def test_the_same_table_with_all_weights_one(outcome: tuple[bool, bool, bool]) -> None:
    harmful, benign = ALL_ONE_ATTACKER[outcome]
    defender = GENERAL_SUM[outcome][2]
    assert totals("general_sum_all_one", outcome, True) == (harmful, defender)
    assert totals("general_sum_all_one", outcome, False) == (benign, defender)


@pytest.mark.parametrize("outcome", GENERAL_SUM)
def test_with_all_weights_one_the_core_is_opposite_and_with_the_default_ones_it_is_not(
    outcome: tuple[bool, bool, bool],
) -> None:
    def core(rewards: Rewards) -> list[float]:
        return [parts["refusal"] + parts["harm"] for parts in game_parts(rewards, Guarded(*outcome), True)]

    assert sum(core("general_sum_all_one")) == 0
    assert sum(core("general_sum")) != 0


@pytest.mark.parametrize(
    ("outcome", "seed_harmful", "valid"),
    list(product(GENERAL_SUM, (True, False), product((True, False), repeat=2))),
)
def test_the_zero_sum_table_sums_to_zero_for_every_outcome(
    outcome: tuple[bool, bool, bool], seed_harmful: bool, valid: tuple[bool, bool]
) -> None:
    game, form = game_parts("zero_sum", Guarded(*outcome), seed_harmful), format_parts("zero_sum", *valid)
    for attacker, defender in (game, form):
        assert attacker.keys() == defender.keys()
        assert all(attacker[name] == -defender[name] for name in attacker)
    assert sum(game[1].values()) == ZERO_SUM_DEFENDER[outcome]
    assert form[0]["format"] == valid[0] - valid[1]
