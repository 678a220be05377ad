"""What was learned of a device, in plain words; a question where the household is asked."""

from hems.domain.learned import Consent, Fact, LearnedFact

BUSY_RATIO = 1.5


def sentence(fact: LearnedFact, name: str) -> str:
    """What was seen, then what becomes of it.

    Args:
        fact: what was learned.
        name: of its device.
    """
    return f"{_seen(fact, name)} {_end(fact)}"


def _seen(fact: LearnedFact, name: str) -> str:
    planned, value = _amount(fact.fact, fact.planned), _amount(fact.fact, fact.value)
    instead = "" if planned == value else f", not {planned}"
    match fact.fact:
        case Fact.CHARGING_POWER_W:
            return f"At {name} your car never draws more than {value}."
        case Fact.CAPACITY_WH:
            return f"{name} holds {value}{instead}."
        case Fact.ROUND_TRIP_RATIO:
            return f"{name} gives back {value} of what it takes{instead}."
        case Fact.LOSS_W_PER_K:
            return f"The house loses {value} of difference to outside{instead}."
        case Fact.TIME_CONSTANT_H:
            return f"The house keeps most of its warmth for {value}{instead}."
        case Fact.DRAW_WH_PER_DAY:
            return f"Your hot water takes {value} of heat a day{instead}{_mostly(fact.hours_ratio)}."


def _mostly(hours: tuple[float, ...]) -> str:
    """When most of it is taken: hours with half as much again as the mean one."""
    busy = [hour for hour, share in enumerate(hours) if share >= BUSY_RATIO / len(hours)]
    starts = [hour for hour in busy if hour - 1 not in busy]
    ends = [hour + 1 for hour in busy if hour + 1 not in busy]
    spans = [f"{start:02}:00 to {end:02}:00" for start, end in zip(starts, ends, strict=True)]
    return f", most of it from {' and '.join(spans)}" if spans else ""


def _end(fact: LearnedFact) -> str:
    match fact.consent:
        case Consent.SUGGESTED:
            return "Plan with that?"
        case Consent.IN_USE:
            return "Plans are made with that, as you agreed."
        case Consent.DECLINED:
            return f"You wanted plans to go on with {_amount(fact.fact, fact.planned)}."
        case Consent.OBSERVING:
            return "That is what plans are made with."


def _amount(fact: Fact, value: float) -> str:
    match fact:
        case Fact.CHARGING_POWER_W:
            return f"{value / 1000:.1f} kW"
        case Fact.CAPACITY_WH | Fact.DRAW_WH_PER_DAY:
            return f"{value / 1000:.1f} kWh"
        case Fact.ROUND_TRIP_RATIO:
            return f"{100 * value:.0f} %"
        case Fact.LOSS_W_PER_K:
            return f"{value:.0f} W per degree"
        case Fact.TIME_CONSTANT_H:
            return f"{value:.0f} hours"
