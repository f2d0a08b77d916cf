"""The maker's name and the source type in manifests as different programs write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.provenance.manifest import generator, source_types

URI = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def manifest(actions: list[dict], label: str = "c2pa.actions.v2", agents: list | None = None, **more) -> dict:
    data = {"actions": actions} | ({"softwareAgents": agents} if agents else {})
    return {"assertions": [{"label": label, "data": data}], **more}


SHAPES = {
    "C2PA 1: texts": (
        manifest(
            [
                {
                    "action": "c2pa.created",
                    "softwareAgent": "Adobe Firefly",
                    "digitalSourceType": URI + "trainedAlgorithmicMedia",
                }
            ],
            "c2pa.actions",
            claim_generator="Adobe_Photoshop/25.0 adobe_c2pa/0.7 c2pa-rs/0.25",
        ),
        "Adobe Firefly (Adobe Photoshop)",
        ("trainedAlgorithmicMedia",),
    ),
    "C2PA 2: objects": (
        manifest(
            [
                {
                    "action": "c2pa.created",
                    "softwareAgent": {"name": "GPT-4o"},
                    "digitalSourceType": URI + "trainedAlgorithmicMedia",
                },
                {"action": "c2pa.converted", "softwareAgent": {"name": "OpenAI API"}},
            ],
            claim_generator_info=[{"name": "ChatGPT", "org.cai.c2pa_rs": "0.51"}],
        ),
        "GPT-4o (ChatGPT)",
        ("trainedAlgorithmicMedia",),
    ),
    "no program named by the action": (
        manifest(
            [
                {
                    "action": "c2pa.created",
                    "description": "Created by Google Generative AI.",
                    "digitalSourceType": URI + "trainedAlgorithmicMedia",
                }
            ],
            claim_generator_info=[{"name": "Google C2PA Core Generator Library", "version": "1"}],
        ),
        "Google C2PA Core Generator Library 1",
        ("trainedAlgorithmicMedia",),
    ),
    "a list of programs": (
        manifest(
            [{"action": "c2pa.created", "softwareAgentIndex": 1, "digitalSourceType": URI + "digitalCapture"}],
            agents=[{"name": "A"}, {"name": "Camera", "version": "2"}],
        ),
        "Camera 2",
        ("digitalCapture",),
    ),
    "a captured picture edited by AI": (
        manifest(
            [
                {"action": "c2pa.opened"},
                {
                    "action": "c2pa.edited",
                    "softwareAgent": "Fill",
                    "digitalSourceType": URI + "compositeWithTrainedAlgorithmicMedia",
                },
            ],
            claim_generator_info=[{"name": "Editor"}],
        ),
        "Fill (Editor)",
        ("compositeWithTrainedAlgorithmicMedia",),
    ),
    "a blank canvas": (
        manifest([{"action": "c2pa.created", "digitalSourceType": "http://c2pa.org/digitalsourcetype/empty"}]),
        "",
        (),
    ),
    "metadata in an assertion": (
        {"assertions": [{"label": "stds.iptc", "data": {"Iptc4xmpExt:DigitalSourceType": URI + "digitalCapture"}}]},
        "",
        ("digitalCapture",),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_maker_and_the_source_are_found(shape):
    value, maker, sources = SHAPES[shape]
    assert generator(value) == maker
    assert source_types([value]) == sources


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["assertions", "label", "data", "actions", "softwareAgent", "softwareAgents", "name"]),
            inner | st.sampled_from(["c2pa.actions"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_any_json_is_read_without_an_error(value):
    found = {"assertions": value, "claim_generator_info": value, "claim_generator": value}
    assert len(generator(found)) <= 80
    assert len(source_types([found])) <= 4
