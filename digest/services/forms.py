"""What people type into forms, read into values of the model; what cannot be read is named for them to fix."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import TypeVar
from zoneinfo import available_timezones

from digest.model import MOST_PAPERS, Cadence, Interest, Schedule, Subscriber, Topic
from digest.rendering.words import clean

T = TypeVar("T")
N = TypeVar("N", int, float)

FASTEST = timedelta(seconds=3)
"""in which a person can fill in a form"""

MOST_TEXTS = 5
LONGEST_TEXT = 300
MOST_LINES, LONGEST_LINE = 50, 100

LISTS = ("authors", "keywords", "categories", "exclusions")
"""of an interest, one a line"""

LARGEST: dict[str, float] = {"mine": 5.0, "trending": 5.0, "explore": 5, "least": 10.0, "quota": MOST_PAPERS}
"""what a subscriber steers by, and how much of it at most"""

_CADENCES = {cadence.value: cadence for cadence in Cadence}
_DAYS = {str(day): day for day in range(1, 8)}
_HOURS = {str(hour): hour for hour in range(24)}
_COUNTS = {str(count): count for count in range(1, MOST_PAPERS + 1)}


class Form:
    """Fields as typed, and *errors* by field. Readers note an error and return something harmless; nothing raises."""

    def __init__(self, typed: dict[str, list[str]]) -> None:
        self.typed = typed
        self.errors: dict[str, str] = {}

    @classmethod
    def of(cls, topics: Iterable[Topic], wanted: Subscriber) -> "Form":
        """The form as if these values had been typed."""
        interest, schedule, pause = wanted.interest, wanted.schedule, wanted.paused_until
        weekly, chosen = schedule.cadence is Cadence.WEEKLY, schedule.cadence is Cadence.WEEKDAYS
        return cls(
            {
                "topic": [topic.slug for topic in topics if topic.id in interest.topics],
                "texts": ["\n".join(interest.texts)],
                "cadence": [schedule.cadence.value],
                "days": [str(day) for day in (schedule.days if chosen else range(1, 6))],
                "day": [str(schedule.days[0] if weekly else 1)],
                "hour": [str(schedule.hour)],
                "zone": [schedule.zone],
                "count": [str(wanted.count)],
                "minimum": [str(wanted.minimum)],
                "pause": [pause.isoformat() if pause else ""],
                "languages": [", ".join(wanted.steering.languages)],
                "events": ["yes" if wanted.steering.events else "no"],
            }
            | {name: ["\n".join(getattr(interest, name))] for name in LISTS}
            | {name: [f"{getattr(wanted.steering, name):g}"] for name in LARGEST}
        )

    def one(self, name: str) -> str:
        return self.typed.get(name, [""])[0]

    def ticked(self, name: str, value: str) -> bool:
        return value in self.typed.get(name, [])

    def filled(self, age: timedelta | None) -> None:
        """Whether a person can have filled it in, who was shown it *age* ago (None: never)."""
        if age is None:
            self.errors["form"] = "This form was open for long. Please look it over and send it once more."
        elif age < FASTEST:
            self.errors["form"] = "That was fast! Please send it once more, for we are not sure you are no machine."

    def address(self) -> str:
        address = self.one("address").strip()
        if not address:
            self.errors["address"] = "Please type the address that the mail should go to."
        return address

    def preferences(self, topics: Sequence[Topic], before: Subscriber) -> Subscriber:
        """All as typed; fields that were not sent, and weights, stay as they were *before*."""
        steering = {name: self._number(name, getattr(before.steering, name), most) for name, most in LARGEST.items()}
        wanted = replace(
            before,
            interest=self.interest(topics, before.interest),
            schedule=self.schedule(),
            count=self.count(),
            minimum=self._number("minimum", before.minimum, MOST_PAPERS),
            paused_until=self.pause(),
            steering=replace(
                before.steering,
                **steering,
                languages=self._languages(before.steering.languages),
                events=self._events(before.steering.events),
            ),
        )
        if wanted.minimum > wanted.count and "count" not in self.errors:
            self.errors["minimum"] = f"A mail has at most {wanted.count} papers, so it would never come."
        return wanted

    def interest(self, topics: Sequence[Topic], before: Interest) -> Interest:
        """Ticks and texts as typed; weights and all else that the form does not show stay as they were *before*."""
        unseen = before.topics.keys() - {topic.id for topic in topics}  # no longer offered
        ticks = [topic.id for topic in topics if self.ticked("topic", topic.slug)]
        weights = {number: before.topics.get(number, 1.0) for number in (*ticks, *sorted(unseen))}
        texts = tuple(filter(None, map(clean, self.one("texts").splitlines())))
        if len(texts) > MOST_TEXTS:
            self.errors["texts"] = f"Please keep it to {MOST_TEXTS} lines; these are {len(texts)}."
        elif any(len(text) > LONGEST_TEXT for text in texts):
            self.errors["texts"] = f"Please keep every line below {LONGEST_TEXT} characters; a sentence works best."
        lists = {name: self._list(name, getattr(before, name)) for name in LISTS}
        both = [line for line in lists["authors"] if line.casefold() in map(str.casefold, lists["exclusions"])]
        if both:
            self.errors["exclusions"] = f"You follow {both[0]} and leave them out; please do one of the two."
        return replace(before, topics=weights, texts=texts, **lists)

    def _list(self, name: str, before: tuple[str, ...]) -> tuple[str, ...]:
        if name not in self.typed:
            return before
        lines = tuple(dict.fromkeys(filter(None, map(clean, re.split(r"[\n;]", self.one(name))))))
        if len(lines) > MOST_LINES or any(len(line) > LONGEST_LINE for line in lines):
            self.errors[name] = f"Please keep it to {MOST_LINES} lines, each below {LONGEST_LINE} characters."
        return lines

    def _number(self, name: str, before: N, most: N) -> N:
        """A number from 0 to *most*, of the kind it was *before*."""
        typed = self.one(name).strip().replace(",", ".") if name in self.typed else before
        try:
            number = type(before)(typed)
        except ValueError:
            number = type(before)(-1)
        if not 0 <= number <= most:
            self.errors[name] = f"Please write a {'whole ' * isinstance(most, int)}number from 0 to {most:g}."
        return number

    def _languages(self, before: tuple[str, ...]) -> tuple[str, ...]:
        codes = tuple(re.findall(r"[^\s,;]+", self.one("languages").lower())) if "languages" in self.typed else before
        if any(not re.fullmatch("[a-z]{2}", code) for code in codes) or len(codes) > MOST_LINES:
            self.errors["languages"] = "Please write languages as two letters each, like en, de."
        return codes

    def _events(self, before: bool) -> bool:
        if "events" not in self.typed:
            return before
        return self._choice("events", {"yes": True, "no": False}, "Please choose yes or no.")

    def schedule(self) -> Schedule:
        cadence = self._choice("cadence", _CADENCES, "Please choose how often: daily, weekdays or weekly.")
        hour = self._choice("hour", _HOURS, "Please choose an hour between 0 and 23.")
        unknown = "There is no such time zone; try one like Europe/Berlin, or UTC."
        zone = self._choice("zone", _zones(), unknown, _folded)
        return Schedule(cadence, hour, zone, self._days(cadence))

    def _days(self, cadence: Cadence) -> tuple[int, ...]:
        if cadence is Cadence.WEEKLY:
            return (self._choice("day", _DAYS, "Please choose a day of the week."),)
        if cadence is Cadence.DAILY:
            return tuple(_DAYS.values())
        days = tuple(number for value, number in _DAYS.items() if self.ticked("days", value))
        if not days:
            self.errors["days"] = "Please choose at least one day."
        return days

    def count(self) -> int:
        return self._choice("count", _COUNTS, f"Please choose a number between 1 and {MOST_PAPERS}.")

    def pause(self) -> date | None:
        """The day until which no mail should come; None when left empty."""
        typed = self.one("pause").strip()
        try:
            return date.fromisoformat(typed) if typed else None
        except ValueError:
            self.errors["pause"] = "Please write the day like 2026-08-31, or leave it empty."
            return None

    def _choice(self, name: str, allowed: Mapping[str, T], error: str, key: Callable[[str], str] = str) -> T:
        """What was chosen of *allowed*; if nothing that is, the *error* and the first of them."""
        typed = key(self.one(name).strip())
        if typed not in allowed:
            self.errors[name] = error
        return allowed.get(typed, next(iter(allowed.values())))


def zone_names() -> list[str]:
    """IANA zones to offer: UTC and the places, without the historical aliases that are still understood."""
    return ["UTC", *sorted(zone for zone in _zones().values() if "/" in zone and not zone.startswith(("Etc/", "US/")))]


@cache
def _zones() -> dict[str, str]:
    return {_folded(zone): zone for zone in ("UTC", *available_timezones())}


def _folded(zone: str) -> str:
    """People write "europe/berlin" and "America/New York"."""
    return zone.casefold().replace(" ", "_")
