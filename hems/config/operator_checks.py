"""Cross-checks of the grid operator's section."""

import re
from collections.abc import Iterator

from hems.config.build import build
from hems.config.build_operator import AnyPlace, contacts_of, minimum_w, places_of, register_of
from hems.config.finding import Finding
from hems.config.operator import ConsumptionEntry, ContactEntry, GridOperatorEntry, ProductionEntry
from hems.config.quantity import quoted
from hems.config.registers import ContactRegister
from hems.config.schema import Bridge, Http, ModbusRtu, ModbusTcp, Mqtt, SiteFile
from hems.config.tree import Path, Tree
from hems.domain.section_14a import dimmed, guaranteed_power_w
from hems.domain.wiring import BRIDGE_CONTACTS, MqttPoint

_REGISTER = "{fc: 2, address: 0}"
_FLAG_WORDS = ("on", "off", "true", "false", "1", "0")


def check_operator(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    """Everything about the operator's limits that does not fit together."""
    entry = file.grid_operator
    if entry is None:
        return
    yield from _connection(file, tree, entry)
    if entry.consumption is None and entry.production is None:
        advice = 'for example "consumption: {contact: {state: input/0#state}}"'
        yield tree.error(("grid_operator",), "says nothing that may be limited", advice, at_key=True)
    yield from _shared_places(tree, entry)
    for path, contact in contacts_of(entry):
        yield from _words(tree, path, contact)
    if entry.consumption is not None:
        yield from _consumption(file, tree, entry.consumption)
    if entry.production is not None:
        yield from _production(file, tree, entry.production)


def _connection(file: SiteFile, tree: Tree, entry: GridOperatorEntry) -> Iterator[Finding]:
    """Whether places are written as the connection has them."""
    connection = file.connections[entry.connection]
    at_heartbeat: Path = ("grid_operator", "heartbeat")
    if not isinstance(connection, Mqtt | Http | ModbusTcp | ModbusRtu | Bridge):
        message = f"{quoted(entry.connection)} is of type {connection.type}, which tells no limits"
        advice = "give it a connection of type mqtt, http, modbus_tcp, modbus_rtu or bridge"
        yield tree.error(("grid_operator", "connection"), message, advice)
        return
    if isinstance(connection, Http | Bridge) and entry.heartbeat is not None:
        box = "a box that is asked by HTTP" if isinstance(connection, Http) else "a bridge"
        message = f"belongs to a broker or a Modbus unit; of {box} each answer is a sign of life"
        yield tree.error(at_heartbeat, message, "delete it", at_key=True)
        return
    if isinstance(connection, Bridge):
        yield from _bridge(tree, entry)
        return
    is_modbus = isinstance(connection, ModbusTcp | ModbusRtu)
    if is_modbus and isinstance(entry.heartbeat, str):
        message = f"{quoted(entry.connection)} is a Modbus unit, where it is a register that moves"
        yield tree.error(at_heartbeat, message, "write it as in {fc: 3, address: 9, type: uint16}")
    for path, place in places_of(entry):
        if is_modbus and isinstance(place, MqttPoint):
            example = _REGISTER if path[-1] == "state" else "{fc: 3, address: 0, type: uint32}"
            message = f"{quoted(entry.connection)} is a Modbus unit, where this is a register"
            yield tree.error(path, message, f"write it as in {example}")
        elif not is_modbus and not isinstance(place, MqttPoint):
            message = f"{quoted(entry.connection)} is of type {connection.type}, which has no registers"
            what = "a topic" if isinstance(connection, Mqtt) else "the path of a value"
            yield tree.error(path, message, f"write {what}, or give it a connection of type modbus_tcp or modbus_rtu")


def _bridge(tree: Tree, entry: GridOperatorEntry) -> Iterator[Finding]:
    """Whether all that is asked of a bridge are contacts."""
    for path, place in places_of(entry):
        if path[-1] == "limit":
            message = f"{quoted(entry.connection)} is a bridge, which has contacts and no values"
            yield tree.error(path, message, 'write contacts instead, for example "contact: {state: in1}"')
        elif not isinstance(place, MqttPoint) or place.topic not in BRIDGE_CONTACTS or place.path:
            message = f"{quoted(entry.connection)} is a bridge, where this is a contact"
            yield tree.error(path, message, f"write one of {BRIDGE_CONTACTS[0]} to {BRIDGE_CONTACTS[-1]}")
    for path, contact in contacts_of(entry):
        for key, word in (("limited", contact.limited), ("free", contact.free)):
            if word.lower() not in _FLAG_WORDS:
                message = f"{quoted(word)} is nothing that a contact says"
                yield tree.error((*path, key), message, 'write "on" for closed or "off" for open')


def _shared_places(tree: Tree, entry: GridOperatorEntry) -> Iterator[Finding]:
    """One place with two meanings is a mistake in copying: one of the contacts would never be read."""
    earlier: list[tuple[Path, AnyPlace]] = []
    for path, place in places_of(entry):
        if isinstance(place, ContactRegister) and place.fc in (1, 2) and place.bit is not None:
            message = "a coil or a discrete input is one bit already"
            yield tree.error((*path, "bit"), message, "delete it", at_key=True)
        first = next((at for at, each in earlier if _overlap(each, place)), None)
        if first is not None:
            message = f"the same place as on line {tree.place(first).line}, with another meaning"
            yield tree.error(path, message, "each contact and each value has a place of its own")
        earlier.append((path, place))


def _overlap(one: AnyPlace, other: AnyPlace) -> bool:
    if isinstance(one, MqttPoint) or isinstance(other, MqttPoint):
        return one == other
    a, b = register_of(one), register_of(other)
    if a.function != b.function or a.address >= b.address + b.type.word_count:
        return False
    if b.address >= a.address + a.type.word_count:
        return False
    return a.bit is None or b.bit is None or a.bit == b.bit


def _words(tree: Tree, path: Path, contact: ContactEntry) -> Iterator[Finding]:
    """Whether the two words of a contact can be told from each other, and be told at all."""
    if contact.limited.lower() == contact.free.lower():
        at: Path = (*path, "limited") if (*path, "limited") in tree.value_at else (*path, "free")
        other = "off" if contact.limited.lower() == "on" else "on"
        message = f"limited and free are both {quoted(contact.limited)}, so it would always be limited"
        yield tree.error(at, message, f'write the other one too, for example "{other}" in quotes')
    if not isinstance(contact.state, ContactRegister):
        return
    is_bit = contact.state.fc in (1, 2) or contact.state.bit is not None
    for key, word in (("limited", contact.limited), ("free", contact.free)):
        if word.lower() not in _FLAG_WORDS and (is_bit or not re.fullmatch(r"\d{1,5}", word, re.ASCII)):
            message = f"{quoted(word)} is nothing that a {'bit' if is_bit else 'register'} says"
            yield tree.error((*path, key), message, 'write "on" or "off"' + ("" if is_bit else ", or its number"))


def _one_of_two(
    tree: Tree, path: Path, entry: ConsumptionEntry | ProductionEntry, *, has_contact: bool
) -> Iterator[Finding]:
    """A way is told either as a value or by contacts."""
    if (entry.limit is None) != has_contact:
        is_draw = isinstance(entry, ConsumptionEntry)
        message = f"needs either a limit or {'a contact' if is_draw else 'contacts'}"
        example = "contact: {state: input/0#state}" if is_draw else "limit: box/lpp#limit_w"
        yield tree.error(path, message, f'for example "{example}"', at_key=True)
    if entry.active is not None and entry.limit is None:
        message = "is a flag beside a limit, and there is none"
        yield tree.error((*path, "active"), message, "delete it", at_key=True)


def _production(file: SiteFile, tree: Tree, entry: ProductionEntry) -> Iterator[Finding]:
    path: Path = ("grid_operator", "production")
    yield from _one_of_two(tree, path, entry, has_contact=bool(entry.contacts))
    if not build(file).pv:
        yield tree.error(path, "there are no modules whose feed-in could be limited", "delete it", at_key=True)


def _consumption(file: SiteFile, tree: Tree, entry: ConsumptionEntry) -> Iterator[Finding]:
    path: Path = ("grid_operator", "consumption")
    yield from _one_of_two(tree, path, entry, has_contact=entry.contact is not None)
    site = build(file)
    covered = dimmed(site.controllables)
    if entry.covers == "devices" and not covered:
        message = "no charger, heat pump or battery draws more than 4.2 kW, so there is nothing to limit"
        yield tree.error(path, message, 'delete it, or write "covers: connection"', at_key=True)
        return
    if entry.covers == "connection" and entry.contact is not None and entry.minimum is None:
        message = "the contact does not say how much the house may draw"
        yield tree.error(path, message, 'add "minimum: 4.2 kW", as the operator told it', at_key=True)
    least_w = minimum_w(entry, site)
    by_law_w = guaranteed_power_w(covered)
    if entry.covers == "devices" and entry.minimum is not None and least_w < by_law_w - 1.0:
        message = f"is less than the {by_law_w / 1000:g} kW that section 14a leaves to {len(covered)} devices"
        yield tree.warning((*path, "minimum"), message, "ask the operator")
    if entry.failsafe is not None and entry.failsafe < least_w:
        message = f"is below the minimum of {least_w / 1000:g} kW, which holds instead"
        yield tree.warning((*path, "failsafe"), message, "delete it")
