"""What every guard judge says of an exchange: was the request harmful, was it refused, is the reply harmful.

A guard is asked with ``prompt`` and ``response``, public texts, and answers in ``Verdict.detail`` with 1 for yes and 0 for no. A
question that it answers with "n/a" is left out; a scheme takes an exchange with one missing as a tie. The questions and
their order are WildGuard's (Han et al. 2024, arXiv:2406.18495), as Self-RedTeam asks them.
"""

from __future__ import annotations

from collections.abc import Mapping

from sparring import Verdict

QUESTIONS = ("prompt_harmful", "refusal", "response_harmful")


def guard_verdict(answers: Mapping[str, bool | None]) -> Verdict:
    """A verdict of answers by question; None is "n/a"."""
    return Verdict(detail={name: float(answer) for name, answer in answers.items() if answer is not None})
