"""A server on loopback with the wire format of Claude's service, for rehearsals and tests."""

from .faults import Fault
from .server import MockServer

__all__ = ["Fault", "MockServer"]
