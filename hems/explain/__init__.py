"""Reasons in words. Pure: a record and a site in, one sentence out."""

from hems.explain.english import sentence

__all__ = ["sentence"]
