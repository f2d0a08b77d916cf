"""What a picture's file says of itself, as an optional part of the evidence record. All texts are the file's own."""

from __future__ import annotations

from dataclasses import dataclass

CREDENTIAL_STATES = ("trusted", "valid", "invalid", "elsewhere", "not_read")
MARK_KINDS = ("source_type", "generator", "camera", "software")


@dataclass(frozen=True)
class TrustListFile:
    """The list of trusted certificates that a check used: file name, its date (ISO 8601) and number of certificates."""

    name: str
    date: str
    certificates: int


@dataclass(frozen=True)
class Credentials:
    """The Content Credentials (C2PA) of a file.

    Attributes:
        state: "trusted": unchanged since a certificate of the trust list signed it; "valid": unchanged since it was
            signed by anybody; "invalid": changed after signing, or not verifiable; "elsewhere": the file only names a
            host that keeps them, which was not asked; "not_read": the library that reads them is missing.
        signer: the organisation that the signing certificate names. Unless the state is "trusted", anybody may have
            made that certificate.
        generator: the program that the credentials name as the picture's maker.
        source_types: IPTC codes of the digital source types that the newest version states.
        earlier_source_types: those that only earlier versions and ingredients state.
        signed: when a time stamp says that it was signed, ISO 8601; "" without one.
        problems: C2PA's status codes of what failed; "unreadable" where the credentials cannot be parsed.
        host: where state is "elsewhere", the host that keeps them.
        trust_list: None where none was given.
    """

    state: str
    signer: str = ""
    generator: str = ""
    source_types: tuple[str, ...] = ()
    earlier_source_types: tuple[str, ...] = ()
    signed: str = ""
    problems: tuple[str, ...] = ()
    host: str = ""
    trust_list: TrustListFile | None = None


@dataclass(frozen=True)
class Mark:
    """One unsigned mark: its kind (`MARK_KINDS`), where it stands ("XMP", "EXIF", "PNG text prompt"), and its text."""

    kind: str
    place: str
    text: str


@dataclass(frozen=True)
class Provenance:
    """What the file says of itself. It proves nothing by its absence, and anybody can write or remove the marks.

    Attributes:
        credentials: None where the file has none.
        marks: in the order in which they are shown; empty where there are none.
    """

    credentials: Credentials | None = None
    marks: tuple[Mark, ...] = ()

    @classmethod
    def from_dict(cls, values: dict) -> Provenance:
        """The provenance of a parsed JSON object."""
        return cls(_credentials(values.get("credentials")), tuple(Mark(**mark) for mark in values.get("marks", ())))


def _credentials(values: dict | None) -> Credentials | None:
    if not values:
        return None
    lists = {name: tuple(values.get(name, ())) for name in ("source_types", "earlier_source_types", "problems")}
    trust_list = values.get("trust_list")
    return Credentials(**{**values, **lists, "trust_list": TrustListFile(**trust_list) if trust_list else None})
