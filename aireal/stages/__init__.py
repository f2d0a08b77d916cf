"""The stages of the pipeline, one module each, as notebooks and commands call them."""
