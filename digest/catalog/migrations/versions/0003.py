"""What the second round of work remembers: health of sources, votes, wishes, leases."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    pass
