"""What limits on the site's exchange with the grid leave for each device, given all that is decided already."""

from collections.abc import Sequence
from dataclasses import dataclass

from hems.control.arbitrate import Bound
from hems.control.estimate import Estimate
from hems.control.headroom import nameplate_w
from hems.domain.command import Authority, Limit, LimitRule
from hems.domain.power import PhaseValues, PowerRange
from hems.domain.site import Battery, DeviceId, PvPlant, Site

WIDE_W = 1e9
"""Wider than any house [W]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """Most that may flow in one direction, a magnitude [W]."""

    authority: Authority
    rule: LimitRule
    power_max_w: float


@dataclass(slots=True, kw_only=True)
class Dimming:
    """A limit on what some devices draw from the grid together, and what they have been given so far.

    Of what the house imports they cause as much as they draw, at most: own sun and battery serve the rest of the house
    first. So either their sum keeps to the limit, or the whole import does.
    """

    ceiling: Ceiling
    devices: frozenset[DeviceId]
    drawn_w: float


@dataclass(slots=True, kw_only=True)
class Exchange:
    """Power of the connection, import positive, with everything decided so far: a worst case for each direction.

    There are two, because a device that is told to run need not: a car may sleep, a battery may refuse. Against an
    export limit consumption counts only as far as it is measured, against an import limit a discharge likewise.
    """

    imports: tuple[Ceiling, ...]
    exports: tuple[Ceiling, ...]
    dimmings: tuple[Dimming, ...]
    import_net_w: float
    export_net_w: float
    sun_w: float
    """What the plants that can be limited make now, >= 0."""
    lent_w: dict[DeviceId, float]
    """Discharge that counts already for devices served before the battery: so much it must go on giving, >= 0."""

    def lend(self, device_id: DeviceId, power_w: float) -> None:
        """Let a battery's discharge, which goes on, serve devices whose turn is before the battery's."""
        if self.imports or self.dimmings:
            self.lent_w[device_id] = power_w
            self.import_net_w -= power_w

    def called_in(self, device_id: DeviceId) -> list[Bound]:
        """At a battery's turn: count its loan no longer, and what it must go on giving for it."""
        lent_w = self.lent_w.pop(device_id, None)
        if lent_w is None:
            return []
        self.import_net_w += lent_w
        ceilings = (*self.imports, *(each.ceiling for each in self.dimmings))
        return [_bound(each, -WIDE_W, -lent_w) for each in ceilings]

    def book(self, device_id: DeviceId, power_w: float, measured_w: float) -> None:
        """Count a consumer or battery that draws ``measured_w`` and is told ``power_w``."""
        self.import_net_w += max(power_w, min(measured_w, 0.0))
        self.export_net_w += min(power_w, max(measured_w, 0.0))
        self._draw(device_id, max(power_w, 0.0))

    def reserve(self, device_id: DeviceId, power_w: float) -> None:
        """Count what a device draws beyond its command, or will need at its turn; negative: no longer."""
        self.import_net_w += power_w
        self._draw(device_id, power_w)

    def _draw(self, device_id: DeviceId, power_w: float) -> None:
        for each in self.dimmings:
            if device_id in each.devices:
                each.drawn_w += power_w

    def book_production(self, made_w: float, limit_w: float) -> None:
        """Count a plant that makes ``made_w`` and may make ``limit_w``; ``made_w`` is in both balances already."""
        self.import_net_w += made_w - min(made_w, limit_w)
        self.export_net_w += made_w - limit_w

    def import_bounds(self, device_id: DeviceId, measured_w: float) -> list[Bound]:
        """What the next device may draw."""
        bounds = [_bound(each, -WIDE_W, max(0.0, self._left_w(each, measured_w))) for each in self.imports]
        for dimming in self.dimmings:
            beside_w = dimming.ceiling.power_max_w - dimming.drawn_w
            left_w = self._left_w(dimming.ceiling, measured_w)
            if device_id in dimming.devices:
                bounds.append(_bound(dimming.ceiling, -WIDE_W, max(0.0, beside_w, left_w)))
            elif beside_w < 0:
                # The dimmed devices live on sun and battery, which no other device may take from them.
                bounds.append(_bound(dimming.ceiling, -WIDE_W, max(0.0, left_w)))
        return bounds

    def _left_w(self, ceiling: Ceiling, measured_w: float) -> float:
        """Import that a ceiling leaves to a device. Sun that an export limit will hold back is not there for it.

        What the device draws already keeps that much sun, but only where it may go on drawing it: where the limit has
        no room for the whole excess, each watt that it is told less is a watt of sun less.
        """
        excess_w = max((-each.power_max_w - self.export_net_w for each in self.exports), default=0.0)
        left_w = ceiling.power_max_w - self.import_net_w
        kept_w = max(measured_w, 0.0) if left_w >= excess_w else 0.0
        return left_w - min(max(excess_w - kept_w, 0.0), self.sun_w)

    def exports_w(self) -> list[float]:
        """What each export limit leaves for a battery now, >= 0 [W]."""
        return [max(0.0, each.power_max_w + self.export_net_w) for each in self.exports]

    def export_bounds(self) -> list[Bound]:
        """What the next battery may give."""
        return [_bound(each, -max(0.0, each.power_max_w + self.export_net_w), WIDE_W) for each in self.exports]

    def production_bounds(self, made_w: float, share_ratio: float) -> list[Bound]:
        """What the next plant may make: what it makes now, and its share of what an export limit leaves."""
        return [
            _bound(each, -filled(made_w, each.power_max_w + self.export_net_w, share_ratio), 0.0)
            for each in self.exports
        ]

    def least_production_w(self, made_w: float) -> float:
        """Production without which an import limit would be passed, as far as it is there: no wish holds that back."""
        needed = [*self.imports, *(each.ceiling for each in self.dimmings if each.drawn_w > each.ceiling.power_max_w)]
        lacking_w = max((self.import_net_w + made_w - each.power_max_w for each in needed), default=0.0)
        return min(max(lacking_w, 0.0), made_w)


