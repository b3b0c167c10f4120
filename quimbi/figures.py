"""The gateway's gauges, asked for at the moment of a scrape: what a call would meet, and how many are left."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from quimbi import budget, service, shared
from supportdesk.core.breaker import Verdict

WINDOWS = {budget.MINUTE: "minute", budget.HOUR: "hour"}


class Gateway(Collector):
    """Says nothing where there is no Quimbi; without Redis, what this process knows."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        if not service.enabled():
            return
        opened = GaugeMetricFamily(
            "supportdesk_breaker_open", "1 while no call is let by, but for probes.", labels=["breaker"]
        )
        for breaker in shared.BREAKERS:
            opened.add_metric([breaker.name], breaker.look().verdict in {Verdict.OPEN, Verdict.PROBE})
        yield opened
        left = budget.left()
        if left is not None:
            calls = GaugeMetricFamily(
                "supportdesk_quimbi_calls_left", "Of the budget of all processes, by window.", labels=["window"]
            )
            for seconds, number in left.items():
                calls.add_metric([WINDOWS[seconds]], number)
            yield calls
