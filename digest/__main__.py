"""`python -m digest` and the `digest` command: run the CLI, tell failures in one line, exit with their code.

Exit codes: 0 done · 1 something else failed · 2 the command, the configuration or a name cannot be used · 3 a source ·
4 a template · 5 the database · 6 the transport · 7 another process is at work · 130 interrupted.
"""

import gc
import os
import sys

gc.set_threshold(50_000)  # imports make many objects and hardly any garbage: a seventh of the time to start
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # we have none, and need not look through all packages
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: our matrices are too small for more


def main() -> None:
    """Runs the command line and exits with one of the codes above."""
    from digest.cli import cli
    from digest.errors import ConfigError, DigestError

    try:
        cli(prog_name="digest")
    except ConfigError as error:
        sys.exit(_told(error, 2))
    except DigestError as error:
        sys.exit(_told(error, error.exit_code))
    except OSError as error:
        place = f"{error.filename}: {error.strerror}; check the path, its permissions and the room left on the disk"
        sys.exit(_told(place if error.filename and error.strerror else error, 1))


def _told(error: object, code: int) -> int:
    print(f"digest: {error}", file=sys.stderr)  # noqa: T201  a face
    return code


if __name__ == "__main__":
    main()
