"""The few properties of an XMP packet that tell where a picture comes from."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from aireal.evidence.provenance import Mark

from .clean_text import clean
from .generator_texts import text_mark
from .source_types import code_of

IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
XAP = "{http://ns.adobe.com/xap/1.0/}"
TIFF = "{http://ns.adobe.com/tiff/1.0/}"
PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
EXIF = "{http://ns.adobe.com/exif/1.0/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
MOST_BYTES = 4_000_000
MOST_VALUES = 4  # of one property


def read_xmp(packet: bytes | str) -> list[Mark]:
    """Source type, AI system, tool and camera of an XMP packet; none where it cannot be parsed.

    Entities and outside references are refused (defusedxml), so that a packet can neither grow nor read a file.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    packet = packet.encode("utf-8", "replace") if isinstance(packet, str) else packet
    if len(packet) > MOST_BYTES:
        return []
    try:
        root = fromstring(packet.strip(b"\0 \r\n\t"))
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return []
    return list(dict.fromkeys(_marks(root)))


def _marks(root: Element) -> Iterator[Mark]:
    for value in _values(root, f"{IPTC}DigitalSourceType"):
        if code := code_of(value):
            yield Mark("source_type", "XMP", code)
    for value in _values(root, f"{IPTC}AISystemUsed"):
        yield Mark("generator", "XMP AISystemUsed", clean(value))
    for value in _values(root, f"{EXIF}UserComment"):
        if mark := text_mark("XMP UserComment", value):
            yield mark
    for value in _labels(root):
        yield Mark("generator", "XMP AIGC", clean(value))
    make, model = (next(_values(root, f"{TIFF}{name}"), "") for name in ("Make", "Model"))
    if make or model:
        yield Mark("camera", "XMP", clean(f"{make} {model}"))
    for value in _values(root, f"{XAP}CreatorTool"):
        yield text_mark("XMP CreatorTool", value, program=True) or Mark("software", "XMP", clean(value))
    for value in _values(root, f"{PHOTOSHOP}Credit"):  # "Made with Google AI"
        if mark := text_mark("XMP Credit", value, program=True):
            yield mark


def _values(root: Element, name: str) -> Iterator[str]:
    """The values of a property, whether it is written as an attribute, a text, a resource or a list."""
    found = 0
    for element in root.iter():
        texts = [element.attrib.get(name)]
        if element.tag == name:
            texts += [
                element.text,
                element.attrib.get(f"{RDF}resource"),
                *(item.text for item in element.iter(f"{RDF}li")),
            ]
        for text in texts:
            if clean(text) and found < MOST_VALUES:
                found += 1
                yield text.strip()


def _labels(root: Element) -> Iterator[str]:
    """China's label of AI content (GB 45438-2025), a property AIGC that holds JSON, in a namespace that varies."""
    for element in root.iter():
        texts = [value for key, value in element.attrib.items() if key.endswith("}AIGC")]
        texts += [element.text] if isinstance(element.tag, str) and element.tag.endswith("}AIGC") else []
        yield from (text for text in texts if clean(text))
