"""One pass of the guard by hand: what each device is told, what limited it, and what is left for the next one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hems.control.estimate import estimate
from hems.control.guard import Permitted, permit
from hems.control.state import ControlState, SwitchMemory
from hems.control.want import Want
from hems.domain.command import Action, Authority, Command, Limit
from hems.domain.reading import CarState
from hems.domain.site import DeviceId, Site
from tests.support.houses import CHARGER, HEAT_PUMP, home_a, home_b
from tests.support.moments import House, now_after

NOW = now_after(1_000.0)
OPEN_A = replace(home_a(), connection=replace(home_a().connection, export_power_max_w=None))
OPEN_B = replace(home_b(), connection=replace(home_b().connection, export_power_max_w=None))
QUIET = House(load_w=0.0, car=CarState.CONNECTED)
Wanted = Mapping[DeviceId, float | None]


def decide(
    site: Site,
    house: House,
    wanted_w: Wanted,
    *limits: Limit,
    memory: dict[DeviceId, SwitchMemory] | None = None,
    urgent: bool = False,
    **seen_changes: Any,
) -> Permitted:
    """Commands of a tick that follows another one by a second."""
    state = replace(ControlState.start(site), ticked_mono_s=NOW.mono_s - 1.0, switches=memory or {})
    seen = replace(estimate(state, house.image(site, NOW.mono_s), NOW), **seen_changes)
    wants = {key: Want(device_id=key, power_w=power_w, urgent=urgent) for key, power_w in wanted_w.items()}
    return permit(state, seen, wants, limits, NOW)


def command_of(permitted: Permitted, device_id: DeviceId) -> Command:
    return next(each for each in permitted.commands if each.device_id == device_id)


def told(permitted: Permitted, device_id: DeviceId) -> Action:
    return command_of(permitted, device_id).action


def named(permitted: Permitted, device_id: DeviceId) -> list[tuple[str, float]]:
    return [(each.rule.value, each.limit_w) for each in command_of(permitted, device_id).limited_by]


def dim(limit_w: float, *devices: DeviceId) -> Limit:
    return Limit(authority=Authority.OPERATOR, source="operator", dimmed_power_max_w=limit_w, dims=frozenset(devices))


def in_at_most(limit_w: float, authority: Authority = Authority.OPERATOR) -> Limit:
    return Limit(authority=authority, source="somebody", import_power_max_w=limit_w)


def out_at_most(limit_w: float) -> Limit:
    return Limit(authority=Authority.OPERATOR, source="operator", export_power_max_w=limit_w)


def since(seconds: float, *, running: bool, **more: Any) -> dict[DeviceId, SwitchMemory]:
    memory = SwitchMemory(running=running, switched_mono_s=NOW.mono_s - seconds, **more)
    return {CHARGER: memory, HEAT_PUMP: memory}
