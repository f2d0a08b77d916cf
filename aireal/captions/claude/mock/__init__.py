"""A server on loopback that speaks the wire format of Claude's service, for rehearsals and tests; it is no author of anything real."""

from .faults import Fault
from .server import MockServer

__all__ = ["Fault", "MockServer"]