def filled(made_w: float, slack_w: float, share_ratio: float) -> float:
    """Production that uses a share of what is free, or gives back all that is too much, >= 0 [W]."""
    return max(0.0, made_w + (slack_w * share_ratio if slack_w > 0 else slack_w))


def exchange(site: Site, seen: Estimate, limits: Sequence[Limit], reserve_w: PhaseValues) -> Exchange:
    """The connection before anything is decided: uncontrolled load, and PV as it is.

    Without a grid reading the load may be anything from nothing to the reserve, and a silent device anything from
    its greatest production to its greatest consumption; the sun may go.
    """
    made_w = sum(values.power_w for values in seen.pv.values())
    sun_w = -sum(min(seen.pv[each.id].power_w, 0.0) for each in site.pv if each.curtailable and each.id in seen.pv)
    if seen.residual_w is not None:
        import_net_w = export_net_w = seen.residual_w + made_w
    else:
        silent = [device for device in site.controllables if device.id in seen.silent]
        import_net_w = reserve_w.total + sum(nameplate_w(device) for device in silent)
        export_net_w = made_w
        # A silent plant that can be limited is given a fixed limit, and counted with it, when its turn comes.
        export_net_w -= sum(each.peak_w for each in silent if isinstance(each, PvPlant) and not each.curtailable)
        export_net_w -= sum(each.discharge_power_max_w for each in silent if isinstance(each, Battery))
    import_net_w += sum(seen.disobeying_w.values())
    # Of an island nothing flows through the connection: there is nothing to limit.
    return Exchange(
        imports=() if seen.is_island else import_ceilings(site, limits),
        exports=() if seen.is_island else export_ceilings(site, limits),
        dimmings=() if seen.is_island else _dimmings(site, seen, limits),
        import_net_w=import_net_w,
        export_net_w=export_net_w,
        sun_w=sun_w,
        lent_w={},
    )


def _dimmings(site: Site, seen: Estimate, limits: Sequence[Limit]) -> tuple[Dimming, ...]:
    """Limits on some devices; of these a silent one counts with its nameplate, a disobedient one with what it draws."""
    worst_w = {each.id: nameplate_w(each) for each in site.controllables if each.id in seen.silent}
    worst_w |= seen.disobeying_w
    return tuple(
        Dimming(
            ceiling=Ceiling(
                authority=each.authority,
                rule=LimitRule.OPERATOR_IMPORT,
                power_max_w=_known(each.dimmed_power_max_w),
            ),
            devices=each.dims,
            drawn_w=sum(power_w for key, power_w in worst_w.items() if key in each.dims),
        )
        for each in limits
        if each.dimmed_power_max_w is not None
    )


def import_ceilings(site: Site, limits: Sequence[Limit]) -> tuple[Ceiling, ...]:
    """Limits on what the site may draw: the contract's and those from outside. The planner reads them here."""
    return _ceilings(
        (Authority.FUSE, LimitRule.CONNECTION_IMPORT, site.connection.import_power_max_w),
        *((each.authority, LimitRule.OPERATOR_IMPORT, each.import_power_max_w) for each in limits),
    )


def export_ceilings(site: Site, limits: Sequence[Limit]) -> tuple[Ceiling, ...]:
    """Limits on what the site may feed in, as :func:`import_ceilings`."""
    return _ceilings(
        (Authority.FUSE, LimitRule.CONNECTION_EXPORT, site.connection.export_power_max_w),
        *((each.authority, LimitRule.OPERATOR_EXPORT, each.export_power_max_w) for each in limits),
    )


def _ceilings(*given: tuple[Authority, LimitRule, float | None]) -> tuple[Ceiling, ...]:
    return tuple(
        Ceiling(authority=authority, rule=rule, power_max_w=_known(max_w))
        for authority, rule, max_w in given
        if max_w is not None
    )


def _known(limit_w: float) -> float:
    """A limit that is no magnitude is a mistake of its sender: nothing is the lower-risk reading of it."""
    return limit_w if limit_w > 0 else 0.0


def _bound(ceiling: Ceiling, lower_w: float, upper_w: float) -> Bound:
    return Bound(authority=ceiling.authority, rule=ceiling.rule, range=PowerRange(lower_w=lower_w, upper_w=upper_w))
