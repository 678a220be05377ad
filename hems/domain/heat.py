"""Physics of heat: one statement per rule, shared by planner and simulator."""

from hems.domain.site import HeatPump, RoomModel, TankModel

SINK_C = 35.0
"""Temperature that the coefficient of performance is taken against: floor heating [degrees C]."""
LIFT_MIN_K = 15.0
TANK_ROOM_C = 18.0
"""Temperature around a tank [degrees C]."""
WATER_WH_PER_L_K = 1.163
"""Heat capacity of water (4.187 kJ/(kg K))."""
DRAW_SHARES = ((6.5, 8.5, 0.40), (8.5, 18.0, 0.15), (18.0, 22.0, 0.45))
"""Hot water by local hour of day: from, to, share of the day's draw."""


def ordinary_hours() -> tuple[float, ...]:
    """Share of an ordinary day's hot water in each of its 24 hours."""
    return tuple(
        sum(
            share * max(0.0, min(to_h, hour + 1) - max(from_h, hour)) / (to_h - from_h)
            for from_h, to_h, share in DRAW_SHARES
        )
        for hour in range(24)
    )


def cop_ratio(pump: HeatPump, outdoor_c: float) -> float:
    """Heat per electricity at an outdoor temperature.

    Source: constant share of the Carnot figure T_sink / (T_sink - T_outdoor) with a sink of 35 degrees C, scaled to
    the nameplate at 7 degrees C; at -7 degrees C that is 0.67 of it, data sheets of air-water units say 0.6-0.7.
    """
    lift_k = max(SINK_C - outdoor_c, LIFT_MIN_K)
    return pump.cop_at_7c_ratio * (SINK_C - 7.0) / lift_k


def room_capacity_wh_per_k(room: RoomModel) -> float:
    """Heat capacity of the heated space [Wh/K]."""
    return room.loss_w_per_k * room.time_constant_h


def tank_capacity_wh_per_k(tank: TankModel) -> float:
    """Heat capacity of a full tank [Wh/K]."""
    return tank.volume_l * WATER_WH_PER_L_K


def expected_draw_w(tank: TankModel, local_hour: float) -> float:
    """Mean heat tapped at a local hour of a day, ordinary or as the tank's was learned [W]."""
    if tank.draw_hours_ratio:
        return tank.draw_wh_per_day * tank.draw_hours_ratio[int(local_hour)]
    for from_h, to_h, share in DRAW_SHARES:
        if from_h <= local_hour < to_h:
            return tank.draw_wh_per_day * share / (to_h - from_h)
    return 0.0
