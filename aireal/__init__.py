"""AI-made image or real photograph: a verdict, and an explanation that can be checked."""

__version__ = "0.1.0"

LABELS = ("0_real", "1_fake")  # folder names; the number is the label
