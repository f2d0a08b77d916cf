"""A C2PA manifest as JSON: what it names as the picture's maker and as its source. Nothing in it can be relied on."""

from __future__ import annotations

from collections.abc import Iterator

from .clean_text import clean
from .source_types import BY_AI, code_of

ACTIONS = ("c2pa.actions", "c2pa.actions.v2")
SOURCE_TYPE_KEYS = ("Iptc4xmpExt:DigitalSourceType", "digitalSourceType")  # of metadata assertions
MOST_TYPES = 4


def source_types(manifests: list[dict]) -> tuple[str, ...]:
    """The IPTC codes that the manifests state, each once, those of AI first, at most `MOST_TYPES`."""
    codes = [code for manifest in manifests for code in _stated(manifest) if code]
    first = sorted(dict.fromkeys(codes), key=lambda code: code not in BY_AI)
    return tuple(first[:MOST_TYPES])


def _stated(manifest: dict) -> Iterator[str]:
    for action in _actions(manifest):
        yield code_of(action.get("digitalSourceType"))
    for assertion in _dicts(manifest.get("assertions")):
        data = assertion.get("data")
        if isinstance(data, dict):
            yield from (code_of(data.get(key)) for key in SOURCE_TYPE_KEYS)


def generator(manifest: dict) -> str:
    """The program that made the picture, and in brackets the one that wrote the credentials if that is another.

    C2PA 2 names both as objects, C2PA 1 as texts such as `Adobe_Photoshop/23.3 c2pa-rs/0.1`.
    """
    agent, tool = _agent(manifest), _claim_generator(manifest)
    if not agent or not tool or agent.lower() in tool.lower():
        return clean(tool or agent)
    return clean(agent if tool.lower() in agent.lower() else f"{agent} ({tool})")


def _agent(manifest: dict) -> str:
    """The program of the action that created the picture, or of the first that used AI."""
    for action in _actions(manifest):
        if action.get("action") == "c2pa.created" or code_of(action.get("digitalSourceType")) in BY_AI:
            return _program(action.get("softwareAgent"))
    return ""


def _claim_generator(manifest: dict) -> str:
    for info in _dicts(manifest.get("claim_generator_info")):
        if name := _program(info):
            return name
    words = clean(manifest.get("claim_generator"), 400).split()
    return words[0].split("/")[0].replace("_", " ") if words else ""


def _program(value: object) -> str:
    if not isinstance(value, dict):
        return clean(value)
    return clean(f"{clean(value.get('name'))} {clean(value.get('version'), 20)}")


def _actions(manifest: dict) -> Iterator[dict]:
    for assertion in _dicts(manifest.get("assertions")):
        data = assertion.get("data")
        label = str(assertion.get("label")).split("__")[0]  # a second assertion of a kind is c2pa.actions__1
        if label not in ACTIONS or not isinstance(data, dict):
            continue
        agents = list(_dicts(data.get("softwareAgents")))
        for action in _dicts(data.get("actions")):
            index = action.get("softwareAgentIndex")
            listed = isinstance(index, int) and 0 <= index < len(agents)
            yield {"softwareAgent": agents[index], **action} if listed else action


def _dicts(value: object) -> Iterator[dict]:
    values = value if isinstance(value, list) else [value]
    return (item for item in values if isinstance(item, dict))
