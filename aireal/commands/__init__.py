"""The commands of `python -m aireal`; each imports what it needs only when it is called, so that `--help` answers at once."""
