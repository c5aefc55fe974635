"""OpenTelemetry: a span and a duration for each unit of work, in the words of its conventions for databases.

There are no ids, no statements and no text of a conversation in them. What is not instrumented costs nothing, and
without a provider of the application's OpenTelemetry itself does next to nothing.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.metrics import Histogram, MeterProvider
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, TracerProvider

from .manager import SessionManager, manager_of
from .types import Operation

__all__ = ["instrument", "uninstrument"]

_SCOPE = "zep_memory_plugin"
_DURATION = "db.client.operation.duration"
_BOUNDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0]
"""Seconds between which the conventions have durations counted."""


def instrument(
    manager: SessionManager,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """Let each unit of work of *manager* be a span, and its duration be counted; without providers, by the global ones.

    A unit is what is done in one transaction, or one read, with all its attempts: an append, a page of a listing, a
    batch of a purge. Its span is a child of the current one.
    """
    tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
    meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
    duration = meter.create_histogram(
        _DURATION,
        unit="s",
        description="Duration of database client operations.",
        explicit_bucket_boundaries_advisory=_BOUNDS,
    )
    manager_of(manager).watch(lambda operation: _around(operation, tracer, duration))


def uninstrument(manager: SessionManager) -> None:
    """Undo what `instrument` did."""
    manager_of(manager).watch(None)


@contextmanager
def _around(operation: Operation, tracer: Tracer, duration: Histogram) -> Iterator[None]:
    attributes = _attributes(operation)
    started = time.perf_counter()
    # Neither the words of an error nor its traceback, which may hold ids: its kind says enough.
    with tracer.start_as_current_span(
        operation.name,
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except BaseException as error:
            attributes["error.type"] = type(error).__qualname__
            span.set_attribute("error.type", attributes["error.type"])
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            duration.record(time.perf_counter() - started, attributes)


def _attributes(operation: Operation) -> dict[str, str | int]:
    given = {
        "db.system.name": operation.system,
        "db.operation.name": operation.name,
        "db.namespace": operation.namespace,
        "server.address": operation.host,
        "server.port": operation.port,
    }
    return {name: value for name, value in given.items() if value is not None}
