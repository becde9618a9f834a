"""Diagnostics, and files of the outbox"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('fan_outs',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('kind', sa.Enum('ping', 'metrics', 'logs', name='diagnostickind', native_enum=False, length=32), nullable=False),
        sa.Column('selector', sa.Text(), nullable=False),
        sa.Column('params', sa.JSON(), nullable=False),
        sa.Column('requested_by', sa.String(length=64), nullable=False),
        sa.Column('channel', sa.String(length=64), nullable=False),
        sa.Column('thread_ts', sa.String(length=32), nullable=True),
        sa.Column('total', sa.Integer(), nullable=False),
        sa.Column('after', sa.String(length=128), nullable=False),
        sa.Column('created_at', storage.columns.UtcDateTime(), nullable=False),
        sa.Column('due_at', storage.columns.UtcDateTime(), nullable=True),
        sa.Column('done_at', storage.columns.UtcDateTime(), nullable=True),
        sa.Column('closed_at', storage.columns.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_fan_outs'))
    )
    with op.batch_alter_table('fan_outs', schema=None) as batch_op:
        batch_op.create_index('ix_fan_outs_due_at', ['due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))

    op.create_table('outbox_files',
        sa.Column('key', sa.String(length=256), nullable=False),
        sa.Column('name', sa.String(length=200), nullable=False),
        sa.Column('content', sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(['key'], ['outbox.key'], name=op.f('fk_outbox_files_key_outbox')),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_outbox_files'))
    )
    op.create_table('diagnostics',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('kind', sa.Enum('ping', 'metrics', 'logs', name='diagnostickind', native_enum=False, length=32), nullable=False),
        sa.Column('device_id', sa.String(length=128), nullable=False),
        sa.Column('model', sa.String(length=128), nullable=False),
        sa.Column('state', sa.Enum('waiting', 'asked', 'answering', 'answered', 'incomplete', 'faulty', 'silent', 'expired', 'offline', name='requeststate', native_enum=False, length=32), nullable=False),
        sa.Column('params', sa.JSON(), nullable=False),
        sa.Column('requested_by', sa.String(length=64), nullable=False),
        sa.Column('channel', sa.String(length=64), nullable=False),
        sa.Column('thread_ts', sa.String(length=32), nullable=True),
        sa.Column('fan_out_id', sa.String(length=40), nullable=True),
        sa.Column('created_at', storage.columns.UtcDateTime(), nullable=False),
        sa.Column('expires_at', storage.columns.UtcDateTime(), nullable=False),
        sa.Column('due_at', storage.columns.UtcDateTime(), nullable=True),
        sa.Column('sent_at', storage.columns.UtcDateTime(), nullable=True),
        sa.Column('answered_at', storage.columns.UtcDateTime(), nullable=True),
        sa.Column('total_chunks', sa.Integer(), nullable=True),
        sa.Column('chunks', sa.Integer(), nullable=False),
        sa.Column('size', sa.Integer(), nullable=False),
        sa.Column('fault', sa.String(length=64), nullable=False),
        sa.Column('rtt_ms', sa.Float(), nullable=True),
        sa.Column('approximate', sa.Boolean(), nullable=False),
        sa.Column('skew_s', sa.Float(), nullable=True),
        sa.Column('result', sa.JSON(), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_diagnostics_device_id_devices')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_diagnostics'))
    )
    with op.batch_alter_table('diagnostics', schema=None) as batch_op:
        batch_op.create_index('ix_diagnostics_created_at', ['created_at'], unique=False)
        batch_op.create_index('ix_diagnostics_device_id_created_at', ['device_id', 'created_at'], unique=False)
        batch_op.create_index('ix_diagnostics_due_at', ['due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.create_index('ix_diagnostics_fan_out_id_state', ['fan_out_id', 'state'], unique=False, sqlite_where=sa.text('fan_out_id IS NOT NULL'), postgresql_where=sa.text('fan_out_id IS NOT NULL'))
        batch_op.create_index('ix_diagnostics_metrics', ['model', 'answered_at'], unique=False, sqlite_where=sa.text("kind = 'metrics' AND state = 'answered'"), postgresql_where=sa.text("kind = 'metrics' AND state = 'answered'"))
        batch_op.create_index('ix_diagnostics_waiting', ['device_id'], unique=False, sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))

    op.create_table('diagnostic_chunks',
        sa.Column('request_id', sa.String(length=40), nullable=False),
        sa.Column('chunk', sa.Integer(), nullable=False),
        sa.Column('digest', sa.String(length=64), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(['request_id'], ['diagnostics.id'], name=op.f('fk_diagnostic_chunks_request_id_diagnostics')),
        sa.PrimaryKeyConstraint('request_id', 'chunk', name=op.f('pk_diagnostic_chunks'))
    )
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.add_column(sa.Column('thread_ts', sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column('fallback', sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column('moved_from', sa.String(length=64), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.drop_column('moved_from')
        batch_op.drop_column('fallback')
        batch_op.drop_column('thread_ts')

    op.drop_table('diagnostic_chunks')
    with op.batch_alter_table('diagnostics', schema=None) as batch_op:
        batch_op.drop_index('ix_diagnostics_waiting', sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))
        batch_op.drop_index('ix_diagnostics_metrics', sqlite_where=sa.text("kind = 'metrics' AND state = 'answered'"), postgresql_where=sa.text("kind = 'metrics' AND state = 'answered'"))
        batch_op.drop_index('ix_diagnostics_fan_out_id_state', sqlite_where=sa.text('fan_out_id IS NOT NULL'), postgresql_where=sa.text('fan_out_id IS NOT NULL'))
        batch_op.drop_index('ix_diagnostics_due_at', sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.drop_index('ix_diagnostics_device_id_created_at')
        batch_op.drop_index('ix_diagnostics_created_at')

    op.drop_table('diagnostics')
    op.drop_table('outbox_files')
    with op.batch_alter_table('fan_outs', schema=None) as batch_op:
        batch_op.drop_index('ix_fan_outs_due_at', sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))

    op.drop_table('fan_outs')
