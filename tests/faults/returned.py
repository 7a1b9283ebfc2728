"""What comes back, in heaps: true reports more than once, forged ones, some cut short, one of 30 MB (F21)."""

import signal
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

from factories import NOW
from faults.launch import RETURNED
from faults.world import Judgement, World

from digest.catalog.deliveries import Settled
from digest.model import State

REPORT = """\
From: MAILER-DAEMON@mx.example.com
To: {sender}
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="cut"

--cut
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; {recipient}
Action: failed
Status: {words}
Diagnostic-Code: smtp; 550 {words}

--cut--
"""
COPIES = 5
DAY = timedelta(days=1)
KINDS = ("5.1.1 no such user", "5.2.2 mailbox full", "5.7.1 not trusted", "forged", "cut")


@dataclass(frozen=True)
class Heap:
    """COPIES reports about each reader, who are of the KINDS in turn."""

    world: World
    folder: Path

    def kind(self, reader: int) -> str:
        return KINDS[reader % len(KINDS)]

    def readers(self, kind: str) -> list[int]:
        return [n for n in range(self.world.people) if self.kind(n) == kind]

    def pile_up(self, chance: Random) -> None:
        for name in ("new", "cur", "tmp"):
            (self.folder / name).mkdir(parents=True)
        with self.world.app() as app:
            claimed = app.catalog.deliveries.claim(self.world.people, "", NOW)
            app.catalog.deliveries.fold([Settled(d.digest.id, State.SENT) for d in claimed], "", NOW)
            for delivery in claimed:
                n, sender = delivery.digest.subscriber - 1, app.printing.return_path(delivery.digest.id)
                for copy in range(COPIES):
                    (self.folder / "new" / f"{chance.random():.12f}.{n}.{copy}").write_bytes(
                        self.report(n, sender, chance)
                    )
        with next((self.folder / "new").glob(f"*.{self.readers(KINDS[0])[0]}.0")).open("ab") as large:
            large.write(b"papers and more papers\n" * 1_300_000)

    def report(self, reader: int, sender: str, chance: Random) -> bytes:
        kind = self.kind(reader)
        if kind == "forged":
            sender = sender.replace("@", f"{chance.choice('abcdefgh')}@")
        words = kind if kind[0] == "5" else KINDS[0]
        made = REPORT.format(sender=sender, recipient=f"r{reader}@example.org", words=words).encode()
        return made[: chance.randrange(len(made))] if kind == "cut" else made

    def read(self, chance: Random, kills: int, build: str) -> None:
        """Killed at the moments of RETURNED, each day anew: a report that counts twice adds a point to its score."""
        mails = len(KINDS) * self.world.people
        batch = max(2, mails // kills // 2)
        for number in range(kills + 1):
            point, nth = chance.choice(list(RETURNED)), chance.randint(1, batch)
            last = {} if number == kills else {"point": point, "nth": 1 if "count" in point else nth, "batch": batch}
            command, now = ("bounces", "--maildir", str(self.folder)), NOW + (number % 2) * DAY
            code, said = self.world.run(*command, now=now, build=build, **last)
            if code not in (0, 6, -signal.SIGKILL):
                self.world.complaints.append(said.strip())

    def judge(self) -> Judgement:
        """Lost: a report without its consequence that is not in quarantine. Doubled: counted more than once."""
        kept = [int(path.name.split(".")[2]) for path in self.folder.with_name("Maildir-quarantine").glob("*")]
        with self.world.app() as app:
            marks = [app.links.fingerprint(f"r{n}@example.org") for n in range(self.world.people)]
            with app.catalog.store.engine.connect() as db:
                points = dict(db.exec_driver_sql("SELECT fingerprint, points FROM bounce_scores").all())
            barred = app.catalog.consents.barred(set(marks))
            ours = sum(app.catalog.feedback.refused(NOW - DAY).values())
            states = app.catalog.deliveries.counts()
        hard, soft, blaming, forged, cut = map(self.readers, KINDS)
        lost = [n for n in hard if marks[n] not in barred] + [n for n in soft if marks[n] not in points]
        lost += [n for n in forged if kept.count(n) < COPIES]
        lost += [n for n in cut if kept.count(n) < COPIES and marks[n] not in barred and marks[n] not in points]
        wrong = [n for n in (*soft, *blaming, *forged) if marks[n] in barred or (n in forged and marks[n] in points)]
        flaws = [*self.world.complaints, *(f"reader {n} is blamed for what is not theirs" for n in wrong)]
        missing = len(list((self.folder / "new").iterdir())) + max(0, len(blaming) - ours)
        doubled = sum(points[mark] - 1 for mark in points) + max(0, ours - len(blaming))
        return Judgement(len(lost) + missing, doubled, states, flaws)
