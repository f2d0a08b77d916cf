"""Unsigned marks of files as generators, cameras and editors write them; damaged and hostile metadata."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from aireal.evidence.provenance import Mark
from aireal.provenance.clean_text import MOST, clean
from aireal.provenance.credentials import STORE
from aireal.provenance.png_texts import MOST_BYTES, MOST_TOGETHER, read_png_texts
from aireal.provenance.read_file import read_marks, read_provenance
from helpers.images import encoded, noise

PICTURE = noise(1)
SETTINGS = "a cat in the rain\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Model: x"
GRAPH = json.dumps({"4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "dream.safetensors"}}})
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/">{}</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
AS_ATTRIBUTE = XMP.format(f'<rdf:Description rdf:about="" e:DigitalSourceType="{SOURCE}"/>')
AS_TEXT = XMP.format(f"<rdf:Description><e:DigitalSourceType>{SOURCE}</e:DigitalSourceType></rdf:Description>")
AS_RESOURCE = XMP.format(f'<rdf:Description><e:DigitalSourceType rdf:resource="{SOURCE}"/></rdf:Description>')
BY_AI = Mark("source_type", "XMP", "trainedAlgorithmicMedia")


def png(texts: dict[str, str] | None = None, compressed: bool = False, xmp: str = "") -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, text in (texts or {}).items():
        info.add_text(key, text, zip=compressed)
    if xmp:
        info.add_itxt("XML:com.adobe.xmp", xmp)
    return encoded(PICTURE, "PNG", pnginfo=info)


def exif(fields: dict[int, object], comment: bytes = b"") -> Image.Exif:
    made = Image.Exif()
    made.update(fields)
    if comment:
        made.get_ifd(0x8769)[0x9286] = comment
    return made


@pytest.mark.people_have("a picture with IPTC's DigitalSourceType", "read", "source type (XMP): made by generative AI")
@pytest.mark.parametrize("packet", [AS_ATTRIBUTE, AS_TEXT, AS_RESOURCE], ids=["attribute", "text", "resource"])
@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG", "AVIF", "TIFF"])
def test_the_source_type_is_read_however_xmp_writes_it(form, packet):
    if form == "PNG":
        data = png(xmp=packet)
    elif form == "TIFF":
        data = encoded(PICTURE, "TIFF", tiffinfo={700: packet.encode()})
    else:
        data = encoded(PICTURE, form, xmp=packet.encode())
    assert read_marks(data) == (BY_AI,)


@pytest.mark.people_have(
    "a PNG with a generator's prompt or workflow", "read", "generator's text (PNG text parameters): the prompt"
)
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize(
    "key, text, shown",
    [
        ("parameters", SETTINGS, "a cat in the rain Negative prompt: dog"),
        ("prompt", GRAPH, "ComfyUI, dream.safetensors"),
        ("workflow", json.dumps({"last_node_id": 9, "nodes": []}), "ComfyUI"),
        ("Comment", json.dumps({"prompt": "1girl", "sampler": "k_euler"}), "1girl"),  # NovelAI
        ("Software", "NovelAI", "NovelAI"),
        ("invokeai_metadata", json.dumps({"positive_prompt": "a hill"}), "a hill"),
        ("Description", "a fox --v 6 Job ID: 01234567-89ab-cdef-0123-456789abcdef", "a fox --v 6"),  # Midjourney
    ],
)
def test_texts_of_generators_are_read_from_png(key, text, shown, compressed):
    (mark,) = read_marks(png({key: text}, compressed))
    assert (mark.kind, mark.place) == ("generator", f"PNG text {key}")
    assert mark.text.startswith(shown)


def test_a_compressed_text_that_pillow_refuses_is_read():
    """ComfyUI's graphs grow beyond the megabyte at which Pillow gives up."""
    assert read_marks(png({"workflow": GRAPH + " " * 3_000_000}, compressed=True))[0].text.startswith("ComfyUI")


def test_a_text_behind_the_pixels_with_a_wrong_checksum_is_read():
    data = png()
    body = b"tEXtparameters\0" + SETTINGS.encode()
    chunk = (len(body) - 4).to_bytes(4, "big") + body + b"\0\0\0\0"
    assert read_marks(data[:-12] + chunk + data[-12:])[0].text.startswith("a cat")


@pytest.mark.parametrize("order", ["utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG", "AVIF"])
def test_settings_are_read_from_the_user_comment(form, order):
    data = encoded(PICTURE, form, exif=exif({0x0132: "2026:01:31 12:00:00"}, b"UNICODE\0" + SETTINGS.encode(order)))
    (mark,) = read_marks(data)
    assert (mark.kind, mark.place) == ("generator", "EXIF UserComment")
    assert mark.text.startswith("a cat in the rain")


def test_a_graph_in_the_camera_field_is_no_camera():
    """ComfyUI writes its graphs into Make and Model of a WebP."""
    marks = read_marks(encoded(PICTURE, "WEBP", exif=exif({0x010F: "workflow:" + GRAPH, 0x0110: "prompt:" + GRAPH})))
    assert {mark.kind for mark in marks} == {"generator"}


@pytest.mark.people_have("a photograph with a camera's EXIF", "read", "camera (EXIF): Canon EOS R5")
@pytest.mark.parametrize("make, model", [("Canon", "Canon EOS R5"), ("Canon", "EOS R5")])
def test_the_camera_is_named_once(make, model):
    assert read_marks(encoded(PICTURE, "JPEG", exif=exif({0x010F: make, 0x0110: model}))) == (
        Mark("camera", "EXIF", "Canon EOS R5"),
    )


