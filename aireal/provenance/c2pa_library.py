"""The optional library c2pa-python, set so that it sends nothing: no remote manifest, no OCSP, no identity look-up."""

from __future__ import annotations

from functools import cache
from types import ModuleType

MISSING = "Content Credentials are not read without c2pa-python: pip install 'c2pa-python>=0.38'"


@cache
def load() -> ModuleType | None:
    """The library, or None where it is not installed or its binary does not load."""
    try:
        import c2pa
    except (ImportError, OSError, RuntimeError):  # the last two: no binary for this system
        return None
    return c2pa


def version() -> str:
    """`c2pa 0.91.3` (of the SDK below the library), or "" without the library."""
    library = load()
    return f"c2pa {library.sdk_version()}" if library else ""


def settings(trust_anchors: str = "", time_stamp_trust: bool = True) -> dict:
    """Settings for `c2pa.Context.from_dict` that keep every check on this machine.

    A certificate that has expired since counts as it was when a time stamp says it signed. Whether the time stamp's own
    issuer must be on the list is `time_stamp_trust`.

    Args:
        trust_anchors: PEM certificates; "" for none, since the library brings none of its own.
    """
    return {
        "verify": {
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
            "verify_trust": True,
            "verify_timestamp_trust": time_stamp_trust,
        },
        "core": {
            # identities (CAWG) are looked up on the web; the empty list of hosts closes whatever else might ask
            "decode_identity_assertions": False,
            "allowed_network_hosts": [],
            "allow_redirects": False,
            "max_decompressed_manifest_size_in_mb": 32,
        },
        **({"trust": {"trust_anchors": trust_anchors}} if trust_anchors else {}),
    }
