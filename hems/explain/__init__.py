"""Reasons in words. Pure: a record, a plan and a site in, one sentence out."""

from hems.explain.ahead import Ahead, next_change
from hems.explain.english import consequence_of_silence, sentence
from hems.explain.events import MODE_WORDS, event_line, is_trouble
from hems.explain.headline import headline
from hems.explain.island import island_notice
from hems.explain.operator import limit_notice

__all__ = [
    "MODE_WORDS",
    "Ahead",
    "consequence_of_silence",
    "event_line",
    "headline",
    "is_trouble",
    "island_notice",
    "limit_notice",
    "next_change",
    "sentence",
]
