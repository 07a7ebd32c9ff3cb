"""Games of what the other does not know."""

from sparring import AdvantageEstimator, Game, Judge, Register, RoleScheme, hookimpl


@hookimpl
def sparring_register_games(register: Register[Game]) -> None:
    from sealed_games.bid import SealedBid, SealedBidParams

    register("sealed_bid", SealedBid, SealedBidParams)


@hookimpl
def sparring_register_role_schemes(register: Register[RoleScheme]) -> None:
    from sealed_games.letter import SealedLetter, SealedLetterParams

    register("sealed_letter", SealedLetter, SealedLetterParams, paper="arXiv:1610.06918")


@hookimpl
def sparring_register_judges(register: Register[Judge]) -> None:
    from sealed_games.secrecy import Secrecy, SecrecyParams

    register("secrecy", Secrecy, SecrecyParams)


@hookimpl
def sparring_register_advantage_estimators(register: Register[AdvantageEstimator]) -> None:
    from sealed_games.median import Median, MedianParams

    register("median", Median, MedianParams)


@hookimpl
def sparring_register_recipes() -> str:
    return "sealed_games.recipes"
