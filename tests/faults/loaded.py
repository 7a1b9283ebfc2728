"""Everything that a run loads, so that those forked from here need not."""

from importlib import import_module

for room in ("app", "cli.road", "config", "delivery.smtp", "rendering.press", "services.deliver", "services.doctor"):
    import_module(f"digest.{room}")
