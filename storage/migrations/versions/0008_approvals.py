"""Approvals"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('approvals',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('operation', sa.String(length=64), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('params', sa.JSON(), nullable=False),
    sa.Column('device_ids', sa.JSON(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('sites', sa.JSON(), nullable=False),
    sa.Column('targets_sha256', sa.String(length=64), nullable=False),
    sa.Column('plan_sha256', sa.String(length=64), nullable=False),
    sa.Column('needed', sa.Integer(), nullable=False),
    sa.Column('role', sa.Enum('none', 'viewer', 'operator', 'approver', 'admin', name='role', native_enum=False, length=32), nullable=False),
    sa.Column('type_count', sa.Boolean(), nullable=False),
    sa.Column('state', sa.Enum('pending', 'approved', 'rejected', 'expired', 'cancelled', 'started', 'failed', name='approvalstate', native_enum=False, length=32), nullable=False),
    sa.Column('requested_by', sa.String(length=64), nullable=False),
    sa.Column('requested_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('expires_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('due_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('reminded', sa.Boolean(), nullable=False),
    sa.Column('glass_broken', sa.Boolean(), nullable=False),
    sa.Column('ended_by', sa.String(length=64), nullable=False),
    sa.Column('ended_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('error', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_approvals'))
    )
    with op.batch_alter_table('approvals', schema=None) as batch_op:
        batch_op.create_index('ix_approvals_due_at', ['state', 'due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.create_index('ix_approvals_requested_at', ['requested_at'], unique=False)

    op.create_table('approval_decisions',
    sa.Column('approval_id', sa.String(length=40), nullable=False),
    sa.Column('person', sa.String(length=64), nullable=False),
    sa.Column('verdict', sa.Enum('approve', 'reject', name='verdict', native_enum=False, length=32), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('at', storage.columns.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['approval_id'], ['approvals.id'], name=op.f('fk_approval_decisions_approval_id_approvals')),
    sa.PrimaryKeyConstraint('approval_id', 'person', name=op.f('pk_approval_decisions'))
    )


def downgrade() -> None:
    op.drop_table('approval_decisions')
    with op.batch_alter_table('approvals', schema=None) as batch_op:
        batch_op.drop_index('ix_approvals_requested_at')
        batch_op.drop_index('ix_approvals_due_at', sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))

    op.drop_table('approvals')
