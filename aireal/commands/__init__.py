"""The commands of `python -m aireal`, one dataclass each.

A command imports what it needs only when it is called, so that `--help` answers at once.
"""
