"""What devices turn out to be: learned once a day from the history, asked about, and planned with where agreed.

Plans alone know it. The guard, the tick and the promise to the aggregator go by the site file as before.
"""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from hems.app.recorder import OUTDOOR, level_series, offered_series, power_series, room_series, tank_series
from hems.app.regularly import regularly
from hems.app.shelf import Shelf, put_or_leave
from hems.control.estimate import Estimate
from hems.control.state import ControlState
from hems.domain.errors import BadInputError, OperatingError
from hems.domain.learned import Consent, Fact, LearnedFact, LearnedView, LearnedViews, Measured
from hems.domain.site import Battery, Charger, DeviceId, HeatPump, Site
from hems.domain.time import SLOT_S, floor_to
from hems.explain.learned import sentence
from hems.forecast.devices import HeatHistory, battery_model, charging_power, hot_water, room_model
from hems.ports import Clock, Offload
from hems.store.history import History

log = logging.getLogger(__name__)

LEARN_FROM = timedelta(days=60)
"""Enough nights of one winter and swings of one battery; what devices were long ago they may not be any more."""
LEARN_EVERY_S = 86_400.0
ORDER = (Consent.SUGGESTED, Consent.IN_USE, Consent.DECLINED, Consent.OBSERVING)

Found = tuple[DeviceId, Fact, float, Measured]
"""A fact, what the site file says, and what was measured."""


