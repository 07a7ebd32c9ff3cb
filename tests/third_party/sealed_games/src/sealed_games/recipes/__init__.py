"""Recipes: ``sealed_bid/selfplay`` and ``sealed_letter/selfplay``."""
