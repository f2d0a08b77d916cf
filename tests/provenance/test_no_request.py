"""Nothing is sent: neither to a host that keeps credentials, nor to the responder that a certificate names."""

from __future__ import annotations

import io
import socket

import c2pa
import pytest

from aireal.evidence.provenance import Provenance
from aireal.provenance.read_file import read_provenance
from aireal.provenance.trust_list import read_trust_list
from aireal.provenance.wording import line
from helpers.images import encoded, noise
from helpers.local_server import noting_server
from helpers.signing import make_signer, signed


@pytest.fixture
def no_python_sockets(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a connection was opened")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.fault(
    "network",
    "a picture whose credentials lie at a host",
    "they are not in the file, and were not fetched",
    "no request leaves the machine, and the picture is read",
)
@pytest.mark.people_have(
    "a picture whose Content Credentials are kept by a host", "read", "kept at HOST, not in the file, and not fetched"
)
def test_credentials_at_a_host_are_named_and_not_fetched(no_python_sockets):
    with noting_server() as server:
        data = signed(encoded(noise(1, 96), "JPEG"), "JPEG", make_signer(), remote=f"{server.address}/a.c2pa")
        found = read_provenance(data).credentials
        assert (found.state, found.host) == ("elsewhere", "127.0.0.1")
        assert server.connections == 0  # the library's own sockets, too
    assert "not in the file, and were not fetched" in line(Provenance(found))[1]


def test_the_library_would_ask_if_it_were_left_as_it_comes():
    """The test above would notice a request."""
    with noting_server() as server:
        data = signed(encoded(noise(1, 96), "JPEG"), "JPEG", make_signer(), remote=f"{server.address}/a.c2pa")
        with pytest.raises(c2pa.C2paError), c2pa.Context.from_dict({}) as context:
            c2pa.Reader(None, io.BytesIO(data), context=context)
        assert server.connections == 1


@pytest.mark.parametrize("known", [False, True], ids=["no list", "signer on the list"])
def test_the_responder_of_a_certificate_is_not_asked(no_python_sockets, tmp_path, known):
    with noting_server() as server:
        signer = make_signer(ocsp=f"{server.address}/ocsp")
        (tmp_path / "list.pem").write_text(signer.root, encoding="utf-8")
        trust_list = read_trust_list(tmp_path / "list.pem") if known else None
        data = signed(encoded(noise(1, 96), "PNG"), "PNG", signer)
        assert read_provenance(data, trust_list).credentials.state == ("trusted" if known else "valid")
        assert server.connections == 0


def test_addresses_in_xmp_are_not_asked(no_python_sockets):
    with noting_server() as server:
        packet = f"""<!DOCTYPE x SYSTEM "{server.address}/x.dtd"><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="{server.address}"
xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{server.address}/a.c2pa"/></rdf:RDF></x:xmpmeta>"""
        data = encoded(noise(1, 96), "JPEG", xmp=packet.encode())
        assert read_provenance(data).marks == ()
        assert server.connections == 0
