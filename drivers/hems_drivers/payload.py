"""What stands in a payload: a number, or the state of a switch. Nothing here raises on any bytes."""

import json
import math
import re

from hems.domain.wiring import MqttRelay

PAYLOAD_MAX_BYTES = 65_536
MAGNITUDE_MAX = 1e7
"""10 MW: no house has it, and no temperature. What a device can have is judged where its nameplate is known."""
NUMBER = re.compile(rb"\s*([+-]?\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,2})?)\s*")
ON_WORDS, OFF_WORDS = frozenset({"on", "true", "1"}), frozenset({"off", "false", "0"})
NOTHING_WORDS = frozenset({"none", "null"})
Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def number(payload: bytes, path: tuple[str, ...]) -> float | None:
    """The number at a path of a JSON payload, or the whole payload where the path is empty.

    None for everything that is no plain finite number: NaN, infinities, text (even of digits, inside JSON), booleans,
    null, numbers beyond :data:`MAGNITUDE_MAX`, a path that leads nowhere, a payload that is no JSON or too long.
    """
    if len(payload) > PAYLOAD_MAX_BYTES:
        return None
    if not path:
        plain = NUMBER.fullmatch(payload)
        return None if plain is None else _bounded(float(plain.group(1)))
    found = _at(payload, path)
    # bool is an int in Python, and no measurement anywhere.
    return _bounded(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def text(payload: bytes, path: tuple[str, ...]) -> str | None:
    """What stands at a path of a JSON payload, to be compared with another time; None where nothing does."""
    found = _at(payload, path) if len(payload) <= PAYLOAD_MAX_BYTES else None
    return None if found is None or isinstance(found, _Absent) else str(found)


def says_nothing(payload: bytes, path: tuple[str, ...]) -> bool:
    """Whether a payload, or a path of it, says that there is no value: null or "none".

    An empty message does not: so a topic is cleared at a broker, whoever does it.
    """
    if len(payload) > PAYLOAD_MAX_BYTES:
        return False
    if path:
        found = _at(payload, path)
        return found is None or (isinstance(found, str) and found.strip().lower() in NOTHING_WORDS)
    return payload.decode("utf-8", errors="replace").strip().lower() in NOTHING_WORDS


def is_on(payload: bytes, relay: MqttRelay) -> bool | None:
    """What a relay says of itself; None where it is neither on nor off."""
    return is_word(payload, relay.state.path, yes=relay.on, no=relay.off)


def is_word(payload: bytes, path: tuple[str, ...], *, yes: str, no: str) -> bool | None:
    """Which of two words is said; None where it is neither.

    The words count first, as written; then, in any case, on/off, true/false and 1/0, because many devices take
    commands in one form and tell their state in another.
    """
    if len(payload) > PAYLOAD_MAX_BYTES:
        return None
    found = _at(payload, path) if path else payload.decode("utf-8", errors="replace").strip()
    if not isinstance(found, str | bool | int):
        return None
    word = str(found)
    if word in (yes, no):
        return word == yes
    if any(each.isdigit() and each not in ("0", "1") for each in (yes, no)):
        return None  # numbers of the device's own: 1 and 0 mean nothing there
    word = word.lower()
    if yes.lower() in OFF_WORDS and no.lower() in ON_WORDS:
        return True if word in OFF_WORDS else False if word in ON_WORDS else None
    return True if word in ON_WORDS else False if word in OFF_WORDS else None


class _Absent:
    """Stands for what is not there, which null is."""


def _at(payload: bytes, path: tuple[str, ...]) -> Json | _Absent:
    try:
        found: Json = json.loads(payload)
    except (ValueError, RecursionError):
        return _Absent()
    for key in path:
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isascii() and key.isdigit() and len(key) < 6 and int(key) < len(found):
            found = found[int(key)]
        else:
            return _Absent()
    return found


def _bounded(value: float) -> float | None:
    return float(value) if abs(value) <= MAGNITUDE_MAX and math.isfinite(value) else None
