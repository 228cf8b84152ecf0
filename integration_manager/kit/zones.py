"""Time zones to choose from, for systems that tell times without one."""

ZONES = tuple(
    (name, name.replace("_", " "))
    for name in (
        "America/Los_Angeles",
        "America/Phoenix",
        "America/Denver",
        "America/Chicago",
        "America/New_York",
        "America/Anchorage",
        "Pacific/Honolulu",
        "America/Vancouver",
        "America/Toronto",
        "America/Mexico_City",
        "America/Sao_Paulo",
        "Europe/London",
        "Europe/Berlin",
        "Asia/Hong_Kong",
        "Asia/Tokyo",
        "Australia/Sydney",
        "UTC",
    )
)
