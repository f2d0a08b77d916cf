"""Content Credentials of real containers: valid, tampered, of unknown and known signers, kept elsewhere, damaged."""

from __future__ import annotations

import pytest

from aireal.evidence.provenance import Provenance
from aireal.provenance import c2pa_library
from aireal.provenance.credentials import has_credentials, read_credentials
from aireal.provenance.trust_list import read_trust_list
from aireal.provenance.wording import line
from helpers.images import encoded, noise
from helpers.signing import MIME, created_by, make_signer, signed, signed_and_expired

CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


@pytest.fixture(scope="module")
def signer():
    return make_signer()


@pytest.fixture(scope="module")
def files(signer) -> dict[str, bytes]:
    """A signed picture in each container."""
    return {form: signed(encoded(noise(3, 96), form), form, signer) for form in MIME}


@pytest.fixture
def trusted(signer, tmp_path):
    path = tmp_path / "list.pem"
    path.write_text(f"# signers\n{signer.root}", encoding="utf-8")
    return read_trust_list(path)


def words(credentials) -> str:
    return line(Provenance(credentials))[1]


@pytest.mark.people_have(
    "a picture with Content Credentials (C2PA)", "read", "signed by X: valid, not checked against a trust list"
)
@pytest.mark.parametrize("form", MIME)
def test_signer_and_generator_are_read_from_each_container(files, form):
    found = read_credentials(files[form])
    assert (found.state, found.signer, found.generator) == ("valid", "Test Organisation", "Painter")
    assert found.source_types == ("trainedAlgorithmicMedia",)
    assert "the certificate was not checked against a trust list" in words(found)


@pytest.mark.people_have(
    "a picture that was changed after it was signed", "read", "INVALID, the picture was changed after signing"
)
@pytest.mark.parametrize("form", MIME)
@pytest.mark.parametrize("known", [False, True], ids=["no list", "signer on the list"])
def test_a_picture_changed_after_signing_is_invalid(files, form, known, trusted):
    changed = bytearray(files[form])
    changed[_pixels_of(files[form], form)] ^= 1
    found = read_credentials(bytes(changed), trusted if known else None)
    assert found.state == "invalid"
    assert found.problems
    assert "INVALID" in words(found) and "trust list" not in words(found)


def _pixels_of(data: bytes, form: str) -> int:
    """The position of a byte of the picture, outside of the credentials and of the container's headers."""
    store = data.find(b"jumdc2pa")
    after, before = len(data) - 40, store - 300
    return after if form not in ("WEBP", "TIFF") else before


@pytest.mark.parametrize("text, problem", [(b"trainedAlgorithmic", "assertion"), (b"claim_generator_info", "claim")])
def test_changed_statements_are_invalid(files, text, problem):
    at = files["JPEG"].find(text)
    changed = files["JPEG"][:at] + b"X" + files["JPEG"][at + 1 :]
    found = read_credentials(changed)
    assert found.state == "invalid"
    assert found.problems == ("unreadable",) or found.problems[0].startswith(problem)


def test_credentials_moved_to_another_picture_are_invalid(files, signer):
    """The credentials of one JPEG, put into another."""
    other = encoded(noise(4, 96), "JPEG")
    start = files["JPEG"].find(b"\xff\xeb")
    length = int.from_bytes(files["JPEG"][start + 2 : start + 4], "big") + 2
    moved = other[:2] + files["JPEG"][start : start + length] + other[2:]
    assert read_credentials(moved).problems == ("assertion.dataHash.mismatch",)


def test_a_signer_on_the_list_is_trusted_and_the_list_is_named_with_its_date(files, trusted):
    found = read_credentials(files["JPEG"], trusted)
    assert found.state == "trusted"
    assert f"the signer is on the trust list list.pem ({trusted.file.date})" in words(found)


@pytest.mark.people_have(
    "credentials of a signer whom nobody vouches for", "read", "the trust list does not vouch for the signer"
)
def test_a_signer_with_a_famous_name_who_is_not_on_the_list_is_not_trusted(trusted):
    forged = signed(encoded(noise(5, 96), "JPEG"), "JPEG", make_signer("Adobe Inc."))
    found = read_credentials(forged, trusted)
    assert (found.state, found.signer) == ("valid", "Adobe Inc.")
    assert "does not vouch for the signer, and anybody can make a certificate with this name" in words(found)


def test_without_a_list_nobody_is_trusted(files):
    """The library brings no list of its own; if it did, the line would have to name it."""
    assert {read_credentials(data).state for data in files.values()} == {"valid"}


@pytest.mark.people_have("credentials that are cut off or damaged", "read", "INVALID, the credentials are damaged")
def test_damaged_credentials_are_invalid_and_not_absent(files):
    at = files["JPEG"].find(b"jumdc2pa")
    damaged = files["JPEG"][: at + 60] + bytes(40) + files["JPEG"][at + 100 :]
    found = read_credentials(damaged)
    assert (found.state, found.problems) == ("invalid", ("unreadable",))
    assert "damaged" in words(found)


def test_an_expired_certificate_without_a_time_stamp_is_invalid():
    data, _ = signed_and_expired(lambda signer: signed(encoded(noise(6, 96), "JPEG"), "JPEG", signer))
    found = read_credentials(data)
    assert found.problems == ("signingCredential.expired",)
    assert "the certificate has expired" in words(found)


def test_what_an_earlier_version_states_stands_apart(files, signer):
    edited = {
        "label": "c2pa.actions.v2",
        "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": CAPTURE}]},
    }
    manifest = {"claim_generator_info": [{"name": "Editor"}], "assertions": [edited]}
    found = read_credentials(signed(encoded(noise(3, 96), "JPEG"), "JPEG", signer, manifest, parent=files["JPEG"]))
    assert found.source_types == ("digitalCapture",)
    assert found.earlier_source_types == ("trainedAlgorithmicMedia",)
    assert "an earlier version or part: made by generative AI" in words(found)


def test_hostile_names_are_shown_as_one_short_line(signer):
    hostile = "\x1b[31m<script>alert(1)</script>\n\u202eevil" + "a" * 500
    found = read_credentials(signed(encoded(noise(3, 96), "PNG"), "PNG", signer, created_by(hostile)))
    assert found.generator.startswith("[31m<script>alert(1)</script> evilaaa")
    assert len(found.generator) <= 80
    assert not {"\x1b", "\n", "\u202e"} & set(found.generator)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP"])
def test_pictures_without_credentials_have_none(form):
    assert read_credentials(encoded(noise(1), form)) is None


def test_the_marker_tells_which_files_hold_credentials(files):
    assert all(has_credentials(data) for data in files.values())
    assert not has_credentials(encoded(noise(1), "JPEG", comment=b"c2pa"))


@pytest.mark.people_have(
    "a picture with Content Credentials where c2pa-python is missing", "read", "not read without c2pa-python"
)
def test_without_the_library_one_phrase_says_so(files, monkeypatch):
    monkeypatch.setattr(c2pa_library, "load", lambda: None)
    found = read_credentials(files["JPEG"])
    assert found.state == "not_read"
    assert "not read without c2pa-python: pip install" in words(found)
