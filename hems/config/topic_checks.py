"""Cross-checks of MQTT topics: each says or switches one thing, and nobody hears himself."""

from collections.abc import Iterator
from dataclasses import dataclass

from hems.config.devices import GridMeterEntry, HeatPumpEntry, HeatPumpTopics, MeterTopics
from hems.config.finding import Finding
from hems.config.quantity import quoted
from hems.config.schema import Mqtt, SiteFile
from hems.config.tree import Path, Tree
from hems.domain.wiring import MqttPoint

_SHAREABLE = ("room", "tank")
"""Two heat pumps may warm the same rooms or the same water, with one thermometer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """What one topic of a device is there for."""

    path: Path
    device: str
    name: str
    """As ``power`` or ``block.state``."""
    point: MqttPoint
    is_command: bool = False


def check_topics(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    """A topic that has two meanings: a relay would follow another's command, or be confirmed by another's state."""
    used: dict[tuple[str, int], list[_Use]] = {}
    for index, device in enumerate(file.devices):
        broker = file.connections[device.connection]
        if not isinstance(broker, Mqtt) or not isinstance(device, GridMeterEntry | HeatPumpEntry):
            continue
        at_broker = used.setdefault((broker.url.host.lower(), broker.url.port), [])
        for use in _uses(device, ("devices", index, "mqtt")):
            trouble = next((found for each in at_broker if (found := _trouble(each, use, tree)) is not None), None)
            if trouble is not None:
                yield trouble
            at_broker.append(use)


def _uses(device: GridMeterEntry | HeatPumpEntry, path: Path) -> Iterator[_Use]:
    match device.mqtt:
        case MeterTopics(power=power, phases=phases):
            yield _Use(path=(*path, "power"), device=device.name, name="power", point=power)
            for index, point in enumerate(phases or ()):
                yield _Use(path=(*path, "phases", index), device=device.name, name=f"L{index + 1}", point=point)
        case HeatPumpTopics() as topics:
            for name, heard in (("power", topics.power), ("room", topics.room), ("tank", topics.tank)):
                if heard is not None:
                    yield _Use(path=(*path, name), device=device.name, name=name, point=heard)
            for name, relay in (("block", topics.block), ("boost", topics.boost)):
                command = MqttPoint(topic=relay.command)
                where = (*path, name, "command")
                yield _Use(path=where, device=device.name, name=f"{name}.command", point=command, is_command=True)
                yield _Use(path=(*path, name, "state"), device=device.name, name=f"{name}.state", point=relay.state)


def _trouble(first: _Use, second: _Use, tree: Tree) -> Finding | None:
    taken = f'{quoted(_written(second.point))} is already "{first.name}" of {quoted(first.device)}'
    taken += f" on line {tree.place(first.path).line}"
    if first.is_command or second.is_command:
        if first.point.topic != second.point.topic:
            return None
        if first.is_command and second.is_command:
            return tree.error(second.path, taken, "each relay has a topic of its own")
        advice = "hems would take its own commands for what the device tells; commands need a topic of their own"
        return tree.error(second.path, taken, advice)
    if first.point != second.point or (first.name == second.name and first.name in _SHAREABLE):
        return None
    return tree.error(second.path, taken, "each has a topic of its own, or a value of its own inside a message")


def _written(point: MqttPoint) -> str:
    """As in the site file."""
    return "#".join((point.topic, ".".join(point.path))) if point.path else point.topic
