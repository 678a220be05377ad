"""Prices and weather from public services, each with a named fallback."""
