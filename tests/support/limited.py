"""A house that a grid operator limits: a charger of 11 kW, a household of 2.5 kW, nothing else."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hems.app.daemon import OperatorBox
from hems.domain.command import ChargeCurrent
from hems.domain.operator import GridOperator, LimitPeriod, OperatorControl, Way
from hems.domain.wiring import LimitContact, LimitSource, MqttPoint, OperatorWiring
from tests.support.houses import CHARGER, home_b
from tests.support.living import Living, living
from tests.support.simulated import START_AT, flat_data, stay

SITE = replace(home_b(), pv=(), batteries=(), chargers=(replace(home_b().chargers[0], habit=None),))
DATA = flat_data(SITE, days=3, load_w=2_500.0, pv_w=0.0, sessions=(stay(0.05, 20.0, 80.0),))
CONSUMPTION = OperatorControl(way=Way.CONSUMPTION, failsafe_w=4_200.0, floor_w=4_200.0, dims=frozenset({CHARGER}))
OPERATOR = GridOperator(name="Stadtwerke", controls=(CONSUMPTION,))


def by_contact(state: MqttPoint) -> OperatorWiring:
    """One contact, closed to limit."""
    contact = LimitContact(state=state, limited="on", free="off", limit_w=4_200.0)
    return OperatorWiring(
        connection="box", heartbeat_topic=None, sources=(LimitSource(way=Way.CONSUMPTION, contacts=(contact,)),)
    )


def house_of(
    box: OperatorBox, folder: Path, *, links: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = ()
) -> AbstractAsyncContextManager[Living]:
    """The product's own daemon around it, told by that box."""
    return living(SITE, DATA, folder, start_at=START_AT, links=links, operator=(OPERATOR, box))


def car_w(house: Living) -> float:
    """What the car was told last [W]."""
    told = [each.action for each in house.driver.applied if each.device_id == CHARGER]
    assert isinstance(told[-1], ChargeCurrent)
    return told[-1].current_a * told[-1].phase_count * 230.0


def periods(house: Living) -> list[LimitPeriod]:
    """What the record says of limits."""
    history = house.daemon.parts.store.history
    return history.limits(START_AT - timedelta(days=1), START_AT + timedelta(days=3))
