"""`group_relative` and `leave_one_out` against the values of three libraries, closed forms and edge rules."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sparring import AdvantageEstimator, RecipeError, Trajectory, Turn
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring_estimators.group_relative import GroupRelative, GroupRelativeParams
from sparring_estimators.groups import GroupParams
from sparring_estimators.leave_one_out import LeaveOneOut, LeaveOneOutParams

GROUPS = [[1, 0, 0, 0.5], [2, 2, 2, 2], [3]]


def trajectories(groups: list[list[float]], turns: int = 1) -> list[Trajectory]:
    """One for each reward, which stands on the last of its turns."""
    found = []
    for start, group in enumerate(groups):
        for reward in group:
            labels = {"role": "solver", "start": start}
            mine = [Turn("solver", "main", 0, 0, 0, [], "", "", labels=dict(labels)) for _ in range(turns)]
            mine[-1].reward = reward
            found.append(Trajectory(0, "solver", mine))
    return found


def by_group(estimator: AdvantageEstimator, groups: list[list[float]]) -> list[list[float]]:
    flat = iter(a for (a,) in estimator.estimate(trajectories(groups)))
    return [[next(flat) for _ in group] for group in groups]


@pytest.mark.parametrize(
    ("settings", "first", "alone"),
    [
        ({"eps": 1e-6, "singleton": "passthrough"}, [1.305580, -0.783348, -0.783348, 0.261116], 2.999997),  # verl
        (
            {"eps": 1e-6, "eps_placement": "floor_plus", "singleton": "passthrough"},
            [1.305580, -0.783348, -0.783348, 0.261116],
            2.999997,
        ),  # verl, vectorized
        ({"eps": 1e-4}, [1.305310, -0.783186, -0.783186, 0.261062], 0),  # TRL
        ({"eps": 1e-9}, [1.305582, -0.783349, -0.783349, 0.261116], 0),  # OpenRLHF
        ({"divide_by_std": False}, [0.625, -0.375, -0.375, 0.125], 0),
        ({"divide_by_std": False, "singleton": "passthrough"}, [0.625, -0.375, -0.375, 0.125], 3),  # verl
    ],
)
def test_group_relative_as_the_libraries_have_it(settings: dict[str, object], first: list[float], alone: float) -> None:
    estimator = GroupRelative(GroupRelativeParams(deviation="sample", **settings))  # type: ignore[arg-type]
    got = by_group(estimator, GROUPS)
    assert got[0] == pytest.approx(first, abs=1e-6)
    assert got[1] == [0, 0, 0, 0]
    assert got[2] == pytest.approx([alone], abs=1e-6)


def test_the_deviation_of_the_whole_batch() -> None:
    params = GroupRelativeParams(deviation="sample", eps=1e-4, std_over="batch")
    got = by_group(GroupRelative(params), GROUPS[:2])
    assert got[0] == pytest.approx([0.676769, -0.406061, -0.406061, 0.135354], abs=1e-6)
    assert got[1] == [0, 0, 0, 0]


def test_where_the_epsilon_goes() -> None:
    """Variance 1/4, epsilon 1/2."""
    expected = {"std_plus": 1.0, "variance_plus": math.sqrt(0.75), "variance_floor": math.sqrt(0.5)}
    expected["floor_plus"] = math.sqrt(0.5) + 0.5
    for placement, divisor in expected.items():
        params = GroupRelativeParams(eps=0.5, eps_placement=placement)  # type: ignore[arg-type]
        assert by_group(GroupRelative(params), [[0, 1]]) == [pytest.approx([-0.5 / divisor, 0.5 / divisor])]


def test_leave_one_out_as_the_libraries_have_it() -> None:
    expected = [0.833333, -0.5, -0.5, 0.166667]
    got = by_group(LeaveOneOut(LeaveOneOutParams()), GROUPS)
    assert got[0] == pytest.approx(expected, abs=1e-6)
    assert got[1:] == [[0, 0, 0, 0], [0]]
    assert by_group(LeaveOneOut(LeaveOneOutParams(singleton="passthrough")), GROUPS)[2] == [3]


def test_leave_one_out_is_each_return_minus_the_mean_of_the_others() -> None:
    group = [3.0, -1.0, 0.5, 7.0, 2.0]
    others = [(sum(group) - r) / (len(group) - 1) for r in group]
    got = by_group(LeaveOneOut(LeaveOneOutParams()), [group])
    assert got[0] == pytest.approx([r - o for r, o in zip(group, others, strict=True)])


@pytest.mark.parametrize(("deviation", "size"), [("population", 1.0), ("sample", math.sqrt(0.5))])
def test_of_two_only_the_sign_counts(deviation: str, size: float) -> None:
    estimator = GroupRelative(GroupRelativeParams(deviation=deviation))  # type: ignore[arg-type]
    assert by_group(estimator, [[0.1, 0.2], [50, -3]]) == [pytest.approx([-size, size]), pytest.approx([size, -size])]


def test_every_turn_of_a_trajectory_has_its_advantage() -> None:
    for estimator in (GroupRelative(GroupRelativeParams()), LeaveOneOut(LeaveOneOutParams())):
        first, second = estimator.estimate(trajectories([[0, 1]], turns=3))
        assert len(set(first)) == len(set(second)) == 1
        assert (len(first), len(second)) == (3, 3)


def test_a_group_of_equals_is_exactly_zero_though_its_mean_is_rounded() -> None:
    assert math.fsum([0.1] * 3) / 3 != 0.1
    for estimator in (
        GroupRelative(GroupRelativeParams()),
        GroupRelative(GroupRelativeParams(divide_by_std=False)),
        LeaveOneOut(LeaveOneOutParams()),
    ):
        assert by_group(estimator, [[0.1] * 3, [1, 2]])[0] == [0, 0, 0]


REWARDS = st.floats(-1e6, 1e6, allow_subnormal=True)


@settings(max_examples=200, deadline=None)
@given(
    groups=st.lists(st.lists(REWARDS, min_size=1, max_size=6), min_size=1, max_size=4),
    deviation=st.sampled_from(["population", "sample"]),
    placement=st.sampled_from(["std_plus", "variance_plus", "variance_floor", "floor_plus"]),
    eps=st.sampled_from([0.0, 1e-9]),
    over=st.sampled_from(["group", "batch"]),
)
def test_advantages_are_finite_and_zero_where_nothing_differs(
    groups: list[list[float]], deviation: str, placement: str, eps: float, over: str
) -> None:
    params = GroupRelativeParams(deviation=deviation, eps=eps, eps_placement=placement, std_over=over)  # type: ignore[arg-type]
    for estimator in (GroupRelative(params), LeaveOneOut(LeaveOneOutParams())):
        for group, advantages in zip(groups, by_group(estimator, groups), strict=True):
            assert all(map(math.isfinite, advantages))
            if max(group) == min(group):
                assert advantages == [0.0] * len(group)


RECIPE = """\
format: 1
policies: {main: {model: tiny}}
play: [{game: kuhn_poker%s}]
advantage: {use: %s%s}
objective: policy_gradient
train: {steps: 1}
"""


@pytest.mark.parametrize("name", ["group_relative", "leave_one_out", "reinforce_pp_baseline"])
def test_groups_of_one_are_refused_unless_they_are_passed_through(name: str) -> None:
    registry = load_plugins().registry
    for size, more in ((", group_size: 2", ""), ("", ", singleton: passthrough"), ("", ", key: [role]")):
        load_recipe(RecipeSource("mine", RECIPE % (size, name, more), "mine.yaml"), registry)
    with pytest.raises(RecipeError, match=rf"group_size: {name} compares .* at least 2"):
        load_recipe(RecipeSource("mine", RECIPE % ("", name, ""), "mine.yaml"), registry)


def test_a_negative_epsilon_is_refused() -> None:
    with pytest.raises(ValidationError, match="eps"):
        GroupRelativeParams(eps=-1e-6)


@pytest.mark.parametrize("promised", [False, True])
def test_any_scheme_may_promise_one_trajectory_a_role(promised: bool) -> None:
    params = GroupParams()
    scheme = SimpleNamespace(params=SimpleNamespace(once_per_role=True) if promised else SimpleNamespace())
    entry = SimpleNamespace(group_size=1, scheme=scheme, advantage=SimpleNamespace(use="mine", params=params))
    found = params.contradictions(SimpleNamespace(play=[entry], advantage=None))  # type: ignore[arg-type]
    assert [path for path, _ in found] == (["play.0.group_size"] if promised else [])
