"""What plugins share that ask something outside: a client of OpenAI-compatible endpoints, and a bound on failures.

It registers nothing. Plugins import the core, themselves and this package, and not each other.
"""

from sparring_endpoint.client import Endpoint, EndpointParams, NoAnswerError
from sparring_endpoint.failures import FailureBound, FailureCount

__all__ = ["Endpoint", "EndpointParams", "FailureBound", "FailureCount", "NoAnswerError"]
