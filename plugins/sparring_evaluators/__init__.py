"""Bundled evaluators."""

from sparring import Evaluator, Metric, Register, hookimpl


@hookimpl
def sparring_register_evaluators(register: Register[Evaluator]) -> None:
    from sparring_evaluators.best_response import BestResponse, BestResponseParams
    from sparring_evaluators.cross_play import CrossPlay, CrossPlayParams
    from sparring_evaluators.head_to_head import HeadToHead, HeadToHeadParams
    from sparring_evaluators.nash_conv import NashConv, NashConvParams
    from sparring_evaluators.ratings import Ratings, RatingsParams
    from sparring_evaluators.tasks import Tasks, TasksParams
    from sparring_evaluators.zero_shot import ZeroShot, ZeroShotParams

    chips = "utility"
    register(
        "nash_conv", NashConv, NashConvParams,
        metrics=[
            Metric("eval/nash_conv/*/last", chips, "NashConv of the policy as it is, from scored legal answers; 0 is an equilibrium."),
            Metric("eval/nash_conv/*/average", chips, "NashConv of the reach-weighted average of all policies evaluated so far."),
            Metric("eval/nash_conv/*/uniform", chips, "NashConv of uniform play, to compare with."),
            Metric("eval/nash_conv/*/sampled", chips, "NashConv of the policy from sampled answers, illegal ones counted as uniform."),
            Metric("eval/nash_conv/*/sampled_low", chips, "Lower end of a 90 % bootstrap interval of it."),
            Metric("eval/nash_conv/*/sampled_high", chips, "Upper end of that interval."),
            Metric("eval/nash_conv/*/illegal_rate", "share", "Share of sampled answers that are no legal move, over positions."),
            Metric("eval/nash_conv/*/legal_mass", "share", "Probability of the canonical legal answers, mean over positions."),
            Metric("eval/nash_conv/*/value", chips, "What the first player wins when the policy plays itself, exactly."),
        ],
    )  # fmt: skip
    register(
        "head_to_head", HeadToHead, HeadToHeadParams,
        metrics=[
            Metric("eval/head_to_head/*/*/win_rate", "share", "Matches won, draws counted as a half; seats swapped."),
            Metric("eval/head_to_head/*/*/win_rate_low", "share", "Lower end of its 95 % interval (Wilson)."),
            Metric("eval/head_to_head/*/*/win_rate_high", "share", "Upper end of it."),
            Metric("eval/head_to_head/*/*/mean_return", chips, "Mean return per match."),
            Metric("eval/head_to_head/*/*/mean_return_error", chips, "Half the width of its 95 % interval."),
            Metric("eval/head_to_head/*/*/illegal_rate", "share", "Matches lost by an illegal move."),
            Metric(
                "eval/head_to_head/*/*/opponent_illegal_rate", "share",
                "Matches that the opponent lost so, or by not answering: what is won of it then says little.",
            ),
        ],
    )  # fmt: skip
    register(
        "cross_play", CrossPlay, CrossPlayParams,
        metrics=[
            Metric("eval/cross_play/*/*/*/*/mean", "share", "How often a fact holds when these versions of two roles meet."),
            Metric("eval/cross_play/*/*/*/*/low", "share", "Lower end of its 95 % interval (Wilson)."),
            Metric("eval/cross_play/*/*/*/*/high", "share", "Upper end of it."),
        ],
    )  # fmt: skip
    register(
        "best_response", BestResponse, BestResponseParams, paper="arXiv:2004.09677",
        metrics=[
            Metric(
                "eval/best_response/*/lower_bound", chips,
                "At least so much is NashConv of the policy as it samples: what the best responders found win, all roles together.",
            ),
            Metric("eval/best_response/*/lower_bound_low", chips, "Lower end of its 95 % interval."),
            Metric("eval/best_response/*/lower_bound_high", chips, "Upper end of that interval; NashConv itself may be larger."),
            Metric("eval/best_response/*/*/value", chips, "What the chosen responder wins on this role, in matches that did not choose it."),
            Metric("eval/best_response/*/*/value_error", chips, "Half the width of its 95 % interval."),
            Metric("eval/best_response/*/*/trial/*", chips, "What each responder won on this role in the matches that chose among them."),
        ],
    )  # fmt: skip
    register(
        "ratings", Ratings, RatingsParams,
        metrics=[
            Metric("eval/ratings/*/*/rating", "points", "Strength among the members (Bradley-Terry), around their mean; 400 points are odds of ten to one."),
            Metric("eval/ratings/*/*/rating_error", "points", "Half the width of its 95 % interval."),
            Metric("eval/ratings/*/*/against/*/mean_return", chips, "Mean return per match against another member; seats swapped."),
            Metric("eval/ratings/*/*/against/*/mean_return_error", chips, "Half the width of its 95 % interval."),
        ],
    )  # fmt: skip
    register(
        "tasks", Tasks, TasksParams,
        metrics=[
            Metric("eval/tasks/*/solve_rate", "share", "Held-out tasks that the policy solves."),
            Metric("eval/tasks/*/solve_rate_low", "share", "Lower end of its 95 % interval (Wilson)."),
            Metric("eval/tasks/*/solve_rate_high", "share", "Upper end of it."),
            Metric("eval/tasks/*/solve_rate_at/*", "share", "The same of the tasks of one difficulty."),
            Metric("eval/tasks/*/missing_rate", "share", "Answers from which none could be taken."),
        ],
    )  # fmt: skip
    register(
        "zero_shot", ZeroShot, ZeroShotParams, paper="arXiv:2310.05208",
        metrics=[
            Metric("eval/zero_shot/*/*/with/*/mean_return", chips, "What this agent gets with this partner, a match; seats swapped."),
            Metric("eval/zero_shot/*/*/with/*/mean_return_error", chips, "Half the width of its 95 % interval."),
            Metric("eval/zero_shot/*/*/mean_return", chips, "What this agent gets, mean over its partners."),
            Metric("eval/zero_shot/*/*/br_proximity", "share", "Of what partners' best responses get, mean over partners."),
            Metric("eval/zero_shot/*/self_play", chips, "What agents get with themselves, mean over agents."),
            Metric("eval/zero_shot/*/cross_play", chips, "What agents get with others, mean over pairs."),
            Metric("eval/zero_shot/*/gap", chips, "The one less the other: what they have agreed on with nobody else."),
        ],
    )  # fmt: skip
