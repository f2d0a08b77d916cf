"""The demonstration page: `python -m aireal app` or `make app` (docs/app.md)."""
