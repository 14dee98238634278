"""Counts and durations of requests in Prometheus' text format, without any text from users."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from lior_cli import resident_bytes

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""The upper bounds of the histogram of durations, in seconds."""


class Metrics:
    """Counters since the start of the server."""

    def __init__(self) -> None:
        self.started = time.time()
        self.requests: Counter[tuple[str, str, int]] = Counter()
        """The number of requests by route, method and status."""
        self._seconds: Counter[tuple[str, float]] = Counter()
        self._total: Counter[str] = Counter()

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a finished request."""
        self.requests[route, method, status] += 1
        bound = next((bound for bound in BOUNDS if seconds <= bound), float("inf"))
        self._seconds[route, bound] += 1
        self._total[route] += round(seconds * 1e6)

    def text(self, gauges: Mapping[str, float]) -> str:
        """Return all metrics in Prometheus' text format, with the present gauges."""
        lines = ["# TYPE lior_requests_total counter"]
        for (route, method, status), count in sorted(self.requests.items()):
            labels = f'route="{route}",method="{method}",status="{status}"'
            lines.append(f"lior_requests_total{{{labels}}} {count}")
        lines.append("# TYPE lior_request_seconds histogram")
        for route in sorted({route for route, _ in self._seconds}):
            sum_ = 0
            for bound in (*BOUNDS, float("inf")):
                sum_ += self._seconds[route, bound]
                name = "+Inf" if bound == float("inf") else f"{bound:g}"
                lines.append(f'lior_request_seconds_bucket{{route="{route}",le="{name}"}} {sum_}')
            lines.append(f'lior_request_seconds_sum{{route="{route}"}} {self._total[route] / 1e6:.6f}')
            lines.append(f'lior_request_seconds_count{{route="{route}"}} {sum_}')
        values = {"uptime_seconds": time.time() - self.started, "resident_bytes": resident_bytes(), **gauges}
        for name, value in values.items():
            lines += [f"# TYPE lior_{name} gauge", f"lior_{name} {value:g}"]
        return "\n".join(lines) + "\n"
