"""Numbers as people say them: 0.1 kW, 1 ct, hours and minutes of the house."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def kilowatts(power_w: float) -> str:
    """Magnitude in kW with one decimal."""
    return f"{abs(power_w) / 1000:.1f} kW"


def power_span(low_w: float, high_w: float) -> str:
    """One power, or a span where it moved."""
    low, high = (f"{max(each, 0.0) / 1000 + 0.0:.1f}" for each in (low_w, high_w))  # + 0.0: there is no minus zero
    return f"{high} kW" if low == high else f"{low} to {high} kW"


def to_exchange(power_w: float) -> str:
    """What a house is to do at its connection, import positive: take so much, feed in so much, or neither."""
    if abs(power_w) < 50:
        return "exchange nothing with the grid"  # it would be told as 0.0 kW
    return f"take {kilowatts(power_w)} from the grid" if power_w > 0 else f"feed {kilowatts(power_w)} into the grid"


def cents(price_eur_per_kwh: float) -> str:
    """Price of one kWh in cents, one decimal below ten."""
    value = price_eur_per_kwh * 100
    text = f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}".removesuffix(".0")
    return f"{'0' if text == '-0' else text} ct"


def clock(at: datetime, zone: ZoneInfo) -> str:
    """Local time of day, 24 hours."""
    return at.astimezone(zone).strftime("%H:%M")


def coming(at: datetime, since_at: datetime, zone: ZoneInfo) -> str:
    """A time to come, as seen from ``since_at``: time of day, with its day where that alone would mean another one."""
    ahead = at - since_at
    if ahead < timedelta(days=1):
        return clock(at, zone)
    local = at.astimezone(zone)
    day = _WEEKDAYS[local.weekday()] if ahead < timedelta(days=6) else local.date().isoformat()
    return f"{clock(at, zone)} on {day}"


def brings(price_eur_per_kwh: float) -> str:
    """What one kWh brings, or costs where its price is negative."""
    verb = "costs" if price_eur_per_kwh < 0 else "brings"
    return f"{verb} {cents(abs(price_eur_per_kwh))}"


def costs(price_eur_per_kwh: float) -> str:
    """What one kWh costs, or brings where its price is negative."""
    verb = "brings" if price_eur_per_kwh < 0 else "costs"
    return f"{verb} {cents(abs(price_eur_per_kwh))}"


def saves(value_eur_per_kwh: float) -> str:
    """What one kWh saves later, or costs where there will be too much of it."""
    verb = "costs" if value_eur_per_kwh < 0 else "saves"
    return f"{verb} {cents(abs(value_eur_per_kwh))} later"


def would_save(value_eur_per_kwh: float) -> str:
    """As :func:`saves`, for what is not done."""
    verb = "cost" if value_eur_per_kwh < 0 else "save"
    return f"would {verb} {cents(abs(value_eur_per_kwh))} later"
