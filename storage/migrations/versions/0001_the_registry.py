"""The registry"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None

# A configuration version never changes, whoever tries.
IMMUTABLE = {
    "sqlite": [
        "CREATE TRIGGER config_versions_immutable BEFORE UPDATE ON config_versions "
        "BEGIN SELECT RAISE(ABORT, 'configuration versions never change'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION config_versions_immutable() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'configuration versions never change'; END $$",
        "CREATE TRIGGER config_versions_immutable BEFORE UPDATE ON config_versions "
        "FOR EACH ROW EXECUTE FUNCTION config_versions_immutable()",
    ],
}


def upgrade() -> None:
    op.create_table('audit',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('actor', sa.String(length=64), nullable=False),
    sa.Column('action', sa.String(length=64), nullable=False),
    sa.Column('subject', sa.String(length=256), nullable=False),
    sa.Column('data', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit'))
    )
    with op.batch_alter_table('audit', schema=None) as batch_op:
        batch_op.create_index('ix_audit_subject_at', ['subject', 'at'], unique=False)

    op.create_table('config_versions',
    sa.Column('version', sa.String(length=128), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('note', sa.String(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('version', name=op.f('pk_config_versions'))
    )
    op.create_table('dead_letters',
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('topic', sa.String(length=256), nullable=False),
    sa.Column('reason', sa.String(length=64), nullable=False),
    sa.Column('hour', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('last_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('payload', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('device_id', 'topic', 'reason', 'hour', name=op.f('pk_dead_letters'))
    )
    with op.batch_alter_table('dead_letters', schema=None) as batch_op:
        batch_op.create_index('ix_dead_letters_last_at', ['last_at'], unique=False)

    op.create_table('outbox',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('key', sa.String(length=256), nullable=False),
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('thread_key', sa.String(length=256), nullable=True),
    sa.Column('priority', sa.Integer(), nullable=False),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('sent_revision', sa.Integer(), nullable=False),
    sa.Column('ts', sa.String(length=32), nullable=True),
    sa.Column('uncertain', sa.Boolean(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('wanted_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('due_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('claimed_by', sa.String(length=128), nullable=True),
    sa.Column('claimed_until', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outbox')),
    sa.UniqueConstraint('key', name=op.f('uq_outbox_key'))
    )
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.create_index('ix_outbox_due', ['priority', 'due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))

    op.create_table('schedule',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('due_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('ran_at', storage.columns.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_schedule'))
    )
    op.create_table('devices',
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('status', sa.Enum('manufactured', 'provisioned', 'active', 'maintenance', 'suspended', 'decommissioned', name='devicestatus', native_enum=False, length=32), nullable=False),
    sa.Column('site', sa.String(length=128), nullable=False),
    sa.Column('model', sa.String(length=128), nullable=False),
    sa.Column('target_config_version', sa.String(length=128), nullable=True),
    sa.Column('target_set_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('registered_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('reported_config_version', sa.String(length=128), nullable=False),
    sa.Column('reported_site', sa.String(length=128), nullable=False),
    sa.Column('firmware_version', sa.String(length=128), nullable=False),
    sa.Column('firmware_key', sa.String(length=512), nullable=False),
    sa.Column('boot_id', sa.String(length=128), nullable=False),
    sa.Column('last_seen_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('clock_skew_s', sa.Float(), nullable=True),
    sa.Column('telemetry_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('telemetry_count', sa.Integer(), nullable=False),
    sa.Column('telemetry_last', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['target_config_version'], ['config_versions.version'], name=op.f('fk_devices_target_config_version_config_versions')),
    sa.PrimaryKeyConstraint('device_id', name=op.f('pk_devices'))
    )
    with op.batch_alter_table('devices', schema=None) as batch_op:
        batch_op.create_index('ix_devices_drifted', ['device_id'], unique=False, sqlite_where=sa.text("target_config_version != reported_config_version AND status != 'decommissioned'"), postgresql_where=sa.text("target_config_version != reported_config_version AND status != 'decommissioned'"))
        batch_op.create_index('ix_devices_site', ['site'], unique=False)
        batch_op.create_index('ix_devices_target_config_version', ['target_config_version'], unique=False)

    op.create_table('alerts',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.Enum('drift', name='alertkind', native_enum=False, length=32), nullable=False),
    sa.Column('key', sa.String(length=256), nullable=False),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('state', sa.Enum('open', 'acknowledged', 'resolved', name='alertstate', native_enum=False, length=32), nullable=False),
    sa.Column('opened_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('data', sa.JSON(), nullable=False),
    sa.Column('ladder', sa.JSON(), nullable=False),
    sa.Column('rung', sa.Integer(), nullable=False),
    sa.Column('due_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('acknowledged_by', sa.String(length=64), nullable=True),
    sa.Column('acknowledged_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('resolved_by', sa.String(length=64), nullable=True),
    sa.Column('resolved_at', storage.columns.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_alerts_device_id_devices')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alerts'))
    )
    with op.batch_alter_table('alerts', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_alerts_device_id'), ['device_id'], unique=False)
        batch_op.create_index('ix_alerts_due_at', ['due_at'], unique=False, sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))
        batch_op.create_index('uq_alerts_open_kind_key', ['kind', 'key'], unique=True, sqlite_where=sa.text("state != 'resolved'"), postgresql_where=sa.text("state != 'resolved'"))

    op.create_table('device_groups',
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_device_groups_device_id_devices')),
    sa.PrimaryKeyConstraint('name', 'device_id', name=op.f('pk_device_groups'))
    )
    with op.batch_alter_table('device_groups', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_device_groups_device_id'), ['device_id'], unique=False)

    op.create_table('device_tags',
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('value', sa.String(length=256), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_device_tags_device_id_devices')),
    sa.PrimaryKeyConstraint('device_id', 'name', name=op.f('pk_device_tags'))
    )
    with op.batch_alter_table('device_tags', schema=None) as batch_op:
        batch_op.create_index('ix_device_tags_name_value', ['name', 'value'], unique=False)

    op.create_table('drift_cases',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('state', sa.Enum('pushing', 'waiting', 'unresponsive', 'rejected', 'resolved', name='casestate', native_enum=False, length=32), nullable=False),
    sa.Column('target_version', sa.String(length=128), nullable=False),
    sa.Column('reported_version', sa.String(length=128), nullable=False),
    sa.Column('detected_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('operation_id', sa.String(length=40), nullable=False),
    sa.Column('attempt', sa.Integer(), nullable=False),
    sa.Column('rounds', sa.Integer(), nullable=False),
    sa.Column('due_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('fresh_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('escalate_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('escalated_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('resolved_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('resolution', sa.Enum('acked', 'reported', 'no longer drifted', name='resolution', native_enum=False, length=32), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_drift_cases_device_id_devices')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_drift_cases'))
    )
    with op.batch_alter_table('drift_cases', schema=None) as batch_op:
        batch_op.create_index('ix_drift_cases_device_id_detected_at', ['device_id', 'detected_at'], unique=False)
        batch_op.create_index('ix_drift_cases_due_at', ['due_at'], unique=False, sqlite_where=sa.text('resolved_at IS NULL'), postgresql_where=sa.text('resolved_at IS NULL'))
        batch_op.create_index('ix_drift_cases_escalate_at', ['escalate_at'], unique=False, sqlite_where=sa.text('resolved_at IS NULL AND escalated_at IS NULL'), postgresql_where=sa.text('resolved_at IS NULL AND escalated_at IS NULL'))
        batch_op.create_index(batch_op.f('ix_drift_cases_operation_id'), ['operation_id'], unique=False)
        batch_op.create_index('uq_drift_cases_open_device_id', ['device_id'], unique=True, sqlite_where=sa.text('resolved_at IS NULL'), postgresql_where=sa.text('resolved_at IS NULL'))

    op.create_table('operations',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.Enum('config', name='operationkind', native_enum=False, length=32), nullable=False),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('state', sa.Enum('queued', 'sent', 'done', 'rejected', 'expired', 'cancelled', name='operationstate', native_enum=False, length=32), nullable=False),
    sa.Column('version', sa.String(length=128), nullable=False),
    sa.Column('attempt', sa.Integer(), nullable=False),
    sa.Column('requested_by', sa.String(length=64), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('due_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('claimed_by', sa.String(length=128), nullable=True),
    sa.Column('claimed_until', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('sent_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('settled_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_operations_device_id_devices')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_operations'))
    )
    with op.batch_alter_table('operations', schema=None) as batch_op:
        batch_op.create_index('ix_operations_device_id_created_at', ['device_id', 'created_at'], unique=False)
        batch_op.create_index('ix_operations_due_at', ['due_at'], unique=False, sqlite_where=sa.text("state = 'queued'"), postgresql_where=sa.text("state = 'queued'"))

    for statement in IMMUTABLE[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    with op.batch_alter_table('operations', schema=None) as batch_op:
        batch_op.drop_index('ix_operations_due_at', sqlite_where=sa.text("state = 'queued'"), postgresql_where=sa.text("state = 'queued'"))
        batch_op.drop_index('ix_operations_device_id_created_at')

    op.drop_table('operations')
    with op.batch_alter_table('drift_cases', schema=None) as batch_op:
        batch_op.drop_index('uq_drift_cases_open_device_id', sqlite_where=sa.text('resolved_at IS NULL'), postgresql_where=sa.text('resolved_at IS NULL'))
        batch_op.drop_index(batch_op.f('ix_drift_cases_operation_id'))
        batch_op.drop_index('ix_drift_cases_escalate_at', sqlite_where=sa.text('resolved_at IS NULL AND escalated_at IS NULL'), postgresql_where=sa.text('resolved_at IS NULL AND escalated_at IS NULL'))
        batch_op.drop_index('ix_drift_cases_due_at', sqlite_where=sa.text('resolved_at IS NULL'), postgresql_where=sa.text('resolved_at IS NULL'))
        batch_op.drop_index('ix_drift_cases_device_id_detected_at')

    op.drop_table('drift_cases')
    with op.batch_alter_table('device_tags', schema=None) as batch_op:
        batch_op.drop_index('ix_device_tags_name_value')

    op.drop_table('device_tags')
    with op.batch_alter_table('device_groups', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_device_groups_device_id'))

    op.drop_table('device_groups')
    with op.batch_alter_table('alerts', schema=None) as batch_op:
        batch_op.drop_index('uq_alerts_open_kind_key', sqlite_where=sa.text("state != 'resolved'"), postgresql_where=sa.text("state != 'resolved'"))
        batch_op.drop_index('ix_alerts_due_at', sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))
        batch_op.drop_index(batch_op.f('ix_alerts_device_id'))

    op.drop_table('alerts')
    with op.batch_alter_table('devices', schema=None) as batch_op:
        batch_op.drop_index('ix_devices_target_config_version')
        batch_op.drop_index('ix_devices_site')
        batch_op.drop_index('ix_devices_drifted', sqlite_where=sa.text("target_config_version != reported_config_version AND status != 'decommissioned'"), postgresql_where=sa.text("target_config_version != reported_config_version AND status != 'decommissioned'"))

    op.drop_table('devices')
    op.drop_table('schedule')
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.drop_index('ix_outbox_due', sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))

    op.drop_table('outbox')
    with op.batch_alter_table('dead_letters', schema=None) as batch_op:
        batch_op.drop_index('ix_dead_letters_last_at')

    op.drop_table('dead_letters')
    op.drop_table('config_versions')
    with op.batch_alter_table('audit', schema=None) as batch_op:
        batch_op.drop_index('ix_audit_subject_at')

    op.drop_table('audit')
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION config_versions_immutable()")
