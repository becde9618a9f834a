"""Operations of many kinds"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('operations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('params', sa.JSON(), server_default='{}', nullable=False))
        batch_op.add_column(sa.Column('campaign_id', sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column('expires_at', storage.columns.UtcDateTime(), nullable=True))
        batch_op.create_index('ix_operations_campaign_id', ['campaign_id'], unique=False, sqlite_where=sa.text('campaign_id IS NOT NULL'), postgresql_where=sa.text('campaign_id IS NOT NULL'))
        batch_op.create_index('ix_operations_expires_at', ['expires_at'], unique=False, sqlite_where=sa.text("state = 'queued' AND expires_at IS NOT NULL"), postgresql_where=sa.text("state = 'queued' AND expires_at IS NOT NULL"))


def downgrade() -> None:
    with op.batch_alter_table('operations', schema=None) as batch_op:
        batch_op.drop_index('ix_operations_expires_at', sqlite_where=sa.text("state = 'queued' AND expires_at IS NOT NULL"), postgresql_where=sa.text("state = 'queued' AND expires_at IS NOT NULL"))
        batch_op.drop_index('ix_operations_campaign_id', sqlite_where=sa.text('campaign_id IS NOT NULL'), postgresql_where=sa.text('campaign_id IS NOT NULL'))
        batch_op.drop_column('expires_at')
        batch_op.drop_column('campaign_id')
        batch_op.drop_column('params')
