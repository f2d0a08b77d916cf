"""Pictures with Content Credentials, signed in the test by certificates that the test makes."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MIME = {form: f"image/{form.lower()}" for form in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF")}
CURVE = ec.SECP256R1()
CA, LEAF = (x509.BasicConstraints(ca=ca, path_length=None) for ca in (True, False))


@dataclass(frozen=True)
class Signer:
    """A certificate with its key: `chain` (own certificate first) and `root` as PEM."""

    key: ec.EllipticCurvePrivateKey
    chain: str
    root: str

    def wait_until_expired(self) -> None:
        certificate = x509.load_pem_x509_certificate(self.chain.encode())
        time.sleep(max(0.0, (certificate.not_valid_after_utc - datetime.now(UTC)).total_seconds() + 1))

    def sign(self, data: bytes) -> bytes:
        r, s = utils.decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def make_signer(
    organisation: str = "Test Organisation",
    ocsp: str = "",
    valid_for: timedelta | None = None,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
) -> Signer:
    """A signer of a root of its own.

    Args:
        ocsp: address of the responder that the certificate names.
        purpose: `EMAIL_PROTECTION`, which C2PA accepts for signers, or `TIME_STAMPING`.
    """
    start = datetime.now(UTC) - timedelta(seconds=5)
    root_key, key = ec.generate_private_key(CURVE), ec.generate_private_key(CURVE)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Root")])
    root = _builder(name, name, root_key, start, timedelta(days=3650))
    root = root.add_extension(CA, critical=True).add_extension(_usage(signs_certificates=True), critical=True)
    subject = [(NameOID.COMMON_NAME, "Test Signer"), (NameOID.ORGANIZATION_NAME, organisation)]
    subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in subject])
    leaf = _builder(subject, name, key, start, valid_for or timedelta(days=300))
    leaf = leaf.add_extension(LEAF, critical=True).add_extension(_usage(signs_certificates=False), critical=True)
    stamps = purpose == ExtendedKeyUsageOID.TIME_STAMPING  # openssl wants it critical then
    leaf = leaf.add_extension(x509.ExtendedKeyUsage([purpose]), critical=stamps)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    leaf = leaf.add_extension(issuer, critical=False)
    if ocsp:
        at = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))
        leaf = leaf.add_extension(x509.AuthorityInformationAccess([at]), critical=False)
    root_pem, leaf_pem = (
        made.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode() for made in (root, leaf)
    )
    return Signer(key, leaf_pem + root_pem, root_pem)


def _builder(subject, issuer, key, start, duration) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + duration)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    usage = {name: False for name in (*names, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")}
    return x509.KeyUsage(**usage | {"key_cert_sign" if signs_certificates else "digital_signature": True})


def created_by(program: str = "Painter", source_type: str = AI) -> dict:
    """The manifest of a picture that a program created."""
    action = {"action": "c2pa.created", "softwareAgent": {"name": program}, "digitalSourceType": source_type}
    actions = {"label": "c2pa.actions.v2", "data": {"actions": [action]}}
    return {"claim_generator_info": [{"name": program}], "assertions": [actions]}


def signed(
    picture: bytes,
    form: str,
    signer: Signer,
    manifest: dict | None = None,
    remote: str = "",
    parent: bytes = b"",
    time_stamps: str = "",
) -> bytes:
    """The encoded picture with Content Credentials.

    Args:
        remote: an address at which the credentials are said to be kept; they are then not in the file.
        parent: an earlier version, in the same format.
        time_stamps: address of a time-stamp authority.
    """
    settings = {"verify": {"verify_after_sign": False}, "builder": {"thumbnail": {"enabled": False}}}
    out = io.BytesIO()
    with (
        c2pa.Context.from_dict(settings) as context,
        c2pa.Signer.from_callback(signer.sign, c2pa.C2paSigningAlg.ES256, signer.chain, time_stamps or None) as native,
        c2pa.Builder(json.dumps(manifest or created_by()), context=context) as builder,
    ):
        if remote:
            builder.set_no_embed()
            builder.set_remote_url(remote)
        if parent:
            about = {"title": "parent", "relationship": "parentOf"}
            builder.add_ingredient(json.dumps(about), MIME[form], io.BytesIO(parent))
        builder.sign(native, MIME[form], io.BytesIO(picture), out)
    return out.getvalue()


def signed_and_expired(sign: Callable[[Signer], bytes]) -> tuple[bytes, Signer]:
    """What `sign` makes with a certificate that expires right afterwards, and its signer.

    The library signs with no expired certificate, so a slow machine gets a longer one.
    """
    for seconds in (9, 40, 160):
        signer = make_signer(valid_for=timedelta(seconds=seconds))
        try:
            data = sign(signer)
        except c2pa.C2paError:
            continue
        signer.wait_until_expired()
        return data, signer
    raise AssertionError("this machine is too slow to sign a picture in 160 s")
