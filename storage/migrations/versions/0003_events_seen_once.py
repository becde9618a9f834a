"""Events seen once"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('seen_events',
    sa.Column('event_id', sa.String(length=128), nullable=False),
    sa.Column('at', storage.columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('event_id', name=op.f('pk_seen_events'))
    )
    with op.batch_alter_table('seen_events', schema=None) as batch_op:
        batch_op.create_index('ix_seen_events_at', ['at'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('seen_events', schema=None) as batch_op:
        batch_op.drop_index('ix_seen_events_at')

    op.drop_table('seen_events')
