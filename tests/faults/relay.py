"""A Postfix of our own: its configuration, queue and mailboxes in one folder, listening on loopback (F25)."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from faults.sinks import listening, wait_until

PROGRAM = shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MISSING = "Postfix is not installed" if not PROGRAM else "Postfix can be started by root only" if os.geteuid() else ""

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.internal
mydestination =
mynetworks = 127.0.0.0/8
smtp_dns_support_level = disabled
relayhost = [127.0.0.1]:{onward}
virtual_mailbox_domains = papers.dev
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:bounces/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
recipient_delimiter = +
default_destination_concurrency_limit = 1
smtp_destination_concurrency_limit = 1
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
"""
SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
retry unix - - n - - error
error unix - - n - - error
virtual unix - n n - - virtual
scache unix - - n - 1 scache
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

QUEUES = "active bounce corrupt defer deferred flush hold incoming private public saved trace"


class Postfix:
    """Takes mail at *port* and passes it on to *onward*; what comes back to papers.dev goes into a Maildir."""

    def __init__(self, folder: Path, port: int, onward: int) -> None:
        self.folder, self.port = folder, port
        self.bounces = folder / "mail" / "bounces"
        folder.mkdir(mode=0o755)
        (folder / "queue/pid").mkdir(parents=True)
        for name in ("data", *(f"queue/{queue}" for queue in QUEUES.split())):
            (folder / name).mkdir()
            shutil.chown(folder / name, "postfix")
        (folder / "mail").mkdir()
        shutil.chown(folder / "mail", 65534, 65534)
        (folder / "main.cf").write_text(MAIN.format(folder=folder, onward=onward))
        (folder / "master.cf").write_text(SERVICES.format(port=port))

    def start(self) -> None:
        asked = [str(PROGRAM).replace("postfix", "postconf"), "-c", str(self.folder), "-h", "daemon_directory"]
        daemons = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        self._master = subprocess.Popen([f"{daemons}/master", "-c", str(self.folder), "-d"], start_new_session=True)
        wait_until(lambda: listening(self.port) or self._master.poll() is not None)
        assert self._master.poll() is None, (self.folder / "log").read_text()

    @property
    def waiting(self) -> bool:
        """Whether there is anything that it took and has not passed on; what was being written has no x bit."""
        queues = [f"{self.folder}/queue/{name}" for name in ("incoming", "active", "deferred")]
        return bool(subprocess.run(["find", *queues, "-type", "f", "-perm", "-100"], capture_output=True).stdout)

    def kill(self) -> None:
        """All its processes at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._master.pid, signal.SIGKILL)
        self._master.wait(10)

    @contextmanager
    def __call__(self) -> Iterator["Postfix"]:
        try:
            self.start()
            yield self
        finally:
            self.kill()
