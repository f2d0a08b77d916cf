"""A dataset root: what lies in it, how it is checked, and how the sample is built."""
