"""Saved groups, dashboards, renamed tags, firmware"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('dashboards',
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('selector', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('created_by', sa.String(length=64), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_dashboards'))
    )
    op.create_table('firmware',
    sa.Column('version', sa.String(length=128), nullable=False),
    sa.Column('model', sa.String(length=128), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('added_by', sa.String(length=64), nullable=False),
    sa.Column('added_at', storage.columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('version', 'model', name=op.f('pk_firmware'))
    )
    op.create_table('retags',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('old_name', sa.String(length=128), nullable=False),
    sa.Column('old_value', sa.String(length=256), nullable=True),
    sa.Column('new_name', sa.String(length=128), nullable=False),
    sa.Column('new_value', sa.String(length=256), nullable=True),
    sa.Column('devices', sa.Integer(), nullable=False),
    sa.Column('changed', sa.JSON(), nullable=False),
    sa.Column('done_by', sa.String(length=64), nullable=False),
    sa.Column('done_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('alias_until', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('undone_by', sa.String(length=64), nullable=True),
    sa.Column('undone_at', storage.columns.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_retags'))
    )
    with op.batch_alter_table('retags', schema=None) as batch_op:
        batch_op.create_index('ix_retags_alias_until', ['alias_until'], unique=False, sqlite_where=sa.text('undone_at IS NULL'), postgresql_where=sa.text('undone_at IS NULL'))

    op.create_table('saved_groups',
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('selector', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('created_by', sa.String(length=64), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_saved_groups'))
    )
    op.create_table('firmware_states',
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('version', sa.String(length=128), nullable=False),
    sa.Column('step', sa.String(length=16), nullable=False),
    sa.Column('progress', sa.Float(), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('at', storage.columns.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_firmware_states_device_id_devices')),
    sa.PrimaryKeyConstraint('device_id', name=op.f('pk_firmware_states'))
    )
    op.create_table('retag_devices',
    sa.Column('retag_id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_retag_devices_device_id_devices')),
    sa.ForeignKeyConstraint(['retag_id'], ['retags.id'], name=op.f('fk_retag_devices_retag_id_retags')),
    sa.PrimaryKeyConstraint('retag_id', 'device_id', name=op.f('pk_retag_devices'))
    )


def downgrade() -> None:
    op.drop_table('retag_devices')
    op.drop_table('firmware_states')
    op.drop_table('saved_groups')
    with op.batch_alter_table('retags', schema=None) as batch_op:
        batch_op.drop_index('ix_retags_alias_until', sqlite_where=sa.text('undone_at IS NULL'), postgresql_where=sa.text('undone_at IS NULL'))

    op.drop_table('retags')
    op.drop_table('firmware')
    op.drop_table('dashboards')
