"""Campaigns and the fence"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('campaigns',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.Enum('config', 'restart', 'firmware', 'rotate-certs', 'decommission', name='campaignkind', native_enum=False, length=32), nullable=False),
    sa.Column('title', sa.String(length=256), nullable=False),
    sa.Column('status', sa.Enum('planned', 'waiting', 'scheduled', 'running', 'soaking', 'paused', 'stopping', 'done', 'failed', 'aborted', 'rejected', 'expired', name='campaignstatus', native_enum=False, length=32), nullable=False),
    sa.Column('selector', sa.Text(), nullable=False),
    sa.Column('params', sa.JSON(), nullable=False),
    sa.Column('rollout', sa.JSON(), nullable=False),
    sa.Column('targets', sa.Integer(), nullable=False),
    sa.Column('targets_sha256', sa.String(length=64), nullable=False),
    sa.Column('waves', sa.Integer(), nullable=False),
    sa.Column('wave', sa.Integer(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('created_by', sa.String(length=64), nullable=False),
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('approval_id', sa.String(length=40), nullable=True),
    sa.Column('parent_id', sa.String(length=40), nullable=True),
    sa.Column('start_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('due_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('started_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('wave_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('tail_until', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('tail_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('ended_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('changed_by', sa.String(length=64), nullable=False),
    sa.Column('forgiven', sa.Integer(), nullable=False),
    sa.Column('forgiven_failed', sa.Integer(), nullable=False),
    sa.Column('unproven_ok', sa.Integer(), nullable=False),
    sa.Column('paced_until', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('told_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('reported_at', storage.columns.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_campaigns'))
    )
    with op.batch_alter_table('campaigns', schema=None) as batch_op:
        batch_op.create_index('ix_campaigns_created_at', ['created_at'], unique=False)
        batch_op.create_index('ix_campaigns_open', ['status'], unique=False, sqlite_where=sa.text("status NOT IN ('done', 'failed', 'aborted', 'rejected', 'expired')"), postgresql_where=sa.text("status NOT IN ('done', 'failed', 'aborted', 'rejected', 'expired')"))

    op.create_table('fences',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('put_by', sa.String(length=64), nullable=False),
    sa.Column('put_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('lifted_by', sa.String(length=64), nullable=True),
    sa.Column('lifted_at', storage.columns.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_fences'))
    )
    with op.batch_alter_table('fences', schema=None) as batch_op:
        batch_op.create_index('uq_fences_standing', ['name'], unique=True, sqlite_where=sa.text('lifted_at IS NULL'), postgresql_where=sa.text('lifted_at IS NULL'))

    op.create_table('campaign_devices',
    sa.Column('campaign_id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('state', sa.Enum('planned', 'dispatched', 'acked', 'verifying', 'succeeded', 'failed', 'rejected', 'timed_out', 'parked', 'skipped', 'removed', 'cancelled', name='targetstate', native_enum=False, length=32), nullable=False),
    sa.Column('wave', sa.Integer(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('site', sa.String(length=128), nullable=False),
    sa.Column('model', sa.String(length=128), nullable=False),
    sa.Column('firmware', sa.String(length=128), nullable=False),
    sa.Column('operation_id', sa.String(length=40), nullable=True),
    sa.Column('tries', sa.Integer(), server_default='0', nullable=False),
    sa.Column('boot_id', sa.String(length=128), server_default='', nullable=False),
    sa.Column('dispatched_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('due_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('settled_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('why', sa.Text(), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_campaign_devices_campaign_id_campaigns')),
    sa.PrimaryKeyConstraint('campaign_id', 'device_id', name=op.f('pk_campaign_devices'))
    )
    with op.batch_alter_table('campaign_devices', schema=None) as batch_op:
        batch_op.create_index('ix_campaign_devices_campaign_id_wave_state', ['campaign_id', 'wave', 'state'], unique=False)
        batch_op.create_index('ix_campaign_devices_device_id', ['device_id'], unique=False)
        batch_op.create_index('ix_campaign_devices_parked', ['campaign_id', 'device_id'], unique=False, sqlite_where=sa.text("state = 'parked'"), postgresql_where=sa.text("state = 'parked'"))
        batch_op.create_index('ix_campaign_devices_planned', ['campaign_id', 'wave', 'position'], unique=False, sqlite_where=sa.text("state = 'planned'"), postgresql_where=sa.text("state = 'planned'"))
        batch_op.create_index('ix_campaign_devices_settled_at', ['settled_at'], unique=False, sqlite_where=sa.text('settled_at IS NOT NULL'), postgresql_where=sa.text('settled_at IS NOT NULL'))
        batch_op.create_index('ix_campaign_devices_under_way', ['campaign_id', 'due_at'], unique=False, sqlite_where=sa.text("state IN ('dispatched', 'acked', 'verifying')"), postgresql_where=sa.text("state IN ('dispatched', 'acked', 'verifying')"))
        batch_op.create_index('uq_campaign_devices_under_way_device_id', ['device_id'], unique=True, sqlite_where=sa.text("state IN ('dispatched', 'acked', 'verifying')"), postgresql_where=sa.text("state IN ('dispatched', 'acked', 'verifying')"))

    op.create_table('rehearsals',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('campaign_id', sa.String(length=40), nullable=False),
    sa.Column('params', sa.JSON(), nullable=False),
    sa.Column('asked_by', sa.String(length=64), nullable=False),
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('claimed_by', sa.String(length=128), nullable=True),
    sa.Column('claimed_until', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('done_at', storage.columns.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_rehearsals_campaign_id_campaigns')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rehearsals'))
    )
    with op.batch_alter_table('rehearsals', schema=None) as batch_op:
        batch_op.create_index('ix_rehearsals_due', ['created_at'], unique=False, sqlite_where=sa.text('done_at IS NULL'), postgresql_where=sa.text('done_at IS NULL'))

    with op.batch_alter_table('operations', schema=None) as batch_op:
        batch_op.create_index('ix_operations_sent', ['kind'], unique=False, sqlite_where=sa.text("state = 'sent'"), postgresql_where=sa.text("state = 'sent'"))



def downgrade() -> None:
    with op.batch_alter_table('operations', schema=None) as batch_op:
        batch_op.drop_index('ix_operations_sent', sqlite_where=sa.text("state = 'sent'"), postgresql_where=sa.text("state = 'sent'"))

    with op.batch_alter_table('rehearsals', schema=None) as batch_op:
        batch_op.drop_index('ix_rehearsals_due', sqlite_where=sa.text('done_at IS NULL'), postgresql_where=sa.text('done_at IS NULL'))

    op.drop_table('rehearsals')
    with op.batch_alter_table('campaign_devices', schema=None) as batch_op:
        batch_op.drop_index('uq_campaign_devices_under_way_device_id', sqlite_where=sa.text("state IN ('dispatched', 'acked', 'verifying')"), postgresql_where=sa.text("state IN ('dispatched', 'acked', 'verifying')"))
        batch_op.drop_index('ix_campaign_devices_under_way', sqlite_where=sa.text("state IN ('dispatched', 'acked', 'verifying')"), postgresql_where=sa.text("state IN ('dispatched', 'acked', 'verifying')"))
        batch_op.drop_index('ix_campaign_devices_settled_at', sqlite_where=sa.text('settled_at IS NOT NULL'), postgresql_where=sa.text('settled_at IS NOT NULL'))
        batch_op.drop_index('ix_campaign_devices_planned', sqlite_where=sa.text("state = 'planned'"), postgresql_where=sa.text("state = 'planned'"))
        batch_op.drop_index('ix_campaign_devices_parked', sqlite_where=sa.text("state = 'parked'"), postgresql_where=sa.text("state = 'parked'"))
        batch_op.drop_index('ix_campaign_devices_device_id')
        batch_op.drop_index('ix_campaign_devices_campaign_id_wave_state')

    op.drop_table('campaign_devices')
    with op.batch_alter_table('fences', schema=None) as batch_op:
        batch_op.drop_index('uq_fences_standing', sqlite_where=sa.text('lifted_at IS NULL'), postgresql_where=sa.text('lifted_at IS NULL'))

    op.drop_table('fences')
    with op.batch_alter_table('campaigns', schema=None) as batch_op:
        batch_op.drop_index('ix_campaigns_open', sqlite_where=sa.text("status NOT IN ('done', 'failed', 'aborted', 'rejected', 'expired')"), postgresql_where=sa.text("status NOT IN ('done', 'failed', 'aborted', 'rejected', 'expired')"))
        batch_op.drop_index('ix_campaigns_created_at')

    op.drop_table('campaigns')
