"""How fast an account of Gorgias may be asked.

Its limit is a bucket that drains evenly: 40 or 80 calls in 20 seconds, for us and for everybody who works there. From
four fifths of it on we wait until it has drained below that, so that people's own use is not starved.
"""

SHARE = 0.8
WINDOW = 20.0  # seconds in which the whole bucket drains


def rest_after(header: str | None) -> float:
    """Seconds to wait after an answer whose limit reads `79/80`; 0 when it says nothing that can be read."""
    used, _, limit = (header or "").partition("/")
    if not (used.isdecimal() and limit.isdecimal() and len(header or "") < 20 and int(limit)):
        return 0.0
    over = int(used) - SHARE * int(limit)
    return min((over + 1) * WINDOW / int(limit), WINDOW) if over >= 0 else 0.0
