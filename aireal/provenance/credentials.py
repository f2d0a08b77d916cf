"""The Content Credentials (C2PA) of a picture's file: who signed them, and whether they hold."""

from __future__ import annotations

import io
import re
from types import ModuleType
from urllib.parse import urlsplit

from aireal.core.json_text import parse_json
from aireal.evidence.provenance import Credentials

from . import c2pa_library, manifest
from .clean_text import clean
from .trust_list import TrustList

# The start of a manifest store (ISO 19566-5): a description box with C2PA's type. JPEG, PNG, WebP, TIFF, GIF and the
# HEIF family all store it as it is.
STORE = b"jumdc2pa\x00\x11\x00\x10"
MOST_PROBLEMS = 6


def has_credentials(data: bytes) -> bool:
    """Whether the file holds Content Credentials, valid or not; this needs no library."""
    return STORE in data


def read_credentials(data: bytes, trust_list: TrustList | None = None) -> Credentials | None:
    """Check the Content Credentials of a picture's bytes.

    Args:
        trust_list: certificates that are trusted; without it no state is "trusted", because the library brings no list.

    Returns:
        None where there are none.
    """
    file = trust_list.file if trust_list else None
    library = c2pa_library.load()
    if library is None:
        return Credentials("not_read", trust_list=file)
    if trust_list:
        strict = _read(library, data, c2pa_library.settings(trust_list.pem))
        if isinstance(strict, dict) and strict.get("validation_state") == "Trusted":
            return _describe(strict, "trusted", trust_list)
    # Without a list of time-stamp authorities a time stamp is taken as it is: nothing is called trusted here.
    found = _read(library, data, c2pa_library.settings(time_stamp_trust=False))
    if isinstance(found, dict):
        state = "valid" if found.get("validation_state") in ("Valid", "Trusted") else "invalid"
        return _describe(found, state, trust_list)
    if isinstance(found, str) and (remote := re.search(r"https?://\S+", found)) and found.startswith("Remote"):
        return Credentials("elsewhere", host=clean(urlsplit(remote[0]).hostname), trust_list=file)
    return Credentials("invalid", problems=("unreadable",), trust_list=file) if has_credentials(data) else None


def _read(library: ModuleType, data: bytes, settings: dict) -> dict | str | None:
    """The manifest store as parsed JSON; the error's text where it cannot be read; None where there is none."""
    try:
        with library.Context.from_dict(settings) as context:
            reader = library.Reader.try_create(None, io.BytesIO(data), context=context)
            if reader is None:
                return None
            with reader:
                store = parse_json(reader.json())
    except (library.C2paError, ValueError) as error:
        return str(error)
    return store if isinstance(_active(store), dict) else "no active manifest"


def _active(store: dict) -> object:
    return store.get("manifests", {}).get(store.get("active_manifest"))


def _describe(store: dict, state: str, trust_list: TrustList | None) -> Credentials:
    active = _active(store)
    earlier = [other for other in store["manifests"].values() if other is not active and isinstance(other, dict)]
    signature = active.get("signature_info") or {}
    newest = manifest.source_types([active])
    return Credentials(
        state,
        clean(signature.get("issuer")) or clean(signature.get("common_name")),
        manifest.generator(active),
        newest,
        tuple(code for code in manifest.source_types(earlier) if code not in newest),
        clean(signature.get("time"), 40),
        _problems(store) if state == "invalid" else (),
        trust_list=trust_list.file if trust_list else None,
    )


def _problems(store: dict) -> tuple[str, ...]:
    """C2PA's status codes of what failed. That a signer is unknown is no failure without a list that knows some."""
    codes = [
        clean(status.get("code"), 60) for status in store.get("validation_status") or () if isinstance(status, dict)
    ]
    failed = dict.fromkeys(code for code in codes if code and code != "signingCredential.untrusted")
    return tuple(failed)[:MOST_PROBLEMS] or ("unreadable",)
