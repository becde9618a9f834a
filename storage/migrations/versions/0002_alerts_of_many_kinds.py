"""Alerts of many kinds"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('alerts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('group_key', sa.String(length=256), server_default='', nullable=False))
        batch_op.add_column(sa.Column('devices', sa.Integer(), server_default='1', nullable=False))
        batch_op.add_column(sa.Column('remaining', sa.Integer(), server_default='1', nullable=False))
        batch_op.add_column(sa.Column('ladder_at', storage.columns.UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('level', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('level_at', storage.columns.UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('snoozed_until', storage.columns.UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('snoozed_by', sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column('resolved_why', sa.Text(), server_default='', nullable=False))
        batch_op.alter_column('device_id',
               existing_type=sa.VARCHAR(length=128),
               nullable=True)
        batch_op.create_index('ix_alerts_kind_group_key_opened_at', ['kind', 'group_key', 'opened_at'], unique=False)
        batch_op.create_index('ix_alerts_level_at', ['level_at'], unique=False, sqlite_where=sa.text('level_at IS NOT NULL'), postgresql_where=sa.text('level_at IS NOT NULL'))
        batch_op.create_index('ix_alerts_snoozed_until', ['snoozed_until'], unique=False, sqlite_where=sa.text("state = 'snoozed'"), postgresql_where=sa.text("state = 'snoozed'"))

    with op.batch_alter_table('devices', schema=None) as batch_op:
        batch_op.add_column(sa.Column('site_streak', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('certificate_serial', sa.String(length=64), server_default='', nullable=False))
        batch_op.add_column(sa.Column('certificate_not_after', storage.columns.UtcDateTime(), nullable=True))
        batch_op.create_index('ix_devices_certificate_not_after', ['certificate_not_after'], unique=False, sqlite_where=sa.text('certificate_not_after IS NOT NULL'), postgresql_where=sa.text('certificate_not_after IS NOT NULL'))
        batch_op.create_index('ix_devices_misplaced', ['device_id'], unique=False, sqlite_where=sa.text('site_streak > 0'), postgresql_where=sa.text('site_streak > 0'))

    with op.batch_alter_table('drift_cases', schema=None) as batch_op:
        batch_op.add_column(sa.Column('snoozed_until', storage.columns.UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('snoozed_by', sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column('snooze_why', sa.Text(), server_default='', nullable=False))
        batch_op.create_index('ix_drift_cases_detected_at', ['detected_at'], unique=False)
        batch_op.create_index('ix_drift_cases_snoozed_until', ['snoozed_until'], unique=False, sqlite_where=sa.text('resolved_at IS NULL AND snoozed_until IS NOT NULL'), postgresql_where=sa.text('resolved_at IS NULL AND snoozed_until IS NOT NULL'))

    op.create_table('alert_devices',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('alert_id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('kind', sa.Enum('drift', 'unknown_version', 'flapping', 'location', 'certificate', name='alertkind', native_enum=False, length=32), nullable=False),
    sa.Column('detail', sa.String(length=256), nullable=False),
    sa.Column('ends_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('joined_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('left_at', storage.columns.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['alert_id'], ['alerts.id'], name=op.f('fk_alert_devices_alert_id_alerts')),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_alert_devices_device_id_devices')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alert_devices'))
    )
    with op.batch_alter_table('alert_devices', schema=None) as batch_op:
        batch_op.create_index('ix_alert_devices_alert_id_device_id', ['alert_id', 'device_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_alert_devices_device_id'), ['device_id'], unique=False)
        batch_op.create_index('uq_alert_devices_open_kind_device_id', ['kind', 'device_id'], unique=True, sqlite_where=sa.text('left_at IS NULL'), postgresql_where=sa.text('left_at IS NULL'))

    # Every alert so far is about one device, and each that stands open has that device in it.
    op.execute("UPDATE alerts SET ladder_at = opened_at, remaining = CASE WHEN state = 'resolved' THEN 0 ELSE 1 END")
    op.execute(
        "INSERT INTO alert_devices (id, alert_id, device_id, kind, detail, joined_at) "
        "SELECT 'am-' || substr(id, 4), id, device_id, kind, '', opened_at FROM alerts WHERE state != 'resolved'"
    )


def downgrade() -> None:
    with op.batch_alter_table('alert_devices', schema=None) as batch_op:
        batch_op.drop_index('uq_alert_devices_open_kind_device_id', sqlite_where=sa.text('left_at IS NULL'), postgresql_where=sa.text('left_at IS NULL'))
        batch_op.drop_index(batch_op.f('ix_alert_devices_device_id'))
        batch_op.drop_index('ix_alert_devices_alert_id_device_id')

    op.drop_table('alert_devices')
    op.execute("DELETE FROM alerts WHERE device_id IS NULL OR kind != 'drift'")
    op.execute("UPDATE alerts SET state = 'open' WHERE state = 'snoozed'")

    with op.batch_alter_table('drift_cases', schema=None) as batch_op:
        batch_op.drop_index('ix_drift_cases_snoozed_until', sqlite_where=sa.text('resolved_at IS NULL AND snoozed_until IS NOT NULL'), postgresql_where=sa.text('resolved_at IS NULL AND snoozed_until IS NOT NULL'))
        batch_op.drop_index('ix_drift_cases_detected_at')
        batch_op.drop_column('snooze_why')
        batch_op.drop_column('snoozed_by')
        batch_op.drop_column('snoozed_until')

    with op.batch_alter_table('devices', schema=None) as batch_op:
        batch_op.drop_index('ix_devices_misplaced', sqlite_where=sa.text('site_streak > 0'), postgresql_where=sa.text('site_streak > 0'))
        batch_op.drop_index('ix_devices_certificate_not_after', sqlite_where=sa.text('certificate_not_after IS NOT NULL'), postgresql_where=sa.text('certificate_not_after IS NOT NULL'))
        batch_op.drop_column('certificate_not_after')
        batch_op.drop_column('certificate_serial')
        batch_op.drop_column('site_streak')

    with op.batch_alter_table('alerts', schema=None) as batch_op:
        batch_op.drop_index('ix_alerts_snoozed_until', sqlite_where=sa.text("state = 'snoozed'"), postgresql_where=sa.text("state = 'snoozed'"))
        batch_op.drop_index('ix_alerts_level_at', sqlite_where=sa.text('level_at IS NOT NULL'), postgresql_where=sa.text('level_at IS NOT NULL'))
        batch_op.drop_index('ix_alerts_kind_group_key_opened_at')
        batch_op.alter_column('device_id',
               existing_type=sa.VARCHAR(length=128),
               nullable=False)
        batch_op.drop_column('resolved_why')
        batch_op.drop_column('snoozed_by')
        batch_op.drop_column('snoozed_until')
        batch_op.drop_column('level_at')
        batch_op.drop_column('level')
        batch_op.drop_column('ladder_at')
        batch_op.drop_column('remaining')
        batch_op.drop_column('devices')
        batch_op.drop_column('group_key')
