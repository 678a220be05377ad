"""Measured series from CSV or CSV.gz, and resampling to slots that keeps energy.

Everything wrong with a file is a BadInputError that starts with ``file:line:``; line 1 is the header.
"""

import csv
import gzip
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hems.domain.errors import BadInputError
from hems.domain.time import SLOT_S, SlotGrid, unix_s

FloatArray = npt.NDArray[np.float64]
TIME_COLUMN = "time_utc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Columns of one file, one value per step from ``start_at`` on; nan is "not measured"."""

    path: Path
    start_at: datetime
    step_s: int
    columns: Mapping[str, FloatArray]

    @property
    def count(self) -> int:
        """Number of steps."""
        return len(next(iter(self.columns.values())))


def find_file(folder: Path, stem: str) -> Path | None:
    """``stem.csv`` or ``stem.csv.gz`` in a folder, the plain one first; None if there is neither."""
    candidates = (folder / f"{stem}.csv", folder / f"{stem}.csv.gz")
    return next((path for path in candidates if path.is_file()), None)


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row with its line number, as text by column; blank lines are skipped.

    Raises:
        BadInputError: unreadable, not text, no header, or a row with another number of fields.
    """
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}:1: cannot be read: {error}") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader, None)
    if not header:
        raise BadInputError(f"{path}:1: empty: the first line names the columns")
    names = [name.strip() for name in header]
    for fields in reader:
        if not fields:
            continue
        if len(fields) != len(names):
            raise BadInputError(f"{path}:{reader.line_num}: {len(fields)} fields, the header has {len(names)}")
        yield reader.line_num, dict(zip(names, fields, strict=True))


def parse_utc(text: str, *, where: str) -> datetime:
    """An instant that says that it is UTC, as ``2024-03-01T12:30:00Z``."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInputError(f"{where}: {text!r} is not a time; write 2024-03-01T12:30:00Z") from None
    if at.utcoffset() != timedelta(0):
        raise BadInputError(f"{where}: {text!r} is not UTC; end it with Z")
    return at


def parse_number(text: str, *, lower: float, where: str) -> float:
    """A finite number >= ``lower``; an empty field is nan, "not measured"."""
    if not text.strip():
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadInputError(f"{where}: {text!r} is not a number; leave the field empty where nothing was measured")
    if value < lower:
        raise BadInputError(f"{where}: {value:g} is below {lower:g}")
    return value


def read_series(path: Path, lower_by_column: Mapping[str, float]) -> Series:
    """Those of the named columns that the file has; other columns are ignored.

    Args:
        path: CSV or CSV.gz with ``time_utc`` first, equidistant, sorted, no row missing.
        lower_by_column: lowest allowed value of each wanted column.

    Raises:
        BadInputError: anything wrong with the file, with its line.
    """
    times: list[datetime] = []
    values: dict[str, list[float]] = {}
    step = timedelta(0)
    for line, row in read_rows(path):
        where = f"{path}:{line}"
        if not times:
            if next(iter(row)) != TIME_COLUMN:
                raise BadInputError(f"{path}:1: the first column is {next(iter(row))!r}, it must be {TIME_COLUMN}")
            values = {name: [] for name in lower_by_column if name in row}
        at = parse_utc(row[TIME_COLUMN], where=f"{where}: {TIME_COLUMN}")
        if len(times) == 1:
            step = at - times[0]
        if times:
            _require_next(at, before=times[-1], step=step, where=where)
        times.append(at)
        for name, column in values.items():
            column.append(parse_number(row[name], lower=lower_by_column[name], where=f"{where}: {name}"))
    if len(times) < 2:
        raise BadInputError(f"{path}:1: {len(times)} rows of data, at least two are needed to know the step")
    return Series(
        path=path,
        start_at=times[0],
        step_s=round(step.total_seconds()),
        columns={name: np.array(column, dtype=np.float64) for name, column in values.items()},
    )


