"""A trust list: the certificates whose signatures somebody vouches for, as a file of PEM blocks."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aireal.core.errors import first_line
from aireal.evidence.provenance import TrustListFile

from . import c2pa_library
from .clean_text import clean

PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


@dataclass(frozen=True)
class TrustList:
    """Certificates as PEM text, and the file that they come from."""

    pem: str
    file: TrustListFile

    @property
    def name(self) -> str:
        """The file's name and the start of the certificates' hash, which tells two lists of a name apart."""
        return f"{self.file.name} {hashlib.sha256(self.pem.encode()).hexdigest()[:8]}"


def read_trust_list(path: str | Path) -> TrustList:
    """Read a trust list; its date is the file's.

    Args:
        path: PEM certificates one after the other, such as C2PA's list of signers followed by its list of time-stamp
            authorities.

    Raises:
        ValueError: the file cannot be read, holds no certificate or a broken one, or c2pa-python is missing.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        date = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
    except OSError as error:
        raise ValueError(f"the trust list {path} cannot be read ({error.strerror}); check the path") from None
    blocks = PEM.findall(text)
    if not blocks:
        raise ValueError(f"the trust list {path.name} holds no certificate; give a file of PEM certificates")
    pem = "\n".join(blocks) + "\n"
    _check(pem, path.name)
    return TrustList(pem, TrustListFile(clean(path.name), date, len(blocks)))


def _check(pem: str, name: str) -> None:
    if c2pa_library.load() is None:
        raise ValueError(c2pa_library.MISSING)
    from cryptography import x509  # c2pa-python brings it

    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        reason = first_line(error, 80)
        raise ValueError(f"the trust list {name} holds a broken certificate ({reason}); download it again") from None
