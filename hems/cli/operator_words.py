"""The grid operator's section in the words of ``hems check``: what may be limited, and what means so."""

from collections.abc import Iterator

from hems.domain.operator import GridOperator, OperatorControl, Way
from hems.domain.site import Site
from hems.domain.wiring import LimitContact, LimitSource, MqttPoint, OperatorWiring


def operator_lines(operator: GridOperator, wiring: OperatorWiring, site: Site) -> list[str]:
    """Who may limit what, how far, and by which word at which place."""
    beat = "every message or answer"
    if wiring.heartbeat is not None:
        beat = f"{_place(wiring.heartbeat)} when it has moved"
    elif wiring.heartbeat_topic is not None:
        beat = f"every message at {wiring.heartbeat_topic}"
    lines = [f'{operator.name}, by connection "{wiring.connection}"; sign of life: {beat}']
    for source in wiring.sources:
        control = operator.control(source.way)
        assert control is not None
        lines.append(f"{_what(control, site)}: {_kw(control.failsafe_w)} while he is silent")
        lines += [f"    {line}" for line in _told(source, wiring)]
    return lines


def _what(control: OperatorControl, site: Site) -> str:
    if control.way is Way.PRODUCTION:
        return "what the house feeds in"
    if control.dims is None:
        return "what the house draws"
    names = ", ".join(each.name for each in site.devices if each.id in control.dims)
    return f"what {names} take{'s' if len(control.dims) == 1 else ''} from the grid"


def _told(source: LimitSource, wiring: OperatorWiring) -> Iterator[str]:
    for each in source.contacts:
        yield f"{_kw(each.limit_w)} unless {_is_free(each)}"
    if source.limit is not None:
        unless = "" if source.active is None else f" unless {_is_free(source.active)}"
        yield f"what {_place(source.limit)} says{_number(source.limit, wiring)}, in W{unless}"


def _number(point: MqttPoint, wiring: OperatorWiring) -> str:
    """How a Modbus unit writes it."""
    register = next((each for each in wiring.registers if (str(each),) == point.path), None)
    if register is None:
        return ""
    order = f", {register.word_order} word first" if register.type.word_count > 1 else ""
    return f" as {register.type}{order}, times {register.scale:g}"


def _is_free(contact: LimitContact) -> str:
    return f'{_place(contact.state)} says "{contact.free}"'


def _kw(power_w: float) -> str:
    return f"{power_w / 1000:g} kW"


def _place(point: MqttPoint) -> str:
    return "#".join(part for part in (point.topic, ".".join(point.path)) if part)
