"""The lifecycle of devices, and events"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

import storage.columns
from storage import ids

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('event_deliveries',
    sa.Column('seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('endpoint', sa.String(length=64), nullable=False),
    sa.Column('subject', sa.String(length=128), nullable=False),
    sa.Column('state', sa.Enum('pending', 'delivered', 'dead', name='deliverystate', native_enum=False, length=32), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('since', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('due_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('claimed_by', sa.String(length=128), nullable=True),
    sa.Column('claimed_until', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('settled_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('seq', 'endpoint', name=op.f('pk_event_deliveries'))
    )
    with op.batch_alter_table('event_deliveries', schema=None) as batch_op:
        batch_op.create_index('ix_event_deliveries_dead', ['endpoint'], unique=False, sqlite_where=sa.text("state = 'dead'"), postgresql_where=sa.text("state = 'dead'"))
        batch_op.create_index('ix_event_deliveries_due_at', ['due_at'], unique=False, sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.create_index('ix_event_deliveries_order', ['endpoint', 'subject', 'seq'], unique=False, sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))

    op.create_table('events',
    sa.Column('seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('type', sa.String(length=64), nullable=False),
    sa.Column('subject', sa.String(length=128), nullable=False),
    sa.Column('at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('data', sa.JSON(), nullable=False),
    sa.Column('routed_at', storage.columns.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('seq', name=op.f('pk_events')),
    sa.UniqueConstraint('id', name=op.f('uq_events_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('events', schema=None) as batch_op:
        batch_op.create_index('ix_events_at', ['at'], unique=False)
        batch_op.create_index('ix_events_subject_seq', ['subject', 'seq'], unique=False)
        batch_op.create_index('ix_events_unrouted', ['seq'], unique=False, sqlite_where=sa.text('routed_at IS NULL'), postgresql_where=sa.text('routed_at IS NULL'))

    op.create_table('billing_periods',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('started_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('ended_at', storage.columns.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_billing_periods_device_id_devices')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_billing_periods'))
    )
    with op.batch_alter_table('billing_periods', schema=None) as batch_op:
        batch_op.create_index('ix_billing_periods_device_id_started_at', ['device_id', 'started_at'], unique=False)
        batch_op.create_index('uq_billing_periods_open_device_id', ['device_id'], unique=True, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))

    op.create_table('decommissions',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('state', sa.Enum('waiting', 'confirmed', 'verified', 'overridden', 'cancelled', name='exportstate', native_enum=False, length=32), nullable=False),
    sa.Column('requested_by', sa.String(length=64), nullable=False),
    sa.Column('requested_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('export', sa.Text(), nullable=False),
    sa.Column('export_sha256', sa.String(length=64), nullable=False),
    sa.Column('export_ref', sa.String(length=256), nullable=False),
    sa.Column('settled_by', sa.String(length=64), nullable=True),
    sa.Column('settled_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('settled_why', sa.Text(), nullable=False),
    sa.Column('done_at', storage.columns.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_decommissions_device_id_devices')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_decommissions'))
    )
    with op.batch_alter_table('decommissions', schema=None) as batch_op:
        batch_op.create_index('ix_decommissions_device_id_requested_at', ['device_id', 'requested_at'], unique=False)
        batch_op.create_index('uq_decommissions_open_device_id', ['device_id'], unique=True, sqlite_where=sa.text('done_at IS NULL'), postgresql_where=sa.text('done_at IS NULL'))

    op.create_table('maintenance_windows',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('state', sa.Enum('planned', 'running', 'over', 'missed', 'cancelled', name='windowstate', native_enum=False, length=32), nullable=False),
    sa.Column('starts_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('ends_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('zone', sa.String(length=64), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('requested_by', sa.String(length=64), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('due_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('began_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('ended_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('ended_by', sa.String(length=64), nullable=True),
    sa.Column('summarised_at', storage.columns.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_maintenance_windows_device_id_devices')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_maintenance_windows'))
    )
    with op.batch_alter_table('maintenance_windows', schema=None) as batch_op:
        batch_op.create_index('ix_maintenance_windows_device_id_starts_at', ['device_id', 'starts_at'], unique=False)
        batch_op.create_index('ix_maintenance_windows_due_at', ['due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.create_index('ix_maintenance_windows_to_summarise', ['ended_at'], unique=False, sqlite_where=sa.text("state = 'over' AND summarised_at IS NULL"), postgresql_where=sa.text("state = 'over' AND summarised_at IS NULL"))
        batch_op.create_index('uq_maintenance_windows_open_device_id', ['device_id'], unique=True, sqlite_where=sa.text("state IN ('planned', 'running')"), postgresql_where=sa.text("state IN ('planned', 'running')"))

    op.create_table('transitions',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('before', sa.Enum('manufactured', 'provisioned', 'active', 'maintenance', 'suspended', 'decommissioned', name='devicestatus', native_enum=False, length=32), nullable=False),
    sa.Column('after', sa.Enum('manufactured', 'provisioned', 'active', 'maintenance', 'suspended', 'decommissioned', name='devicestatus', native_enum=False, length=32), nullable=False),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_transitions_device_id_devices')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_transitions'))
    )
    with op.batch_alter_table('transitions', schema=None) as batch_op:
        batch_op.create_index('ix_transitions_device_id_at', ['device_id', 'at'], unique=False)

    op.create_table('billing_ledger',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('kind', sa.Enum('start', 'stop', 'resume', name='billingkind', native_enum=False, length=32), nullable=False),
    sa.Column('at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('period_id', sa.String(length=40), nullable=False),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_billing_ledger_device_id_devices')),
    sa.ForeignKeyConstraint(['period_id'], ['billing_periods.id'], name=op.f('fk_billing_ledger_period_id_billing_periods')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_billing_ledger'))
    )
    with op.batch_alter_table('billing_ledger', schema=None) as batch_op:
        batch_op.create_index('ix_billing_ledger_at', ['at'], unique=False)
        batch_op.create_index('ix_billing_ledger_device_id_at', ['device_id', 'at'], unique=False)

    with op.batch_alter_table('devices', schema=None) as batch_op:
        batch_op.add_column(sa.Column('status_since', storage.columns.UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('retention', sa.Enum('operational', 'long_term_archive', name='retention', native_enum=False, length=32), server_default='operational', nullable=False))
        batch_op.add_column(sa.Column('retain_until', storage.columns.UtcDateTime(), nullable=True))

    _bill_what_is_active()


def _bill_what_is_active() -> None:
    """Devices that are active before there was a ledger are billed from now on."""
    now = datetime.now(UTC)
    connection = op.get_bind()
    active = sa.text("SELECT device_id FROM devices WHERE status IN ('active', 'maintenance')")
    rows = [{"period": ids.new("bp", now), "entry": ids.new("bl", now), "device_id": each, "at": now} for each, in connection.execute(active)]
    if rows:
        at = sa.bindparam("at", type_=storage.columns.UtcDateTime())
        period = sa.text("INSERT INTO billing_periods (id, device_id, started_at) VALUES (:period, :device_id, :at)")
        entry = sa.text(
            "INSERT INTO billing_ledger (id, device_id, kind, at, period_id, \"by\", why) "
            "VALUES (:entry, :device_id, 'start', :at, :period, 'muster', 'active when the ledger began')"
        )
        connection.execute(period.bindparams(at), rows)
        connection.execute(entry.bindparams(at), rows)



def downgrade() -> None:
    with op.batch_alter_table('devices', schema=None) as batch_op:
        batch_op.drop_column('retain_until')
        batch_op.drop_column('retention')
        batch_op.drop_column('status_since')

    with op.batch_alter_table('billing_ledger', schema=None) as batch_op:
        batch_op.drop_index('ix_billing_ledger_device_id_at')
        batch_op.drop_index('ix_billing_ledger_at')

    op.drop_table('billing_ledger')
    with op.batch_alter_table('transitions', schema=None) as batch_op:
        batch_op.drop_index('ix_transitions_device_id_at')

    op.drop_table('transitions')
    with op.batch_alter_table('maintenance_windows', schema=None) as batch_op:
        batch_op.drop_index('uq_maintenance_windows_open_device_id', sqlite_where=sa.text("state IN ('planned', 'running')"), postgresql_where=sa.text("state IN ('planned', 'running')"))
        batch_op.drop_index('ix_maintenance_windows_to_summarise', sqlite_where=sa.text("state = 'over' AND summarised_at IS NULL"), postgresql_where=sa.text("state = 'over' AND summarised_at IS NULL"))
        batch_op.drop_index('ix_maintenance_windows_due_at', sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.drop_index('ix_maintenance_windows_device_id_starts_at')

    op.drop_table('maintenance_windows')
    with op.batch_alter_table('decommissions', schema=None) as batch_op:
        batch_op.drop_index('uq_decommissions_open_device_id', sqlite_where=sa.text('done_at IS NULL'), postgresql_where=sa.text('done_at IS NULL'))
        batch_op.drop_index('ix_decommissions_device_id_requested_at')

    op.drop_table('decommissions')
    with op.batch_alter_table('billing_periods', schema=None) as batch_op:
        batch_op.drop_index('uq_billing_periods_open_device_id', sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.drop_index('ix_billing_periods_device_id_started_at')

    op.drop_table('billing_periods')
    with op.batch_alter_table('events', schema=None) as batch_op:
        batch_op.drop_index('ix_events_unrouted', sqlite_where=sa.text('routed_at IS NULL'), postgresql_where=sa.text('routed_at IS NULL'))
        batch_op.drop_index('ix_events_subject_seq')
        batch_op.drop_index('ix_events_at')

    op.drop_table('events')
    with op.batch_alter_table('event_deliveries', schema=None) as batch_op:
        batch_op.drop_index('ix_event_deliveries_order', sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.drop_index('ix_event_deliveries_due_at', sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.drop_index('ix_event_deliveries_dead', sqlite_where=sa.text("state = 'dead'"), postgresql_where=sa.text("state = 'dead'"))

    op.drop_table('event_deliveries')