def _require_next(at: datetime, *, before: datetime, step: timedelta, where: str) -> None:
    if at == before:
        raise BadInputError(f"{where}: {at.isoformat()} is there twice; daylight saving does not exist in UTC")
    if at < before:
        raise BadInputError(f"{where}: {at.isoformat()} comes after {before.isoformat()}: sort the rows by time")
    if step % timedelta(seconds=1):
        raise BadInputError(f"{where}: a step of {step} is not a whole number of seconds")
    if at - before > step:
        raise BadInputError(
            f"{where}: gap: the row of {(before + step).isoformat()} is missing; add it with empty fields"
        )
    if at - before < step:
        raise BadInputError(f"{where}: the step changes from {step} to {at - before}; keep one step in a file")


def slots_within(series: Series) -> SlotGrid:
    """Whole slots of 900 s that a series covers.

    Raises:
        BadInputError: shorter than one slot.
    """
    first_s = math.ceil(unix_s(series.start_at) / SLOT_S) * SLOT_S
    end_s = unix_s(series.start_at) + series.count * series.step_s
    count = int((end_s - first_s) // SLOT_S)
    if count < 1:
        raise BadInputError(f"{series.path}:1: the data does not cover one quarter hour")
    return SlotGrid(start_at=series.start_at + timedelta(seconds=first_s - unix_s(series.start_at)), count=count)


def resample(values: Sequence[float] | FloatArray, *, start_at: datetime, step_s: int, grid: SlotGrid) -> FloatArray:
    """Means over the slots of a grid of a step function; energy is kept.

    A slot is nan where any part of it is outside the data or not measured.

    Args:
        values: mean over each step; nan where not measured.
        start_at: start of the first step.
        step_s: length of a step, > 0 [s].
        grid: the slots wanted.

    Source: the integral of the step function, taken at both ends of each slot and divided by its length.
    """
    data = np.asarray(values, dtype=np.float64)
    offset_s = round(unix_s(grid.start_at) - unix_s(start_at))
    edges_s = offset_s + np.arange(grid.count + 1, dtype=np.float64) * grid.slot_s
    if step_s % grid.slot_s == 0 and offset_s % grid.slot_s == 0:
        # Each slot lies in one step: take its value, so that a price of 55.2 stays 55.2 to the last digit.
        index = np.floor_divide(edges_s[:-1], step_s).astype(np.int64)
        inside = (index >= 0) & (index < len(data))
        return np.where(inside, data[np.clip(index, 0, len(data) - 1)], np.nan)
    steps_s = np.arange(len(data) + 1, dtype=np.float64) * step_s
    missing = np.isnan(data)
    integral = np.concatenate(([0.0], np.cumsum(np.where(missing, 0.0, data) * step_s)))
    missing_s = np.concatenate(([0.0], np.cumsum(missing * float(step_s))))
    mean = np.diff(np.interp(edges_s, steps_s, integral)) / grid.slot_s
    unknown = np.diff(np.interp(edges_s, steps_s, missing_s)) > 1e-6
    outside = (edges_s[:-1] < 0) | (edges_s[1:] > steps_s[-1])
    return np.where(unknown | outside, np.nan, mean)


def filled_from_neighbours(values: FloatArray, *, slots_per_day: int = 96) -> FloatArray:
    """Gaps filled by the mean of the same time of day on the nearest neighbouring days that have a value.

    One day before and one day after; where both are missing, two days, and so on. UTC time of day, so that a
    fill across a clock change is an hour off in local time; home A has no gap there.

    Raises:
        ValueError: no day has a value for this time of day.
    """
    filled = values.copy()
    for index in np.flatnonzero(np.isnan(values)):
        for distance in range(slots_per_day, len(values) + slots_per_day, slots_per_day):
            near = [values[at] for at in (index - distance, index + distance) if 0 <= at < len(values)]
            known = [value for value in near if not math.isnan(value)]
            if known:
                filled[index] = sum(known) / len(known)
                break
        else:
            raise ValueError(f"no day has a value at this time of day (slot {index})")
    return filled
