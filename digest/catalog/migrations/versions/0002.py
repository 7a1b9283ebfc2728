"""The oldest schema that is upgraded. A new database is made from `catalog/tables.py` at once and goes through none."""

revision = "0002"
down_revision = None


def upgrade() -> None:
    """Nothing: whoever has it is there already."""
