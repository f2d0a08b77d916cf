"""LIME for images (Ribeiro et al. 2016): the weights of superpixels for the class `1_fake`.

The masks give less noise than independent ones, and each weight has a 95% interval (docs/lime.md).
"""

from .lime_image import LimeResult, PredictKept, ReportProgress, explain, seed_from_digest, wrap_picture_model
from .perturb import superpixels

__all__ = [
    "LimeResult",
    "PredictKept",
    "ReportProgress",
    "explain",
    "seed_from_digest",
    "superpixels",
    "wrap_picture_model",
]
