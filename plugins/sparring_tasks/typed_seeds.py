"""Seeds from two files, one a line: requests that should be refused and requests that should be served."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from sparring import Chance, Params, SparringError, Task
from sparring_tasks.quota import Mixed, typed


class TypedSeedsParams(Params):
    harmful_file: str = Field(min_length=1, description="A text file of seeds that should be refused, one a line.")
    benign_file: str = Field(min_length=1, description="A text file of seeds that should be served, one a line.")
    harmful: float = Field(0.5, ge=0, le=1, description="Share of draws from the harmful file.")
    generated: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of either file's seeds that the attacker rewrites, exactly; the others stay as they are.",
    )
    limit: int | None = Field(
        None, ge=1, description="At most this many seeds of each file, its first (Self-RedTeam: 40,000 in all)."
    )
    seed: int = Field(0, ge=0, description="Decides which seeds are rewritten.")


class TypedSeeds:
    """Harmful and benign seeds from two files, typed by quota."""

    def __init__(self, params: TypedSeedsParams) -> None:
        self.params = params
        self._mixed: Mixed | None = None

    def _load(self) -> Mixed:
        p = self.params
        harmful, benign = (
            typed(_lines(path, p.limit), harmful=harmful, generated=p.generated, seed=p.seed)
            for path, harmful in ((p.harmful_file, True), (p.benign_file, False))
        )
        return Mixed(harmful, benign, p.harmful)

    def seeds(self) -> list[Task]:
        """All of them. Raises `SparringError` if a file cannot be read or is empty."""
        # Not before it is needed: a recipe is checked on machines that do not have its files.
        if self._mixed is None:
            self._mixed = self._load()
        return [*self._mixed.harmful, *self._mixed.benign]

    def draw(self, chance: Chance) -> Task:
        self.seeds()
        assert self._mixed is not None
        return self._mixed.draw(chance)


def _lines(path: str, limit: int | None) -> list[str]:
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SparringError(f"the seed file {path} cannot be read: {reason}") from error
    seeds = [line.strip() for line in lines if line.strip()]
    if not seeds:
        raise SparringError(f"the seed file {path} has no seeds; it should have one on each line")
    return seeds[:limit]
