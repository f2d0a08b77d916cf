"""Fuzzing: damaged files of every kind that the package reads, each following from a seed and a number."""
