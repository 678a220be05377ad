"""The grid operator's section as the domain's: what he may limit, and where he tells it."""

from collections.abc import Iterator
from dataclasses import replace

from hems.config.operator import ConsumptionEntry, ContactEntry, GridOperatorEntry, ProductionEntry
from hems.config.schema import Http, SiteFile
from hems.domain.operator import GridOperator, OperatorControl, Way
from hems.domain.section_14a import dimmed, guaranteed_power_w
from hems.domain.site import Site
from hems.domain.wiring import LimitContact, LimitSource, MqttPoint, OperatorWiring


def build_operator(entry: GridOperatorEntry, site: Site) -> GridOperator:
    """Who may limit the house, and how far."""
    return GridOperator(name=entry.name, controls=tuple(_controls(entry, site)))


def build_operator_wiring(file: SiteFile, site: Site) -> OperatorWiring | None:
    """Where he tells it; None where nobody is connected."""
    entry = file.grid_operator
    if entry is None:
        return None
    sources = tuple(_sources(entry, site))
    if isinstance(file.connections[entry.connection], Http):
        sources = tuple(_in_one_document(each) for each in sources)
    return OperatorWiring(connection=entry.connection, heartbeat_topic=entry.heartbeat, sources=sources)


def _in_one_document(source: LimitSource) -> LimitSource:
    """What is written like a topic is the path of a value in the answer."""

    def inside(point: MqttPoint) -> MqttPoint:
        return MqttPoint(topic="", path=(*point.topic.split("."), *point.path))

    return replace(
        source,
        limit=None if source.limit is None else inside(source.limit),
        contacts=tuple(replace(each, state=inside(each.state)) for each in source.contacts),
    )


def minimum_w(entry: ConsumptionEntry, site: Site) -> float:
    """What is left in any case: as the installer says, else what section 14a guarantees [W]."""
    if entry.minimum is not None:
        return entry.minimum
    return guaranteed_power_w(dimmed(site.controllables)) if entry.covers == "devices" else 0.0


def peak_w(site: Site) -> float:
    """Of all modules [W]."""
    return sum(plant.peak_w for plant in site.pv)


def _controls(entry: GridOperatorEntry, site: Site) -> Iterator[OperatorControl]:
    if (consumption := entry.consumption) is not None:
        floor_w = minimum_w(consumption, site)
        yield OperatorControl(
            way=Way.CONSUMPTION,
            failsafe_w=floor_w if consumption.failsafe is None else consumption.failsafe,
            floor_w=floor_w,
            dims=frozenset(each.id for each in dimmed(site.controllables)) if consumption.covers == "devices" else None,
            failsafe_s=entry.failsafe_duration,
        )
    if (production := entry.production) is not None:
        yield OperatorControl(
            way=Way.PRODUCTION,
            failsafe_w=production.failsafe * peak_w(site),
            failsafe_s=entry.failsafe_duration,
        )


def _sources(entry: GridOperatorEntry, site: Site) -> Iterator[LimitSource]:
    if (consumption := entry.consumption) is not None:
        contact = consumption.contact
        yield LimitSource(
            way=Way.CONSUMPTION,
            limit=consumption.limit,
            contacts=() if contact is None else (_contact(contact, minimum_w(consumption, site)),),
        )
    if (production := entry.production) is not None:
        yield _production(production, peak_w(site))


def _production(entry: ProductionEntry, whole_w: float) -> LimitSource:
    contacts = tuple(_contact(each, each.limit * whole_w) for each in entry.contacts)
    return LimitSource(way=Way.PRODUCTION, limit=entry.limit, contacts=contacts)


def _contact(entry: ContactEntry, limit_w: float) -> LimitContact:
    return LimitContact(state=entry.state, limited=entry.limited, free=entry.free, limit_w=limit_w)
