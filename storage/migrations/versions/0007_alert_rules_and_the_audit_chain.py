"""Alert rules and the audit chain"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('alert_rules',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.Enum('offline', 'cpu', 'ram', 'disk', 'certificate', name='rulekind', native_enum=False, length=32), nullable=False),
    sa.Column('threshold', sa.Float(), nullable=True),
    sa.Column('for_s', sa.Integer(), server_default='0', nullable=False),
    sa.Column('selector', sa.Text(), nullable=False),
    sa.Column('severity', sa.Enum('info', 'warning', 'critical', name='severity', native_enum=False, length=32), nullable=False),
    sa.Column('enabled', sa.Boolean(), server_default=sa.true(), nullable=False),
    sa.Column('is_default', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('created_by', sa.String(length=64), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('looked_until', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('look_all_at', storage.columns.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alert_rules')),
    sa.UniqueConstraint('name', name=op.f('uq_alert_rules_name'))
    )
    op.create_table('audit_head',
    sa.Column('name', sa.String(length=16), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('mac', sa.String(length=64), nullable=False),
    sa.Column('sealed_at', storage.columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_audit_head'))
    )
    op.create_table('audit_subjects',
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('entry_id', sa.String(length=40), nullable=False),
    sa.PrimaryKeyConstraint('device_id', 'entry_id', name=op.f('pk_audit_subjects'))
    )
    op.create_table('rule_breaches',
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('rule_id', sa.String(length=40), nullable=False),
    sa.Column('since', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('value', sa.Float(), nullable=False),
    sa.Column('at', storage.columns.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_rule_breaches_device_id_devices')),
    sa.ForeignKeyConstraint(['rule_id'], ['alert_rules.id'], name=op.f('fk_rule_breaches_rule_id_alert_rules')),
    sa.PrimaryKeyConstraint('device_id', 'rule_id', name=op.f('pk_rule_breaches'))
    )
    with op.batch_alter_table('rule_breaches', schema=None) as batch_op:
        batch_op.create_index('ix_rule_breaches_rule_id_since', ['rule_id', 'since'], unique=False)

    with op.batch_alter_table('alert_devices', schema=None) as batch_op:
        batch_op.add_column(sa.Column('rule_id', sa.String(length=40), server_default='', nullable=False))
        batch_op.add_column(sa.Column('severity', sa.Enum('info', 'warning', 'critical', name='severity', native_enum=False, length=32), server_default='warning', nullable=False))
        batch_op.add_column(sa.Column('line', sa.Text(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('summarised_at', storage.columns.UtcDateTime(), nullable=True))
        batch_op.alter_column('alert_id',
               existing_type=sa.VARCHAR(length=40),
               nullable=True)
        batch_op.drop_index('uq_alert_devices_open_kind_device_id', sqlite_where=sa.text('left_at IS NULL'), postgresql_where=sa.text('left_at IS NULL'))
        batch_op.create_index('ix_alert_devices_suppressed', ['device_id'], unique=False, sqlite_where=sa.text('alert_id IS NULL AND summarised_at IS NULL'), postgresql_where=sa.text('alert_id IS NULL AND summarised_at IS NULL'))
        batch_op.create_index('uq_alert_devices_open_kind_rule_device', ['kind', 'device_id', 'rule_id'], unique=True, sqlite_where=sa.text('left_at IS NULL'), postgresql_where=sa.text('left_at IS NULL'))

    with op.batch_alter_table('alerts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('rule_id', sa.String(length=40), server_default='', nullable=False))
        batch_op.add_column(sa.Column('severity', sa.Enum('info', 'warning', 'critical', name='severity', native_enum=False, length=32), server_default='warning', nullable=False))

    with op.batch_alter_table('audit', schema=None) as batch_op:
        batch_op.add_column(sa.Column('seq', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('mac', sa.String(length=64), nullable=True))
        batch_op.create_index('ix_audit_at', ['at'], unique=False)
        batch_op.create_index('ix_audit_unsealed', ['id'], unique=False, sqlite_where=sa.text('seq IS NULL'), postgresql_where=sa.text('seq IS NULL'))
        batch_op.create_index('uq_audit_seq', ['seq'], unique=True)

    with op.batch_alter_table('devices', schema=None) as batch_op:
        batch_op.add_column(sa.Column('look_at', storage.columns.UtcDateTime(), server_default='2000-01-01T00:00:00.000000+00:00', nullable=False))
        batch_op.add_column(sa.Column('silent_since', storage.columns.UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('default_rules', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.create_index('ix_devices_look_at', ['look_at'], unique=False)
        batch_op.create_index('ix_devices_silent_since', ['silent_since'], unique=False, sqlite_where=sa.text('silent_since IS NOT NULL'), postgresql_where=sa.text('silent_since IS NOT NULL'))

    # Devices that are in the field already have their default rules, as if they had gone there by our moves.
    op.execute("UPDATE devices SET default_rules = true WHERE status IN ('active', 'maintenance', 'suspended')")


def downgrade() -> None:
    op.execute("DELETE FROM alert_devices WHERE alert_id IS NULL OR rule_id != ''")
    with op.batch_alter_table('devices', schema=None) as batch_op:
        batch_op.drop_index('ix_devices_silent_since', sqlite_where=sa.text('silent_since IS NOT NULL'), postgresql_where=sa.text('silent_since IS NOT NULL'))
        batch_op.drop_index('ix_devices_look_at')
        batch_op.drop_column('default_rules')
        batch_op.drop_column('silent_since')
        batch_op.drop_column('look_at')

    with op.batch_alter_table('audit', schema=None) as batch_op:
        batch_op.drop_index('uq_audit_seq')
        batch_op.drop_index('ix_audit_unsealed', sqlite_where=sa.text('seq IS NULL'), postgresql_where=sa.text('seq IS NULL'))
        batch_op.drop_index('ix_audit_at')
        batch_op.drop_column('mac')
        batch_op.drop_column('seq')

    with op.batch_alter_table('alerts', schema=None) as batch_op:
        batch_op.drop_column('severity')
        batch_op.drop_column('rule_id')

    with op.batch_alter_table('alert_devices', schema=None) as batch_op:
        batch_op.drop_index('uq_alert_devices_open_kind_rule_device', sqlite_where=sa.text('left_at IS NULL'), postgresql_where=sa.text('left_at IS NULL'))
        batch_op.drop_index('ix_alert_devices_suppressed', sqlite_where=sa.text('alert_id IS NULL AND summarised_at IS NULL'), postgresql_where=sa.text('alert_id IS NULL AND summarised_at IS NULL'))
        batch_op.create_index('uq_alert_devices_open_kind_device_id', ['kind', 'device_id'], unique=True, sqlite_where=sa.text('left_at IS NULL'), postgresql_where=sa.text('left_at IS NULL'))
        batch_op.alter_column('alert_id',
               existing_type=sa.VARCHAR(length=40),
               nullable=False)
        batch_op.drop_column('summarised_at')
        batch_op.drop_column('line')
        batch_op.drop_column('severity')
        batch_op.drop_column('rule_id')

    with op.batch_alter_table('rule_breaches', schema=None) as batch_op:
        batch_op.drop_index('ix_rule_breaches_rule_id_since')

    op.drop_table('rule_breaches')
    op.drop_table('audit_subjects')
    op.drop_table('audit_head')
    op.drop_table('alert_rules')
