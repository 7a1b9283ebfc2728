"""The tick: once a minute, in UTC, in one process. What is due is computed by the services, never by the scheduler."""

import logging
import signal
from collections.abc import Callable
from datetime import UTC, timedelta
from threading import Event

from apscheduler.schedulers.background import BackgroundScheduler

from digest import clock
from digest.app import App
from digest.errors import Busy, ConfigError, DigestError

log = logging.getLogger("digest")

COLLECT_EVERY = timedelta(minutes=30)


def tick(app: App) -> None:
    """One round of everything that may be due; a failure in one step is logged and does not stop the next."""
    prepare(app)
    for step in (post, deliver):
        _step(step, app)


def prepare(app: App) -> None:
    """All but the sending: a slow relay must not keep tomorrow's papers from being collected."""
    for step in (collect_if_due, open_edition, app.subscriptions.wake, compose, app.subscriptions.tidy):
        _step(step, app)


def _step(step: Callable[..., object], app: App) -> None:
    try:
        step() if getattr(step, "__self__", None) else step(app)
    except Busy as error:
        log.info("%s: %s", step.__name__, error)
    except DigestError as error:
        log.error("%s: %s", step.__name__, error)
    except ConfigError:
        raise
    except Exception:  # a bug in one step must not keep what is composed already from its readers
        log.exception("%s failed", step.__name__)


def collect_if_due(app: App) -> None:
    """Ask the sources unless that was done in the last half hour; a clock that was put back does not hide one."""
    now = app.clock()
    records = {record.name: record for record in app.catalog.sources.all(now)}
    due = [
        source.name
        for source in app.sources
        if source.name not in records or not timedelta() <= now - records[source.name].asked < COLLECT_EVERY
    ]
    for collected in app.collect.collect(due) if due else ():
        if collected.taken:
            log.info("%s: %d new, %d known", collected.source, collected.taken.new, collected.taken.known)
        else:
            log.warning("%s", collected.error)


def open_edition(app: App) -> None:
    opened = app.publish.open()
    if opened.new:
        log.info("edition of %s opened with %d candidates", opened.edition, opened.candidates)
    elif opened.waiting_for:
        log.info("the edition waits for %s", ", ".join(opened.waiting_for))


def compose(app: App) -> None:
    if composed := app.publish.compose():
        log.info("composed: %s", dict(composed))


def post(app: App) -> None:
    if app.deliver.problems:
        return  # nothing may leave; delivering says why
    if sent := app.subscriptions.post(app.transport):
        log.info("%d confirmation mails sent", sent)


def deliver(app: App) -> None:
    report = app.deliver.deliver()
    if report.ended or report.stopped:
        told = ", ".join(f"{number} {state}" for state, number in report.ended.items())
        log.info("delivered: %s; %d open; stopped: %s", told or "nothing", report.open, report.stopped or "no")
    if report.overdue:
        log.error("%d subscribers have no digest for a turn long due; see the error of composing", report.overdue)


def run(app: App) -> None:
    """Tick until SIGTERM or SIGINT; the message in flight is finished first."""
    over = Event()

    def end(*_: object) -> None:
        over.set()
        app.deliver.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    scheduler = BackgroundScheduler(timezone=UTC)
    once_at_a_time = {"max_instances": 1, "coalesce": True, "misfire_grace_time": 3600}
    scheduler.add_job(prepare, "interval", minutes=1, args=[app], next_run_time=clock.system(), **once_at_a_time)
    scheduler.add_job(_step, "interval", minutes=1, args=[deliver, app], **once_at_a_time)
    scheduler.add_job(_step, "interval", seconds=5, args=[post, app], **once_at_a_time)
    scheduler.start()
    over.wait()
    scheduler.shutdown(wait=True)
