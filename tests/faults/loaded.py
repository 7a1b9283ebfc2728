"""Everything that a run loads, so that those forked from here need not."""

from contextlib import suppress
from importlib import import_module

for room in ("app", "cli.road", "config", "delivery.smtp", "rendering.press", "services.deliver", "services.doctor"):
    import_module(f"digest.{room}")
for name in ("rich.status", "encodings.idna", "sqlalchemy.dialects.postgresql.psycopg", "psycopg"):
    with suppress(ImportError):
        import_module(name)
