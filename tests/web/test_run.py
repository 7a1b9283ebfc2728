"""`digest run` as it is started: two processes that end together."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress

import pytest
from conftest import CONFIG

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@pytest.fixture
def port():
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def run(tmp_path, port):
    """Starts `digest run`; whatever is left of it is ended with the test."""
    (tmp_path / "config.yaml").write_text(CONFIG + f"web: {{port: {port}}}\n")
    words = [sys.executable, "-m", "digest", "--now", "2026-01-16T07:30:00Z", "run"]
    started = []

    def start():
        process = subprocess.Popen(
            words, cwd=tmp_path, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def answers(port, wanted, patience=30):
    """Whether the port comes to answer, or to stop answering, as *wanted*."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        with closing(socket.socket()) as one:
            if (one.connect_ex(("127.0.0.1", port)) == 0) == wanted:
                return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_both_processes_cleanly(run, port, number):
    process = run()
    assert answers(port, True)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)  # as Ctrl-C does
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert answers(port, False)


def test_a_killed_worker_leaves_no_pages_that_hold_the_port(run, port):
    process = run()
    assert answers(port, True)
    process.kill()
    assert answers(port, False)


def test_a_port_that_is_taken_ends_the_run_and_says_so(run, port):
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        process = run()
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "is web.port taken?" in said
