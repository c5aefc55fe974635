"""Moments as whole numbers, which databases order and cursors carry."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)


def microseconds(moment: datetime) -> int:
    """Return *moment* in microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def hour_of(moment: datetime) -> int:
    """Return the whole hours from 1970 to *moment*."""
    return (moment - _EPOCH) // _HOUR


def moment_of(microseconds: int) -> datetime:
    """Return the moment so many *microseconds* since 1970, in UTC.

    Raises:
        OverflowError: no datetime reaches that far.
    """
    return _EPOCH + timedelta(microseconds=microseconds)
