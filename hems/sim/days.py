"""How a run stands at the end of each day, so that any window of days can be priced afterwards."""

from dataclasses import asdict, dataclass

from hems.sim.house import SimHouse


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEnd:
    """Sums since the start of the run, and what is in store at the end of a day."""

    energy_cost_eur: float
    import_wh: float
    export_wh: float
    unmet_car_wh: float
    deliverable_wh: float
    """Stored energy, as it would come out."""
    pending_car_wh: float
    """What a plugged-in car still waits for."""
    peak_import_w: float
    """Highest import of a quarter hour of this day, as mean power."""

    @classmethod
    def of(cls, house: SimHouse) -> "DayEnd":
        """How a house stands; its day is closed."""
        totals = house.totals
        found = cls(
            energy_cost_eur=totals.cost_eur,
            import_wh=totals.import_wh,
            export_wh=totals.export_wh,
            unmet_car_wh=totals.unmet_car_wh,
            deliverable_wh=deliverable_wh(house),
            pending_car_wh=pending_car_wh(house),
            peak_import_w=totals.day_peak_import_w,
        )
        totals.close_day()
        return found

    def figures(self) -> dict[str, float]:
        """Rounded to what means something."""
        return {name: round(value, 4 if name.endswith("_eur") else 1) for name, value in asdict(self).items()}


def deliverable_wh(house: SimHouse) -> float:
    """What is stored, as it would come out [Wh]."""
    return sum(each.stored_wh * each.battery.discharge_efficiency_ratio for each in house.batteries.values())


def pending_car_wh(house: SimHouse) -> float:
    """What cars that are plugged in at the end have not got yet [Wh]."""
    total_wh = 0.0
    for charger in house.chargers.values():
        if charger.stay is not None:
            total_wh += max(0.0, charger.stay.energy_wh - charger.values().session_energy_wh)
    return total_wh
