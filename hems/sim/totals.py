"""What a run costs and what went wrong in it."""

from dataclasses import asdict, dataclass, field
from typing import Any

from hems.domain.time import SLOT_S

NETTED = ("import_wh", "export_wh", "import_lost_eur", "export_lost_eur")


@dataclass(slots=True, kw_only=True)
class Totals:
    """Sums over a run so far.

    Import and export are those of the stretch means (at most 60 s, all phases together): a tick of a minute cannot
    answer single seconds, the real tick of a second can. Fuse seconds are counted on single seconds and phases.
    """

    import_wh: float = 0.0
    export_wh: float = 0.0
    import_cost_eur: float = 0.0
    export_earnings_eur: float = 0.0
    peak_import_w: float = 0.0
    """Highest import of a quarter hour, as mean power."""
    day_peak_import_w: float = 0.0
    """The same since :meth:`close_day`."""
    battery_throughput_wh: float = 0.0
    """Charged and discharged energy, AC side."""
    car_wh: float = 0.0
    curtailed_wh: float = 0.0
    """PV energy that a limit held back."""
    unmet_car_wh: float = 0.0
    """Energy that cars left without, against min(wanted, charger power x connected time)."""
    discomfort_degree_h: float = 0.0
    """Room below its comfort band, or above it by heating: a hot summer is nobody's fault."""
    tank_discomfort_degree_h: float = 0.0
    """Hot water below its lower temperature."""
    fuse_exceeded_s: dict[str, int] = field(default_factory=dict)
    """Per circuit: seconds in which any phase carried more than the rated current."""
    month_peaks_w: dict[str, float] = field(default_factory=dict)
    """Highest quarter hour that a capacity tariff counts, by months since January 1970."""
    co2_g: float = 0.0
    """Of what was imported, where the site says how much a kWh emits."""
    slot_import_wh: float = 0.0
    """Import of the quarter hour under way."""
    last_import_w: float = 0.0
    """Mean import of the last whole quarter hour."""
    slot_export_wh: float = 0.0
    last_export_w: float = 0.0
    billing_years: dict[str, dict[str, float]] = field(default_factory=dict)
    """What net metering settles, by first day: energy each way, and what its prices are above those of surplus."""

    @property
    def cost_eur(self) -> float:
        """Import cost minus export earnings."""
        return self.import_cost_eur - self.export_earnings_eur

    def book_grid(self, power_w: float, *, seconds: int, import_eur_per_kwh: float, export_eur_per_kwh: float) -> None:
        """Book a stretch of constant exchange with the grid, import positive."""
        energy_wh = power_w * seconds / 3600
        if energy_wh >= 0:
            self.import_wh += energy_wh
            self.slot_import_wh += energy_wh
            self.import_cost_eur += energy_wh / 1000 * import_eur_per_kwh
        else:
            self.export_wh -= energy_wh
            self.slot_export_wh -= energy_wh
            self.export_earnings_eur -= energy_wh / 1000 * export_eur_per_kwh

    def book_netting(self, year: str, power_w: float, *, seconds: int, lost_eur_per_kwh: float) -> None:
        """Book a stretch to a billing year: what one kWh of surplus earns less than a netted one is lost with it."""
        booked = self.billing_years.setdefault(year, dict.fromkeys(NETTED, 0.0))
        way, energy_wh = "import" if power_w >= 0 else "export", abs(power_w) * seconds / 3600
        booked[f"{way}_wh"] += energy_wh
        booked[f"{way}_lost_eur"] += energy_wh / 1000 * lost_eur_per_kwh

    def close_slot(self, month: int | None = None) -> None:
        """A quarter hour has ended; a capacity tariff counts it to this month."""
        self.last_import_w = import_w = self.slot_import_wh * 3600 / SLOT_S
        if month is not None:
            self.month_peaks_w[str(month)] = max(self.month_peaks_w.get(str(month), 0.0), import_w)
        self.peak_import_w = max(self.peak_import_w, import_w)
        self.day_peak_import_w = max(self.day_peak_import_w, import_w)
        self.last_export_w = self.slot_export_wh * 3600 / SLOT_S
        self.slot_import_wh = self.slot_export_wh = 0.0

    def close_day(self) -> None:
        """A day has ended."""
        self.day_peak_import_w = 0.0

    def state(self) -> dict[str, Any]:
        """All sums, as JSON."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Totals":
        """Inverse of :meth:`state`."""
        copied = {name: dict(state[name]) for name in ("fuse_exceeded_s", "month_peaks_w")}
        copied["billing_years"] = {year: dict(booked) for year, booked in state["billing_years"].items()}
        return cls(**{**state, **copied})
