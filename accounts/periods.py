"""Billing periods: from the day of the month on which an account was made to the day before it in the next."""

import calendar
from datetime import date, datetime
from zoneinfo import ZoneInfo


def beginning(created_at: datetime, zone: str, now: datetime) -> date:
    """The first day of the period that `now` lies in. In a month without that day it is the last one."""
    here = ZoneInfo(zone)
    day, today = created_at.astimezone(here).day, now.astimezone(here).date()
    this = _in_month(today.year, today.month, day)
    if this <= today:
        return this
    year, month = (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)
    return _in_month(year, month, day)


def _in_month(year: int, month: int, day: int) -> date:
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))
