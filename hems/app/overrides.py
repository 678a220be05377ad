"""Overrides of the owner: priced before they are asked for, stored before they count, ended by themselves."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from hems.app.outlook import outlook_at
from hems.app.planner_loop import PlannerLoop, Situation
from hems.app.posing import override_power_w
from hems.app.shelf import Shelf, put_or_leave, remove_or_leave
from hems.domain.errors import BadInputError, OperatingError
from hems.domain.override import ChargeNow, Quote
from hems.domain.reading import CarState
from hems.domain.site import DeviceId, Site
from hems.domain.time import Now
from hems.ports import Offload

log = logging.getLogger(__name__)

LONGEST = timedelta(hours=24)


class Overrides:
    """Those in force. One for a charger; a new one replaces it."""

    def __init__(
        self,
        site: Site,
        *,
        shelf: Shelf[ChargeNow],
        offload: Offload,
        planner: PlannerLoop,
        situation: Callable[[], Situation | None],
        new_id: Callable[[], str],
    ) -> None:
        """Go on with what the shelf holds."""
        self._site = site
        self._shelf = shelf
        self._offload = offload
        self._planner = planner
        self._situation = situation
        self._new_id = new_id
        self._in_force: dict[DeviceId, ChargeNow] = {each.device_id: each for each in shelf.all().values()}

    def in_force(self, now: Now) -> tuple[ChargeNow, ...]:
        """Overrides of this moment. While the clock is not trusted nobody knows whether one has ended: none."""
        if not now.wall_trusted:
            return ()
        return tuple(each for each in self._in_force.values() if now.at < each.until_at)

    async def quote(self, *, device_id: DeviceId, until_at: datetime) -> Quote:
        """As :meth:`hems.ports.House.quote`: the plan with the override against the plan without it."""
        situation = self._checked(device_id, until_at)
        asked = self._new(device_id, until_at, situation.now, by="")
        others = tuple(each for each in situation.overrides if each.device_id != device_id)
        with_eur = await self._planner.cost_eur(situation, (*others, asked))
        without_eur = await self._planner.cost_eur(situation, others)
        outlook = await self._offload(lambda: outlook_at(self._site, situation.known, situation.now))
        energy_wh = sum(
            override_power_w(situation.state, asked, outlook, slot, situation.now) * outlook.grid.slot_h
            for slot in range(outlook.grid.count)
        )
        return Quote(
            device_id=device_id,
            until_at=until_at,
            energy_wh=round(energy_wh, 1),
            extra_cost_eur=None if with_eur is None or without_eur is None else round(with_eur - without_eur, 2),
            priced_until_at=outlook.grid.slot_start(outlook.published_count),
        )

    async def charge_now(self, *, device_id: DeviceId, until_at: datetime, by: str) -> ChargeNow:
        """As :meth:`hems.ports.House.charge_now`."""
        situation = self._checked(device_id, until_at)
        asked = self._new(device_id, until_at, situation.now, by=by)
        if not await self._offload(lambda: put_or_leave(self._shelf, device_id, asked)):
            raise OperatingError(
                "the disk does not take the request now, so it would not survive a restart: nothing was changed"
            )
        self._in_force[device_id] = asked
        log.info("%s charges now until %s, asked by %s", device_id, until_at.isoformat(), by)
        self._planner.wake()
        return asked

    async def end(self, override_id: str, *, by: str) -> None:
        """As :meth:`hems.ports.House.end_override`."""
        found = next((each for each in self._in_force.values() if each.id == override_id), None)
        if found is None:
            raise BadInputError(f'there is no override "{override_id}" in force')
        if not await self._offload(lambda: self._erased(found)):
            raise OperatingError(
                "the disk does not take the end now, so charging would go on after a restart: nothing was changed"
            )
        self._drop(found)
        log.info("%s: the override is ended by %s", found.device_id, by)
        self._planner.wake()

    def forget_ended(self, now: Now, carless: frozenset[DeviceId]) -> tuple[ChargeNow, ...]:
        """Drop what has ended, by its time or for want of a car; the caller removes it from the shelf.

        Not only a departure counts that was seen: the car may have left while we were down. And no clock is needed
        for it, only for the time.

        Args:
            now: this moment.
            carless: chargers that say that no car is there.
        """
        ended = tuple(
            each
            for each in self._in_force.values()
            if each.device_id in carless or (now.wall_trusted and now.at >= each.until_at)
        )
        for each in ended:
            self._drop(each)
        return ended

    def erase(self, ended: tuple[ChargeNow, ...]) -> None:
        """Make the end durable; to be called where the shelf may take its time."""
        for each in ended:
            if self._is_kept(each):
                self._shelf.remove(each.device_id)

    def _erased(self, override: ChargeNow) -> bool:
        """Whether the disk has it no more; another one, which has replaced it meanwhile, stays."""
        return not self._is_kept(override) or remove_or_leave(self._shelf, override.device_id)

    def _is_kept(self, override: ChargeNow) -> bool:
        kept = self._shelf.all().get(override.device_id)
        return kept is not None and kept.id == override.id

    def _drop(self, override: ChargeNow) -> None:
        """Out of force, unless another one has taken its place."""
        if (known := self._in_force.get(override.device_id)) is not None and known.id == override.id:
            del self._in_force[override.device_id]

    def _new(self, device_id: DeviceId, until_at: datetime, now: Now, *, by: str) -> ChargeNow:
        return ChargeNow(id=self._new_id(), device_id=device_id, asked_at=now.at, until_at=until_at, by=by)

    def _checked(self, device_id: DeviceId, until_at: datetime) -> Situation:
        """The situation, when the override makes sense in it."""
        charger = next((each for each in self._site.chargers if each.id == device_id), None)
        if charger is None:
            names = ", ".join(f'"{each.id}"' for each in self._site.chargers) or "none"
            raise BadInputError(f'there is no charger "{device_id}"; this house has {names}')
        situation = self._situation()
        if situation is None or not situation.now.wall_trusted:
            raise BadInputError("the clock is not confirmed yet; an override needs an end that can be kept")
        now_at = situation.now.at
        if not now_at < until_at <= now_at + LONGEST:
            raise BadInputError("the end must lie between now and a day from now")
        values = situation.seen.chargers.get(device_id)
        if values is None:
            raise BadInputError(f"{charger.name} does not answer; nothing can be sent to it now")
        if values.car is CarState.ABSENT:
            raise BadInputError(f"no car is plugged in at {charger.name}")
        return situation
