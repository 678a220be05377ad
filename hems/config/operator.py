"""The grid operator's section of the site file: what he may limit, and how he tells it."""

from typing import Annotated, Literal

from hems.config.fields import Model, Name, Reference, Word
from hems.config.quantity import PowerLimit, Quantity, Ratio
from hems.config.registers import ContactPlace, HeartbeatPlace, ValuePlace

FailsafeDuration = Annotated[
    float, Quantity(noun="a duration", units={"h": "3600"}, example="2 h", minimum=7_200, maximum=86_400)
]
"""2 to 24 h, as LPC and LPP have it [s]."""


class ContactEntry(Model):
    """A relay contact of the operator's, read by an input module."""

    state: ContactPlace
    """Where the module tells its state: a topic, a path, or a register."""
    limited: Word = "on"
    """What it tells while the operator limits; "off" for a contact that opens then. Default: on."""
    free: Word = "off"
    """What it tells otherwise; all else counts as limited. Default: off."""


class StageEntry(ContactEntry):
    """A contact that stands for a part of the feed-in."""

    limit: Ratio
    """Of the peak power of all modules."""


class ConsumptionEntry(Model):
    """Limit on consumption (LPC; section 14a EnWG)."""

    limit: ValuePlace | None = None
    """Where the limit in W is told; null or "none": there is none."""
    active: ContactEntry | None = None
    """A flag beside the limit: while it tells its free word, there is none."""
    contact: ContactEntry | None = None
    """While it is closed, what may be drawn is the minimum."""
    covers: Literal["devices", "connection"] = "devices"
    """Chargers, heat pumps and batteries above 4.2 kW together, or the whole import. Default: devices."""
    minimum: PowerLimit | None = None
    """Left in any case. Default for devices: as section 14a says; for the connection: nothing."""
    failsafe: PowerLimit | None = None
    """While the operator is silent. Default: the minimum."""


class ProductionEntry(Model):
    """Limit on feed-in (LPP)."""

    limit: ValuePlace | None = None
    """Where the limit in W is told."""
    active: ContactEntry | None = None
    """A flag beside the limit: while it tells its free word, there is none."""
    contacts: tuple[StageEntry, ...] = ()
    """The smallest of those that are closed counts."""
    failsafe: Ratio
    """While the operator is silent, of the peak power of all modules."""


class GridOperatorEntry(Model):
    """Who may limit the house by law, and how he tells it."""

    name: Name
    connection: Reference
    """A broker; a box that is asked by HTTP, where a place is the path of a value in its answer, as lpc.limit_w; a
    Modbus unit, where it is a register; or a bridge, where it is a contact, as in1."""
    heartbeat: HeartbeatPlace | None = None
    """Where a sign of life comes at least each minute: a topic, or a register that moves. Without it every message, or
    answer, is one."""
    failsafe_duration: FailsafeDuration = 7_200.0
    """Least time of the failsafe. Default: 2 h."""
    consumption: ConsumptionEntry | None = None
    production: ProductionEntry | None = None
