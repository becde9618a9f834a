"""Until when a freeze or its window holds a campaign back"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('campaigns', schema=None) as batch_op:
        batch_op.add_column(sa.Column('held_until', storage.columns.UtcDateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('campaigns', schema=None) as batch_op:
        batch_op.drop_column('held_until')

