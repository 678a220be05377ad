"""Ports against the real world: files, processes, clocks."""