@pytest.mark.parametrize("text", ["Adobe Photoshop 26.1 (Windows)", "GIMP 3.0"])
def test_an_editor_is_software_and_no_generator(text):
    assert read_marks(encoded(PICTURE, "JPEG", exif=exif({0x0131: text}))) == (Mark("software", "EXIF", text),)


@pytest.mark.parametrize("text", ["A firefly at night", "Gemini 4 in orbit", "steps: up", "Made by OpenAI fans"])
def test_a_caption_that_mentions_a_name_is_no_mark(text):
    assert read_marks(encoded(PICTURE, "JPEG", exif=exif({0x010E: text}), comment=text)) == ()
    assert read_marks(png({"Description": text, "Comment": text})) == ()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_plain_picture_has_no_marks(form):
    assert read_marks(encoded(PICTURE, form)) == ()


def test_an_entity_bomb_and_an_outside_entity_are_refused(tmp_path):
    (tmp_path / "secret").write_text("secret")
    bomb = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "x" * 100}">' for i in range(12))
    for entities, name in ((bomb, "a11"), (f'<!ENTITY e SYSTEM "file://{tmp_path}/secret">', "e")):
        packet = f"<!DOCTYPE x [{entities}]>{AS_TEXT.replace(SOURCE, f'&{name};')}"
        packet = packet.replace('<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>', "")
        assert read_marks(encoded(PICTURE, "JPEG", xmp=packet.encode())) == ()


def test_a_compressed_bomb_is_not_unpacked():
    body = b"zTXtparameters\0\0" + zlib.compress(b"x" * 30_000_000, 9)
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    data = png()
    assert len(read_marks(data[:-12] + chunk + data[-12:])[0].text) <= MOST


def test_many_compressed_texts_are_not_all_unpacked():
    packed = zlib.compress(b"x" * MOST_BYTES, 9)
    bodies = (b"zTXtkey%d\0\0" % number + packed for number in range(40))
    chunks = b"".join((len(b) - 4).to_bytes(4, "big") + b + zlib.crc32(b).to_bytes(4, "big") for b in bodies)
    data = png()
    texts = read_png_texts(data[:-12] + chunks + data[-12:]).texts
    assert MOST_TOGETHER < sum(map(len, texts.values())) <= MOST_TOGETHER + MOST_BYTES


def inflated(below: bool) -> bytes:
    """An EXIF block of 2,000 tags that all point at the same 60,000 bytes, in its first directory or the one below."""
    tags = b"".join(struct.pack("<HHII", 0xA000 + number, 7, 60_000, 0) for number in range(2000))
    directory = struct.pack("<H", 2000) + tags + bytes(4)
    if not below:
        return b"Exif\0\0" + b"II*\0" + struct.pack("<I", 8) + directory + bytes(40_000)
    pointer = struct.pack("<HHHIII", 1, 0x8769, 4, 1, 26, 0)
    return b"Exif\0\0" + b"II*\0" + struct.pack("<I", 8) + pointer + directory + bytes(40_000)


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG", "AVIF"])
def test_tags_that_point_at_the_same_bytes_take_no_memory(form, below):
    data = encoded(PICTURE, form, exif=inflated(below))
    tracemalloc.start()
    try:
        assert read_marks(data) == ()
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20, "reading the tags takes 120 MB"
    finally:
        tracemalloc.stop()


def test_a_comment_of_megabytes_in_a_gif_is_not_read():
    data = encoded(PICTURE, "GIF")
    block = b"\xff" + SETTINGS.encode().ljust(255, b" ")
    comment = b"\x21\xfe" + block * 8000 + b"\0"
    screen = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    assert read_marks(data[:screen] + b"\x21\xfe" + block + b"\0" + data[screen:])[0].kind == "generator"
    assert read_marks(data[:screen] + comment + data[screen:]) == ()


@pytest.mark.parametrize("data", [png(), STORE + png()])
def test_a_fault_of_the_library_for_credentials_costs_no_picture(data, monkeypatch):
    def fail(*_):
        raise AttributeError("'list' object has no attribute 'get'")

    monkeypatch.setattr("aireal.provenance.read_file.read_credentials", fail)
    found = read_provenance(data).credentials
    assert (found.state, found.problems) == ("invalid", ("unreadable",)) if data.startswith(STORE) else found is None


def test_deep_json_does_not_end_the_run():
    assert read_marks(png({"parameters": '{"a":' * 50_000}))[0].kind == "generator"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_metadata_never_raise(data):
    whole = data.draw(st.sampled_from(DAMAGED))
    at, values = data.draw(st.integers(2, len(whole) - 1)), data.draw(st.binary(min_size=1, max_size=12))
    read_marks(whole[:at] + values + whole[at + len(values) :])
    read_marks(whole[:at])


DAMAGED = [
    encoded(PICTURE, form, exif=exif({0x010F: "Canon"}, b"UNICODE\0" + b"\0a" * 20), xmp=AS_TEXT.encode())
    for form in ("JPEG", "WEBP", "AVIF")
] + [png({"parameters": SETTINGS, "prompt": GRAPH}, True, AS_TEXT)]


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_a_cleaned_text_is_one_visible_short_line(text):
    shown = clean(text)
    assert len(shown) <= MOST
    assert shown == shown.strip() and "  " not in shown
    assert shown.isprintable()
