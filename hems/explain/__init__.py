"""Reasons in words. Pure: a record, a plan and a site in, one sentence out."""

from hems.explain.ahead import Ahead, next_change
from hems.explain.english import sentence

__all__ = ["Ahead", "next_change", "sentence"]
