"""How often a service runs, as a person chooses and reads it."""

from datetime import timedelta

from merchants.models import Schedule, Service
from merchants.schedules import AUTOMATIC, DAY, HOUR, MINUTE, choices, sweep

OFF, AUTO = "off", "auto"
Choice = tuple[str, "str | list[tuple[str, str]]"]


def options(service: Service, min_every: timedelta | None = None) -> list[Choice]:
    """What is on offer for a service: Off, Automatic where it has it, steps, once a day at an hour."""
    offered: list[Choice] = [(OFF, "Off")]
    if service in AUTOMATIC:
        offered.append((AUTO, "Automatic"))
    offered += [(str(every), spell(every)) for every in choices(service, min_every) if every < DAY]
    hours = [(f"{DAY}-{hour}", f"Once a day at {hour:02}:00") for hour in range(24)]
    return [*offered, ("Once a day", hours)]


def spell(every: int) -> str:
    """An interval in words."""
    if every < MINUTE:
        return f"Every {every} seconds"
    if every < HOUR:
        return "Every minute" if every == MINUTE else f"Every {every // MINUTE} minutes"
    return "Every hour" if every == HOUR else f"Every {every // HOUR} hours"


def value_of(schedule: Schedule) -> str:
    """A schedule's frequency as one of the values of `options`."""
    if not schedule.every:
        return OFF
    if schedule.automatic:
        return AUTO
    return f"{DAY}-{schedule.at_hour or 0}" if schedule.every == DAY else str(schedule.every)


def words_of(schedule: Schedule) -> str:
    """A schedule's frequency in words."""
    if not schedule.every:
        return "Off"
    if schedule.automatic:
        return "Automatic"
    return f"Once a day at {schedule.at_hour or 0:02}:00" if schedule.every == DAY else spell(schedule.every)


def settings_of(value: str, service: Service, min_every: timedelta | None = None) -> dict[str, int | bool | None]:
    """The inverse of `value_of`: the arguments of `schedules.set_frequency`. Raises ValueError."""
    if value == OFF:
        return {"every": 0, "automatic": False, "at_hour": None}
    if value == AUTO and service in AUTOMATIC:
        return {"every": sweep(service, min_every), "automatic": True, "at_hour": None}
    every, _, hour = value.partition("-")
    if int(every) == DAY and hour:
        if int(hour) not in range(24):
            raise ValueError(value)
        return {"every": DAY, "automatic": False, "at_hour": int(hour)}
    if int(every) not in choices(service, min_every):
        raise ValueError(value)
    return {"every": int(every), "automatic": False, "at_hour": None}


def at_least(schedule: Schedule, service: Service, min_every: timedelta | None = None) -> int:
    """A schedule's interval as another system allows it, in seconds: its own, or the next longer one on offer."""
    if schedule.automatic:
        return sweep(service, min_every)
    offered = choices(service, min_every)
    return next((every for every in offered if every >= schedule.every), offered[-1])
