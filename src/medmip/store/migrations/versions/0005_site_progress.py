"""What each hospital of a federated experiment was asked, answered and released."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("experiments", sa.Column("sites", sa.JSON))
