"""Control episodes: open when the deciding rule, its numbers or a limit changes; close with what happened meanwhile."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from hems.control.state import ControlState, OpenEpisode
from hems.domain.command import Authority, Command, LimitedBy
from hems.domain.decision import DecisionEpisode, Summary
from hems.domain.reasons import Reason
from hems.domain.site import DeviceId


def turn(
    state: ControlState,
    *,
    measured_power_w: Mapping[DeviceId, float | None],
    reasons: Mapping[DeviceId, Reason],
    commands: Mapping[DeviceId, Command],
    plan_issued_at: datetime | None,
    at: datetime,
    gap_s: float,
) -> tuple[dict[DeviceId, OpenEpisode], tuple[DecisionEpisode, ...]]:
    """Book the time since the tick before, close what ended, open what began.

    Args:
        state: memory with the open episodes.
        measured_power_w: mean power since the tick before, load convention; None where unknown.
        reasons: this tick's reason per device.
        commands: this tick's commands; a meter has none.
        plan_issued_at: which plan is in force.
        at: this tick.
        gap_s: time since the tick before [s].

    Returns:
        Open episodes, and those that closed now.
    """
    open_now: dict[DeviceId, OpenEpisode] = {}
    closed: list[DecisionEpisode] = []
    for device_id, reason in reasons.items():
        command = commands.get(device_id)
        authority = Authority.DEVICE if command is None else _decided_by(command)
        limited_by = () if command is None else command.limited_by
        before = state.episodes.get(device_id)
        if before is not None:
            booked = _book(before, measured_power_w.get(device_id), gap_s)
            if booked.reason == reason and booked.authority is authority and _same_rules(booked.limited_by, limited_by):
                open_now[device_id] = booked
                continue
            closed.append(close(device_id, booked, at))
        open_now[device_id] = OpenEpisode(
            opened_at=at, authority=authority, reason=reason, limited_by=limited_by, plan_issued_at=plan_issued_at
        )
    return open_now, tuple(closed)


def close(device_id: DeviceId, episode: OpenEpisode, at: datetime) -> DecisionEpisode:
    """The record of an episode that ends at an instant."""
    known = episode.known_s > 0
    return DecisionEpisode(
        device_id=device_id,
        opened_at=episode.opened_at,
        closed_at=at,
        authority=episode.authority,
        reason=episode.reason,
        limited_by=episode.limited_by,
        summary=Summary(
            power_min_w=episode.power_min_w,
            power_mean_w=episode.energy_ws / episode.known_s if known else None,
            power_max_w=episode.power_max_w,
            energy_wh=episode.energy_ws / 3600 if known else None,
        ),
        plan_issued_at=episode.plan_issued_at,
    )


def _decided_by(command: Command) -> Authority:
    """The strongest limit that shaped a command, or who wanted it."""
    return command.limited_by[0].authority if command.limited_by else command.authority


def _same_rules(before: Sequence[LimitedBy], now: Sequence[LimitedBy]) -> bool:
    """Whether the same limits hold; their watts are telemetry."""
    return len(before) == len(now) and all(
        a.rule is b.rule and a.authority is b.authority and a.circuit == b.circuit
        for a, b in zip(before, now, strict=True)
    )


def _book(episode: OpenEpisode, power_w: float | None, gap_s: float) -> OpenEpisode:
    if power_w is None:
        return episode
    lowest_w, highest_w = episode.power_min_w, episode.power_max_w
    # Written out: dataclasses.replace takes twice as long, and this runs for every device in every tick.
    return OpenEpisode(
        opened_at=episode.opened_at,
        authority=episode.authority,
        reason=episode.reason,
        limited_by=episode.limited_by,
        plan_issued_at=episode.plan_issued_at,
        power_min_w=power_w if lowest_w is None or power_w < lowest_w else lowest_w,
        power_max_w=power_w if highest_w is None or power_w > highest_w else highest_w,
        energy_ws=episode.energy_ws + power_w * gap_s,
        known_s=episode.known_s + gap_s,
    )
