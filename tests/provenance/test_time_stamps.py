"""A certificate that has expired since it signed: a time stamp keeps the credentials valid, but not trusted."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from aireal.provenance.credentials import read_credentials
from aireal.provenance.trust_list import read_trust_list
from helpers.images import encoded, noise
from helpers.local_server import noting_server
from helpers.signing import make_signer, signed, signed_and_expired

CONFIGURATION = """[tsa]
default_tsa = it
[it]
serial = {folder}/serial
signer_cert = {folder}/certificate.pem
certs = {folder}/certificate.pem
signer_key = {folder}/key.pem
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
"""

TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl plays the time-stamp authority")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A time-stamp authority, and the function that answers requests (RFC 3161)."""
    folder, authority = tmp_path_factory.mktemp("authority"), make_signer("Test Time", purpose=TIME_STAMPING)
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "certificate.pem").write_text(authority.chain)
    (folder / "key.pem").write_bytes(authority.key.private_bytes(serialization.Encoding.PEM, form, plain))
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder))

    def answer(body: bytes) -> bytes:
        (folder / "query").write_bytes(body)
        command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return (folder / "reply").read_bytes()

    return authority, answer


@pytest.fixture(scope="module")
def expired(authority):
    """A picture with a time stamp whose certificate has expired, and its signer."""
    picture = encoded(noise(3, 96), "JPEG")
    with noting_server(authority[1]) as server:
        return signed_and_expired(lambda signer: signed(picture, "JPEG", signer, time_stamps=server.address))


def test_the_credentials_stay_valid(expired):
    found = read_credentials(expired[0])
    assert (found.state, found.problems) == ("valid", ())
    assert found.signed.startswith("20")


def test_a_list_of_signers_alone_does_not_vouch_for_the_time(expired, tmp_path):
    data, signer = expired
    (tmp_path / "signers.pem").write_text(signer.root)
    assert read_credentials(data, read_trust_list(tmp_path / "signers.pem")).state == "valid"


def test_a_list_that_holds_the_authority_too_does(authority, expired, tmp_path):
    data, signer = expired
    (tmp_path / "both.pem").write_text(signer.root + authority[0].root)
    assert read_credentials(data, read_trust_list(tmp_path / "both.pem")).state == "trusted"


def test_a_changed_picture_stays_invalid(expired):
    data = bytearray(expired[0])
    data[-40] ^= 1
    assert read_credentials(bytes(data)).problems == ("assertion.dataHash.mismatch",)
