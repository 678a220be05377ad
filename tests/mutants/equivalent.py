"""Mutants of ``python -m benchmarks.mutation`` that change nothing anybody could see, each with its reason."""

EQUIVALENT: dict[str, str] = {}
