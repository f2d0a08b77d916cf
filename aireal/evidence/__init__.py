"""The evidence record: what was measured of one picture, and the one object that every later stage reads."""
