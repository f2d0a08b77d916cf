"""Texts that image generators write into a file: which they are, and what is shown of them."""

from __future__ import annotations

import re

from aireal.core.json_text import parse_json
from aireal.evidence.provenance import Mark

from .clean_text import clean

# Keys that no other program uses, by the generators that write them.
KEYS = {
    "parameters",  # Stable Diffusion web UI, Forge, Fooocus, SwarmUI
    "prompt",  # ComfyUI: the graph that was run
    "workflow",  # ComfyUI: the graph as it was drawn
    "invokeai_metadata",
    "invokeai_graph",
    "invokeai_workflow",
    "sd-metadata",  # InvokeAI before 3
    "dream",
    "fooocus_scheme",
    "sui_image_params",  # SwarmUI
    "generation_data",  # Tensor.Art
    "generation_time",  # NovelAI
    "aigc",  # China's label of AI content (GB 45438-2025)
}
NAMES = re.compile(  # of programs; in free text such words may be the picture's subject
    r"stable.?diffusion|midjourney|novelai|dall[·. -]?e\b|comfyui|invokeai|fooocus|automatic1111|swarmui|draw things|"
    r"firefly|google ai|\bimagen\b|\bgemini\b|\bopenai\b|chatgpt|gpt-image|\bflux\.?1|ideogram|leonardo\.ai|\bgrok\b|"
    r"bing image creator|nightcafe|made with ai|\bai[- ]generated|generated (?:by|with) ai",
    re.IGNORECASE,
)
# Settings of a sampler, as Stable Diffusion's programs write them: "Steps: 20, Sampler: Euler a, CFG scale: 7".
SETTINGS = re.compile(
    r"\bsteps:\s?\d{1,4}.{0,300}\b(?:sampler|seed|cfg scale):|\"(?:sampler|cfg_scale|sampler_name)\"", re.I | re.S
)
GRAPH = re.compile(r'"(class_type|last_node_id)"')  # ComfyUI's nodes
CHECKPOINT = re.compile(r'"(?:ckpt_name|unet_name|model_name)"\s*:\s*"([^"]{1,200})"')
MIDJOURNEY = re.compile(r"\bJob ID: [0-9a-f-]{36}")
MOST, SEARCHED = 200_000, 20_000  # characters of a text that are kept, and that are searched for settings and names


def text_mark(place: str, text: object, key: str = "", program: bool = False) -> Mark | None:
    """The mark of a generator in a text, or None where the text is not known as one.

    Args:
        place: where the text stands, e.g. "EXIF UserComment".
        text: the file's text.
        key: its key in the file, e.g. a PNG's "parameters".
        program: whether the text names a program, so that a generator's name counts.
    """
    if not isinstance(text, str) or not text.strip():
        return None
    text = text[:MOST]
    if GRAPH.search(text):
        return Mark("generator", place, _graph(text))
    start = text[:SEARCHED]
    known = key.lower() in KEYS or SETTINGS.search(start) or MIDJOURNEY.search(start)
    if known or (program and NAMES.search(start)):
        return Mark("generator", place, clean(_prompt(text)))
    return None


def _graph(text: str) -> str:
    """ComfyUI's graph is a program of thousands of characters; its checkpoint says most."""
    checkpoint = CHECKPOINT.search(text)
    return clean(f"ComfyUI, {checkpoint[1]}" if checkpoint else "ComfyUI")


def _prompt(text: str) -> str:
    """The prompt out of a JSON object; any other text as it is."""
    if text.lstrip().startswith("{"):
        try:
            values = parse_json(text)
        except ValueError:
            return text
        for key in ("prompt", "positive_prompt", "Prompt", "c"):
            if isinstance(values.get(key), str) and values[key].strip():
                return values[key]
    return text
