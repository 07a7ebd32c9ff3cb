"""Whether what a component hands over is what it may hand over. Asked while a run plays, by the testing kit, and by plugins.

It registers nothing, and knows the core's records and errors alone.
"""

from sparring_contracts.completions import require_whole
from sparring_contracts.outcomes import fault

__all__ = ["fault", "require_whole"]
