"""OpenTelemetry's spans and durations of units of work: what they say, what they keep to themselves, and when."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.support.messages import said
from zep_memory_plugin import NotForOneUser, Operation, SessionManager, SessionNotFound
from zep_memory_plugin.otel import instrument, uninstrument


class Telemetry:
    """What an application has set up, in memory."""

    def __init__(self) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader])

    def instrument(self, manager: SessionManager) -> None:
        instrument(manager, tracer_provider=self.tracers, meter_provider=self.meters)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended."""
        return self._exporter.get_finished_spans()

    def counted(self) -> dict[str, int]:
        """Return how many durations there are of each operation."""
        data: Any = self._reader.get_metrics_data()
        (metric,) = (metric for of in data.resource_metrics for scope in of.scope_metrics for metric in scope.metrics)
        assert (metric.name, metric.unit) == ("db.client.operation.duration", "s")
        return {str(point.attributes["db.operation.name"]): point.count for point in metric.data.data_points}

    def close(self) -> None:
        self.tracers.shutdown()
        self.meters.shutdown()


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    yield telemetry
    telemetry.close()


def test_each_unit_is_a_span_with_the_names_of_the_conventions(database_url: str, telemetry: Telemetry) -> None:
    system = "sqlite" if database_url.startswith("sqlite") else "postgresql"
    with SessionManager(database_url) as manager:
        telemetry.instrument(manager)
        manager.add_memory("a", said("one"))
        manager.get_memory("a")

    assert [span.name for span in telemetry.spans] == ["appending.append", "memory.get"]
    for span in telemetry.spans:
        assert span.kind is SpanKind.CLIENT
        given = dict(span.attributes or {})
        assert given["db.system.name"] == system
        assert given["db.operation.name"] == span.name
        assert ("server.address" in given) == (system == "postgresql")
    assert telemetry.counted() == {"appending.append": 1, "memory.get": 1}


@pytest.mark.parametrize("driver", ["sqlite", "sqlite+aiosqlite"])
def test_awaited_calls_and_those_for_one_user_are_watched_once(
    sqlite_url: str, telemetry: Telemetry, driver: str
) -> None:
    async def use() -> None:
        async with SessionManager(sqlite_url.replace("sqlite:", f"{driver}:", 1)) as manager:
            telemetry.instrument(manager)
            alice = manager.as_user("alice")
            await alice.aadd_memory("a", said("one"))
            await manager.adelete_session("a")

    asyncio.run(use())

    assert [span.name for span in telemetry.spans] == ["appending.append", "sessions.delete"]


def test_a_span_is_a_child_of_the_application_s(sqlite_url: str, telemetry: Telemetry) -> None:
    with SessionManager(sqlite_url) as manager:
        telemetry.instrument(manager)
        with telemetry.tracers.get_tracer("app").start_as_current_span("request") as request:
            manager.list_sessions()

    (span, _) = telemetry.spans
    assert span.parent is not None
    assert span.parent.span_id == request.get_span_context().span_id


def test_a_failure_is_of_its_kind_and_no_word_of_a_conversation_is_in_any_span(
    database_url: str, telemetry: Telemetry
) -> None:
    with SessionManager(database_url) as manager:
        telemetry.instrument(manager)
        manager.add_memory("qzx-session", said("qzx-said"), user_id="qzx-user", metadata={"qzx": "qzx"})
        manager.search_memory("qzx-said")
        with pytest.raises(SessionNotFound):
            manager.get_session("qzx-other")

    failed = telemetry.spans[-1]
    assert (failed.attributes or {})["error.type"] == "SessionNotFound"
    assert (failed.status.status_code, failed.status.description, failed.events) == (StatusCode.ERROR, None, ())
    assert "qzx" not in "".join(span.to_json() for span in telemetry.spans)


def test_what_is_no_longer_instrumented_makes_no_spans(sqlite_url: str, telemetry: Telemetry) -> None:
    with SessionManager(sqlite_url) as manager:
        telemetry.instrument(manager)
        uninstrument(manager)
        manager.list_sessions()

    assert telemetry.spans == ()


def test_any_other_watcher_is_told_what_is_done_and_where(sqlite_url: str) -> None:
    seen: list[Operation] = []

    @contextmanager
    def watcher(operation: Operation) -> Iterator[None]:
        seen.append(operation)
        yield

    with SessionManager(sqlite_url) as manager:
        manager.watch(watcher)
        manager.add_memory("a", said("one"), user_id="alice")
        manager.delete_user("alice")
        with pytest.raises(NotForOneUser, match="watch"):
            manager.as_user("alice").watch(None)

    assert seen[0] == Operation("appending.append", True, "sqlite")
    assert Operation("erasure.erase", True, "sqlite") in seen
    assert all(operation.name.isascii() for operation in seen)


def test_nothing_of_it_is_imported_without_being_asked_for() -> None:
    program = "import sys, zep_memory_plugin; print([name for name in sys.modules if name.startswith('opentelemetry')])"

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout == "[]\n"
