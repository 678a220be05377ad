"""Scenes of a house for tests of the page: snapshots and plans as the real house would make them."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hems.domain.events import Mode
from hems.domain.operator import LimitState, Way
from hems.domain.override import ChargeNow
from hems.domain.plan import Decider, Origin
from hems.domain.site import DeviceId
from hems.domain.snapshot import (
    Actor,
    AggregatorStatus,
    ChangeView,
    DeviceSeries,
    DeviceView,
    Kind,
    Notice,
    PlainState,
    PlanBlock,
    PlanStatus,
    PlanView,
    PriceStatus,
    Snapshot,
)
from hems.domain.time import SLOT_S, floor_to
from hems.explain import island_notice, limit_notice

NOON = datetime(2026, 6, 21, 11, 5, 12, tzinfo=UTC)
"""13:05:12 in Amsterdam."""
ZONE = "Europe/Amsterdam"
PV, BATTERY, CAR, HEAT = DeviceId("roof"), DeviceId("battery"), DeviceId("driveway"), DeviceId("heat_pump")
PAST_SLOTS, FUTURE_SLOTS = 24, 120

HOSTILE = (
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    '"><svg onload=window.pwned=1>',
    "javascript:window.pwned=1",
    "</title><script>window.pwned=1</script>",
    "{{constructor.constructor('window.pwned=1')()}}",
    "${window.pwned=1}",
    "<iframe srcdoc='<script>parent.pwned=1</script>'>",
    "'-window.pwned=1-'",
    "\u202egnp.exe\u202c <b>bold</b>",
    "<style>*{display:none}</style>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
)


def device(
    id: DeviceId,
    name: str,
    kind: Kind,
    *,
    state: PlainState,
    power_w: float | None,
    headline: str,
    next: str | None = None,
    level_pct: float | None = None,
    actor: Actor = "plan",
    age_s: float | None = 1.0,
    room_c: float | None = None,
    tank_c: float | None = None,
    session_energy_wh: float | None = None,
) -> DeviceView:
    return DeviceView(
        id=id,
        name=name,
        kind=kind,
        state=state,
        power_w=power_w,
        age_s=age_s,
        level_pct=level_pct,
        session_energy_wh=session_energy_wh,
        room_c=room_c,
        tank_c=tank_c,
        headline=headline,
        next=next,
        next_at=None,
        reason_code="scripted",
        actor=actor,
        since_at=NOON - timedelta(minutes=20),
        override=None,
    )


def day_devices() -> tuple[DeviceView, ...]:
    return (
        device(
            PV, "Roof", "pv", state=PlainState.RUNNING, power_w=-3_320.0, actor="device",
            headline="Making 3.3 kW; the house uses 0.6 kW of it, the car and the battery take the rest",
        ),
        device(
            BATTERY, "Battery", "battery", state=PlainState.HELD, power_w=80.0, level_pct=61.0,
            headline="Kept at 61 % on purpose: the evening at 38 ct is worth more than now at 24 ct",
            next="Covers the house from 17:30, when a kWh costs 38 ct",
        ),
        device(
            CAR, "Driveway", "charger", state=PlainState.RUNNING, power_w=2_310.0, session_energy_wh=4_200.0,
            headline="Charging slowly on sunshine: the roof makes 2.3 kW more than the house needs",
            next="Full power 02:15 to 05:30, when a kWh costs about 17 ct",
        ),
        device(
            HEAT, "Heat pump", "heat_pump", state=PlainState.RUNNING, power_w=420.0, room_c=20.6, tank_c=48.2,
            headline="Warming the house a little extra (20.6 to 21.2 °C) while power is cheap",
            next="Rests 17:00 to 20:00; it stays above 19.5 °C",
        ),
    )  # fmt: skip


def day() -> Snapshot:
    devices = day_devices()
    return Snapshot(
        seq=1,
        at=NOON,
        clock_trusted=True,
        site="Kerkstraat 12",
        timezone=ZONE,
        currency="EUR",
        simulated=None,
        mode=Mode.NORMAL,
        grid_power_w=130.0,
        grid_age_s=0.8,
        home_power_w=640.0,
        devices=devices,
        price=PriceStatus(
            import_eur_per_kwh=0.241,
            export_eur_per_kwh=0.052,
            published_until_at=datetime(2026, 6, 21, 22, 0, tzinfo=UTC),
            source="Day-ahead market, NL",
        ),
        plan=PlanStatus(issued_at=NOON - timedelta(minutes=5), origin=Origin.SOLVER, age_s=300.0, trouble=None),
        aggregator=AggregatorStatus(connected=True, setpoint_w=None, until_at=None),
        notices=(),
    )


def changed(snapshot: Snapshot, id: DeviceId, **values: object) -> Snapshot:
    """The snapshot with some values of one device replaced."""
    devices = tuple(replace(each, **values) if each.id == id else each for each in snapshot.devices)  # type: ignore[arg-type]
    return replace(snapshot, devices=devices)


def night() -> Snapshot:
    scene = changed(
        day(), PV, power_w=0.0, state=PlainState.WAITING, headline="No sun: the roof makes nothing until the morning"
    )
    scene = changed(
        scene, CAR, power_w=0.0, state=PlainState.WAITING,
        headline="Waiting for cheaper power: now 34 ct, from 02:15 about 17 ct", next="Full power 02:15 to 05:30",
    )  # fmt: skip
    scene = changed(scene, BATTERY, power_w=-1_060.0, state=PlainState.RUNNING, level_pct=38.0)
    return replace(scene, grid_power_w=0.0, simulated="demo house, 60 times real time")


def offline() -> Snapshot:
    silent = "Battery does not answer since 12:41: the plan treats it as absent and the rest goes on"
    scene = changed(
        day(), BATTERY, state=PlainState.PROBLEM, power_w=None, level_pct=None, age_s=1_450.0, headline=silent,
        next=None, actor="safety",
    )  # fmt: skip
    notices = (
        Notice(level="problem", text="Battery does not answer since 12:41"),
        Notice(level="info", text="Prices for tomorrow arrive about 13:15"),
        Notice(level="info", text="A new plan was made at 13:00"),
    )
    return replace(scene, mode=Mode.DEGRADED, home_power_w=None, notices=notices)


def unread() -> Snapshot:
    """Nothing has been read yet."""
    devices = tuple(
        replace(each, power_w=None, age_s=None, level_pct=None, session_energy_wh=None, room_c=None, tank_c=None,
                state=PlainState.PROBLEM, headline=f"{each.name} has not been measured yet", next=None)
        for each in day_devices()
    )  # fmt: skip
    return replace(
        day(), devices=devices, grid_power_w=None, grid_age_s=None, home_power_w=None, mode=Mode.SAFE_HOLD, plan=None
    )


def no_plan() -> Snapshot:
    trouble = "the planner gave no answer within 20 s"
    plan = PlanStatus(issued_at=NOON - timedelta(hours=1), origin=Origin.RULES, age_s=3_600.0, trouble=trouble)
    return replace(day(), plan=plan)


def no_prices() -> Snapshot:
    price = PriceStatus(
        import_eur_per_kwh=0.30, export_eur_per_kwh=0.05, published_until_at=None,
        source="the fallback of the site file counts",
    )  # fmt: skip
    return replace(day(), price=price)


def limited() -> Snapshot:
    scene = changed(
        day(), CAR, state=PlainState.LIMITED, power_w=4_140.0, actor="grid_operator",
        headline="The grid operator limits the house to 4.2 kW until 19:00: the car gets what is left",
    )  # fmt: skip
    limit = limit_notice(
        "Stadtwerke", Way.CONSUMPTION, LimitState.LIMITED, 4_200.0,
        names=("Battery", "Driveway", "Heat pump"), until_at=NOON + timedelta(hours=6), zone=ZoneInfo(ZONE),
    )  # fmt: skip
    notices = (Notice(level="limit", text=limit),)
    event = AggregatorStatus(connected=True, setpoint_w=-1_000.0, until_at=NOON + timedelta(hours=1))
    return replace(scene, mode=Mode.GRID_LIMITED, notices=notices, grid_power_w=1_960.0, aggregator=event)


def islanded() -> Snapshot:
    scene = changed(
        day(), CAR, state=PlainState.WAITING, power_w=0.0, actor="plan", next=None,
        headline="Not charging: the grid has failed, and the battery is kept for the rest of the house.",
    )  # fmt: skip
    scene = changed(
        scene, BATTERY, state=PlainState.RUNNING, power_w=-1_060.0, next=None,
        headline="Giving power: the grid has failed, and the inverters feed the house by their own rules.",
    )  # fmt: skip
    scene = changed(
        scene, PV, power_w=0.0, state=PlainState.WAITING, next=None, headline="No sun: the grid has failed.",
    )  # fmt: skip
    scene = changed(
        scene, HEAT, power_w=420.0, next=None,
        headline="Heating: the grid has failed; it may run as long as the battery holds 40 %.",
    )  # fmt: skip
    notices = (Notice(level="problem", text=island_notice(["Battery"], 6_400.0, 1_060.0)),)
    return replace(scene, mode=Mode.ISLANDED, notices=notices, grid_power_w=0.0)


def overridden() -> Snapshot:
    override = ChargeNow(
        id="first", device_id=CAR, asked_at=NOON, until_at=NOON + timedelta(hours=8), by="owner",
    )  # fmt: skip
    scene = changed(
        day(), CAR, override=override, power_w=11_040.0, actor="you",
        headline="Charging at full power because you asked for it, until 21:05", next="Back to the plan at 21:05",
    )  # fmt: skip
    return replace(scene, grid_power_w=8_860.0)


def no_car() -> Snapshot:
    return changed(
        day(), CAR, state=PlainState.NOT_CONNECTED, power_w=0.0, session_energy_wh=None, headline="No car is connected",
        next=None,
    )  # fmt: skip


def hostile() -> Snapshot:
    base = day_devices()[2]
    devices = tuple(
        replace(base, id=DeviceId(f"hostile_{at}"), name=text, headline=text, next=text)
        for at, text in enumerate(HOSTILE)
    )
    notices = tuple(Notice(level="problem", text=text) for text in HOSTILE)
    price = replace(day().price, source=HOSTILE[1])
    return replace(
        day(), site=HOSTILE[0], simulated=HOSTILE[1], devices=devices, notices=notices, price=price, home_power_w=0.0
    )


SCENES = {
    scene.__name__: scene
    for scene in (day, night, offline, unread, no_plan, no_prices, limited, islanded, overridden, no_car, hostile)
}


def _blocks(at: datetime) -> tuple[PlanBlock, ...]:
    """What the plan says of battery and car, as the house says it."""
    start_at = floor_to(at, SLOT_S)
    said = (
        (BATTERY, 0, 18, 900.0, Decider.OWN_SUN, "Charging, 0.9 kW", 0.26, 0.06,
         "The roof makes more than the house needs; another time would cost 5 ct more per kWh."),
        (BATTERY, 18, 28, -1_500.0, Decider.PRICE, "Giving power, 1.5 kW", 0.26, 0.05,
         "A kWh costs the house 38 ct now, stored it is worth 26 ct; another time would cost 5 ct more per kWh."),
        (BATTERY, 28, 60, 0.0, Decider.EMPTY, "Resting", 0.21, 0.0, "It is down to its reserve."),
        (CAR, 0, 52, 0.0, Decider.PRICE, "Not charging", None, 0.09,
         "Waiting for cheaper power; now it would cost 9 ct more per kWh."),
        (CAR, 52, 65, 11_040.0, Decider.POWER_MAX, "Charging, 11.0 kW", None, 0.03,
         "It cannot do more, and a kWh costs the house 17 ct now; another time would cost 3 ct more per kWh."),
        (CAR, 65, 90, 0.0, Decider.DONE, "Not charging", None, 0.0, "It has what it needs by then."),
    )  # fmt: skip
    return tuple(
        PlanBlock(
            device_id=device_id,
            start_at=start_at + timedelta(seconds=SLOT_S * first),
            end_at=start_at + timedelta(seconds=SLOT_S * last),
            power_w=power_w,
            decided_by=decider,
            price_eur_per_kwh=0.25,
            alternative_eur_per_kwh=alternative,
            value_eur_per_kwh=value,
            what=what,
            why=why,
        )
        for device_id, first, last, power_w, decider, what, value, alternative, why in said
    )


def plan_view(snapshot: Snapshot) -> PlanView:
    """A plausible day and a half around the snapshot."""
    start_at = floor_to(snapshot.at, SLOT_S) - timedelta(seconds=SLOT_S * PAST_SLOTS)
    count = PAST_SLOTS + FUTURE_SLOTS
    hours = [(start_at + timedelta(seconds=SLOT_S * slot) + timedelta(hours=2)).hour for slot in range(count)]
    steps = [(slot % 4) / 4 + hour for slot, hour in enumerate(hours)]
    sun = tuple(-max(0.0, 4_800.0 * math.sin((hour - 6) / 15 * math.pi)) if 6 < hour < 21 else 0.0 for hour in steps)
    price = tuple(0.22 + 0.12 * math.cos((hour - 19.5) / 12 * math.pi) - 0.06 * (11 < hour < 15) for hour in steps)
    car = tuple(11_040.0 if 2.25 <= hour < 5.5 else 2_300.0 if 11 <= hour < 14 else 0.0 for hour in steps)
    battery = tuple(-1_500.0 if hour >= 17.5 else 900.0 if 8 <= hour < 13 else 0.0 for hour in steps)
    heat = tuple(900.0 if 12 <= hour < 17 or hour < 5 else 0.0 for hour in steps)
    load = tuple(None if slot in (6, 7) else 350.0 + 500.0 * (hour > 16) for slot, hour in enumerate(steps))
    grid = tuple(
        None if base is None else base + sum(parts)
        for base, *parts in zip(load, sun, car, battery, heat, strict=True)
    )  # fmt: skip
    levels: list[float | None] = []
    level = 45.0
    for power_w in battery:
        level = min(100.0, max(10.0, level + power_w / 400))
        levels.append(level)
    planned = snapshot.plan is not None
    published = 0 if snapshot.price.published_until_at is None else PAST_SLOTS + 44

    def known(values: Sequence[float | None]) -> tuple[float | None, ...]:
        return tuple(value if planned or slot < PAST_SLOTS else None for slot, value in enumerate(values))

    series: dict[Kind, tuple[Sequence[float | None], Sequence[float | None]]] = {
        "pv": (sun, ()),
        "battery": (battery, levels),
        "charger": (car, ()),
        "heat_pump": (heat, ()),
    }
    return PlanView(
        at=snapshot.at,
        timezone=snapshot.timezone,
        currency=snapshot.currency,
        start_at=start_at,
        slot_s=SLOT_S,
        past_count=PAST_SLOTS,
        import_eur_per_kwh=price,
        export_eur_per_kwh=tuple(value - 0.2 for value in price),
        published_count=published,
        price_source=snapshot.price.source,
        grid_power_w=known(grid),
        load_power_w=known(load),
        import_power_max_w=tuple(4_200.0 if snapshot.mode is Mode.GRID_LIMITED and slot < 50 else 17_250.0
                                 for slot in range(count)),
        devices=tuple(
            DeviceSeries(id=each.id, name=each.name, kind=each.kind, power_w=known(series[each.kind][0]),
                         level_pct=known(series[each.kind][1]))
            for each in snapshot.devices if each.kind in series
        ),
        issued_at=None if snapshot.plan is None else snapshot.plan.issued_at,
        origin=None if snapshot.plan is None else snapshot.plan.origin,
        cost_eur=2.43 if planned else None,
        unmet=("The car will have 64 % instead of 80 % at 07:30, even at full power from now",) if planned else (),
        blocks=_blocks(snapshot.at) if planned else (),
        changed=ChangeView(
            at=snapshot.at - timedelta(minutes=35),
            text="Changed at 12:30: Driveway now charges at 02:15 instead of 23:00, because new prices were published "
            "(about 0.42 EUR less).",
            devices=("Driveway now charges at 02:15 instead of 23:00.", "Battery moves 2.1 kWh to other hours."),
            inputs=("New prices were published (about 0.42 EUR less).", "Roof is expected to make 1.4 kWh less "
                    "(about 0.22 EUR more)."),
        ) if planned else None,
    )  # fmt: skip
