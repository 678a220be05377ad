"""The grid operator's section as the domain's: what he may limit, and where he tells it."""

from collections.abc import Iterator
from dataclasses import replace

from hems.config.operator import ConsumptionEntry, ContactEntry, GridOperatorEntry, ProductionEntry
from hems.config.registers import ContactRegister, ValueRegister
from hems.config.schema import Bridge, Http, SiteFile
from hems.config.tree import Path
from hems.domain.operator import GridOperator, OperatorControl, Way
from hems.domain.section_14a import dimmed, guaranteed_power_w
from hems.domain.site import Site
from hems.domain.wiring import LimitContact, LimitSource, MqttPoint, OperatorWiring, Register, RegisterType

AnyPlace = MqttPoint | ContactRegister | ValueRegister


def build_operator(entry: GridOperatorEntry, site: Site) -> GridOperator:
    """Who may limit the house, and how far."""
    return GridOperator(name=entry.name, controls=tuple(_controls(entry, site)))


def told_operator(file: SiteFile, site: Site) -> tuple[GridOperator, OperatorWiring] | None:
    """Both of it; None where nobody is connected."""
    wiring = build_operator_wiring(file, site)
    if wiring is None or file.grid_operator is None:
        return None
    return build_operator(file.grid_operator, site), wiring


def build_operator_wiring(file: SiteFile, site: Site) -> OperatorWiring | None:
    """Where he tells it; None where nobody is connected."""
    entry = file.grid_operator
    if entry is None:
        return None
    sources = tuple(_sources(entry, site))
    if isinstance(file.connections[entry.connection], Http | Bridge):
        sources = tuple(_in_one_document(each) for each in sources)
    beat = entry.heartbeat
    places = [place for _, place in places_of(entry)]
    return OperatorWiring(
        connection=entry.connection,
        heartbeat_topic=beat if isinstance(beat, str) else None,
        sources=sources,
        registers=tuple(register_of(each) for each in places if not isinstance(each, MqttPoint)),
        heartbeat=_point(beat) if isinstance(beat, ValueRegister) else None,
    )


def places_of(entry: GridOperatorEntry) -> Iterator[tuple[Path, AnyPlace]]:
    """Every place of the section but a heartbeat's topic, and where it stands in the file."""
    if isinstance(entry.heartbeat, ValueRegister):
        yield ("grid_operator", "heartbeat"), entry.heartbeat
    for way, section in (("consumption", entry.consumption), ("production", entry.production)):
        if section is not None and section.limit is not None:
            yield ("grid_operator", way, "limit"), section.limit
    for path, contact in contacts_of(entry):
        yield (*path, "state"), contact.state


def contacts_of(entry: GridOperatorEntry) -> Iterator[tuple[Path, ContactEntry]]:
    """Every contact and flag of the section, and where it stands in the file."""
    for way, section in (("consumption", entry.consumption), ("production", entry.production)):
        if section is not None and section.active is not None:
            yield ("grid_operator", way, "active"), section.active
    if entry.consumption is not None and entry.consumption.contact is not None:
        yield ("grid_operator", "consumption", "contact"), entry.consumption.contact
    for index, stage in enumerate(() if entry.production is None else entry.production.contacts):
        yield ("grid_operator", "production", "contacts", index), stage


def register_of(place: ContactRegister | ValueRegister) -> Register:
    """As the domain has it."""
    if isinstance(place, ContactRegister):
        return Register(function=place.fc, address=place.address, bit=place.bit)
    return Register(
        function=place.fc,
        address=place.address,
        type=RegisterType(place.type),
        scale=place.scale,
        word_order=place.word_order,
    )


def _point(place: AnyPlace) -> MqttPoint:
    """What a Modbus unit says is put into a document under the names of its registers."""
    return place if isinstance(place, MqttPoint) else MqttPoint(topic="", path=(str(register_of(place)),))


def _in_one_document(source: LimitSource) -> LimitSource:
    """What is written like a topic is the path of a value in the answer."""

    def inside(point: MqttPoint) -> MqttPoint:
        return MqttPoint(topic="", path=(*point.topic.split("."), *point.path))

    return replace(
        source,
        limit=None if source.limit is None else inside(source.limit),
        active=None if source.active is None else replace(source.active, state=inside(source.active.state)),
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
        contacts = () if contact is None else (_contact(contact, minimum_w(consumption, site)),)
        yield _source(Way.CONSUMPTION, consumption, contacts)
    if (production := entry.production) is not None:
        whole_w = peak_w(site)
        stages = tuple(_contact(each, each.limit * whole_w) for each in production.contacts)
        yield _source(Way.PRODUCTION, production, stages)


def _source(way: Way, entry: ConsumptionEntry | ProductionEntry, contacts: tuple[LimitContact, ...]) -> LimitSource:
    return LimitSource(
        way=way,
        limit=None if entry.limit is None else _point(entry.limit),
        active=None if entry.active is None else _contact(entry.active, 0.0),
        contacts=contacts,
    )


def _contact(entry: ContactEntry, limit_w: float) -> LimitContact:
    return LimitContact(state=_point(entry.state), limited=entry.limited, free=entry.free, limit_w=limit_w)