class Learning:
    """The facts of a house. They outlive restarts; what the season hides keeps what was learned of it last.

    Args:
        site: as the installer describes it.
        shelf: of facts by key.
        history: quarter hours; read in the disk's thread.
        offload: that thread.
        clock: when.
        changed: called when plans are to be made with something else.
    """

    def __init__(
        self,
        site: Site,
        *,
        shelf: Shelf[LearnedFact],
        history: History,
        offload: Offload,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self._site = site
        self._shelf = shelf
        self._history = history
        self._offload = offload
        self._clock = clock
        self._changed = changed
        self._planned = planned_site(site, self.facts())

    async def run(self) -> None:
        """Learn once a day until cancelled."""
        await regularly(self._clock, LEARN_EVERY_S, self.learn)

    async def learn(self, now_at: datetime) -> None:
        """Measure again; decisions of the household stay."""
        await self._offload(lambda: self._learn(now_at))

    def _learn(self, now_at: datetime) -> None:
        known = self._shelf.all()
        for device_id, fact, told, measured in found_in(self._history, self._site, now_at):
            fresh = LearnedFact(
                device_id=device_id,
                fact=fact,
                told=told,
                value=measured.value,
                doubt=measured.doubt,
                count=measured.count,
                since_at=measured.since_at,
                learned_at=now_at,
                hours_ratio=measured.hours_ratio,
            )
            before = known.get(fresh.key)
            if before is not None:
                fresh = replace(
                    fresh,
                    used=before.used,
                    declined=before.declined,
                    by=before.by,
                    used_hours_ratio=before.used_hours_ratio,
                    declined_hours_ratio=before.declined_hours_ratio,
                )
            self._shelf.put(fresh.key, fresh)

    def facts(self) -> tuple[LearnedFact, ...]:
        """Those of devices that the house still has."""
        ids = {each.id for each in self._site.controllables}
        return tuple(each for each in self._shelf.all().values() if each.device_id in ids)

    def views(self) -> LearnedViews:
        """As :meth:`hems.ports.House.learned`."""
        return LearnedViews(
            facts=tuple(sorted(map(self._view, self.facts()), key=lambda each: (ORDER.index(each.consent), each.key)))
        )

    async def decide(self, key: str, *, use: bool, by: str) -> LearnedView:
        """As :meth:`hems.ports.House.decide_learned`."""
        known = next((each for each in self.facts() if each.key == key), None)
        if known is None:
            raise BadInputError(f'nothing was learned of "{key}"')
        decided = replace(
            known,
            used=known.value if use else None,
            used_hours_ratio=known.hours_ratio if use else (),
            declined=None if use else known.value,
            declined_hours_ratio=() if use else known.hours_ratio,
            by=by,
        )
        if not await self._offload(lambda: put_or_leave(self._shelf, key, decided)):
            raise OperatingError("the disk does not take it now: nothing was changed, ask again")
        self._planned = planned_site(self._site, self.facts())
        log.info("%s: %s by %s", key, f"planned with {decided.value:g}" if use else "not planned with", by)
        self._changed()
        return self._view(decided)

    def planned(self) -> Site:
        """The house as plans see it."""
        return self._planned

    def as_planned(self, state: ControlState, seen: Estimate) -> tuple[ControlState, Estimate]:
        """State and estimate in terms of what was agreed to plan with.

        A battery tells percents, which its driver turns into Wh of the site file's capacity; of another capacity they
        are other Wh.
        """
        if self._planned is self._site:
            return state, seen
        ratios = {
            planned.id: planned.capacity_wh / told.capacity_wh
            for planned, told in zip(self._planned.batteries, self._site.batteries, strict=True)
        }
        batteries = {
            key: values
            if values.stored_wh is None
            else replace(values, stored_wh=values.stored_wh * ratios.get(key, 1.0))
            for key, values in seen.batteries.items()
        }
        return replace(state, site=self._planned), replace(seen, batteries=batteries)

    def _view(self, fact: LearnedFact) -> LearnedView:
        name = next(each.name for each in self._site.controllables if each.id == fact.device_id)
        return LearnedView(key=fact.key, consent=fact.consent, sentence=sentence(fact, name), fact=fact)


def planned_site(site: Site, facts: tuple[LearnedFact, ...]) -> Site:
    """The site with what was agreed to in the place of what its file says; the very same where that is nothing."""
    used = {(each.device_id, each.fact): each.used for each in facts if each.used is not None}
    used_hours = {each.device_id: each.used_hours_ratio for each in facts if each.used_hours_ratio}
    if not used:
        return site

    def charger(told: Charger) -> Charger:
        return replace(told, power_max_w=min(told.power_max_w, used.get((told.id, Fact.CHARGING_POWER_W), math.inf)))

    def battery(told: Battery) -> Battery:
        round_trip = used.get((told.id, Fact.ROUND_TRIP_RATIO))
        one_way = None if round_trip is None else math.sqrt(round_trip)
        return replace(
            told,
            capacity_wh=used.get((told.id, Fact.CAPACITY_WH), told.capacity_wh),
            charge_efficiency_ratio=one_way or told.charge_efficiency_ratio,
            discharge_efficiency_ratio=one_way or told.discharge_efficiency_ratio,
        )

    def heat_pump(told: HeatPump) -> HeatPump:
        room, tank = told.room, told.tank
        if room is not None:
            room = replace(
                room,
                loss_w_per_k=used.get((told.id, Fact.LOSS_W_PER_K), room.loss_w_per_k),
                time_constant_h=used.get((told.id, Fact.TIME_CONSTANT_H), room.time_constant_h),
            )
        if tank is not None:
            tank = replace(
                tank,
                draw_wh_per_day=used.get((told.id, Fact.DRAW_WH_PER_DAY), tank.draw_wh_per_day),
                draw_hours_ratio=used_hours.get(told.id, tank.draw_hours_ratio),
            )
        return replace(told, room=room, tank=tank)

    return replace(
        site,
        chargers=tuple(map(charger, site.chargers)),
        batteries=tuple(map(battery, site.batteries)),
        heat_pumps=tuple(map(heat_pump, site.heat_pumps)),
    )


def found_in(history: History, site: Site, now_at: datetime) -> Iterator[Found]:
    """Everything that the last weeks show of a house's devices."""
    end_at = floor_to(now_at, SLOT_S)
    start_at = end_at - LEARN_FROM

    def series(name: str) -> list[float | None]:
        return history.slots(name, start_at, end_at)

    for charger in site.chargers:
        full_w = charger.power_at_w(current_a=charger.current_max_a, phase_count=max(charger.phase_counts))
        drawn_w, offered_w = series(power_series(charger.id)), series(offered_series(charger.id))
        power = charging_power(drawn_w, offered_w, full_w=full_w, start_at=start_at)
        if power is not None:
            yield charger.id, Fact.CHARGING_POWER_W, full_w, power
    for battery in site.batteries:
        model = battery_model(series(power_series(battery.id)), series(level_series(battery.id)), start_at=start_at)
        if model is not None:
            told = battery.charge_efficiency_ratio * battery.discharge_efficiency_ratio
            yield battery.id, Fact.CAPACITY_WH, battery.capacity_wh, model.capacity_wh
            yield battery.id, Fact.ROUND_TRIP_RATIO, told, model.round_trip_ratio
    for pump in site.heat_pumps:
        yield from _heat(pump, series, site, start_at)


def _heat(
    pump: HeatPump, series: Callable[[str], list[float | None]], site: Site, start_at: datetime
) -> Iterator[Found]:
    seen = HeatHistory(
        power_w=series(power_series(pump.id)),
        room_c=series(room_series(pump.id)),
        outdoor_c=series(OUTDOOR),
        tank_c=series(tank_series(pump.id)),
        start_at=start_at,
        zone=site.zone,
    )
    if pump.room is not None:
        rooms = room_model(pump, seen)
        if rooms is not None:
            yield pump.id, Fact.LOSS_W_PER_K, pump.room.loss_w_per_k, rooms.loss_w_per_k
            yield pump.id, Fact.TIME_CONSTANT_H, pump.room.time_constant_h, rooms.time_constant_h
    if pump.tank is not None:
        draws = hot_water(pump, seen)
        if draws is not None:
            yield (
                pump.id,
                Fact.DRAW_WH_PER_DAY,
                pump.tank.draw_wh_per_day,
                replace(draws.draw_wh_per_day, hours_ratio=draws.shares),
            )
