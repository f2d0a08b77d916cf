"""Which superpixels spoke for `1_fake`: LIME for images (Ribeiro et al. 2016), with less noise and known uncertainty (docs/lime.md)."""

from .lime_image import LimeResult, explain, from_pictures, seed_of
from .perturb import superpixels

__all__ = ["LimeResult", "explain", "from_pictures", "seed_of", "superpixels"]
