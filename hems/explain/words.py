"""Numbers as people say them: 0.1 kW, 1 ct, hours and minutes of the house."""

from datetime import datetime
from zoneinfo import ZoneInfo


def kilowatts(power_w: float) -> str:
    """Magnitude in kW with one decimal."""
    return f"{abs(power_w) / 1000:.1f} kW"


def power_span(low_w: float, high_w: float) -> str:
    """One power, or a span where it moved."""
    low, high = f"{max(low_w, 0.0) / 1000:.1f}", f"{max(high_w, 0.0) / 1000:.1f}"
    return f"{high} kW" if low == high else f"{low} to {high} kW"


def cents(price_eur_per_kwh: float) -> str:
    """Price of one kWh in cents, one decimal below ten."""
    value = price_eur_per_kwh * 100
    text = f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}".removesuffix(".0")
    return f"{'0' if text == '-0' else text} ct"


def clock(at: datetime, zone: ZoneInfo) -> str:
    """Local time of day, 24 hours."""
    return at.astimezone(zone).strftime("%H:%M")
