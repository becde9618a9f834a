"""Certificates"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('certificate_requests',
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('key', sa.String(length=160), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('state', sa.Enum('pending', 'waiting', 'issued', 'refused', name='requeststate', native_enum=False, length=32), nullable=False),
    sa.Column('csr_pem', sa.Text(), nullable=False),
    sa.Column('operation_id', sa.String(length=128), nullable=True),
    sa.Column('claim', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('received_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('due_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('serial', sa.String(length=64), nullable=True),
    sa.Column('why', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('device_id', 'key', name=op.f('pk_certificate_requests'))
    )
    with op.batch_alter_table('certificate_requests', schema=None) as batch_op:
        batch_op.create_index('ix_certificate_requests_due_at', ['due_at'], unique=False, sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.create_index('ix_certificate_requests_received_at', ['received_at'], unique=False)

    op.create_table('revocation_lists',
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('made_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('next_update', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('entries', sa.Integer(), nullable=False),
    sa.Column('pem', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_revocation_lists'))
    )
    op.create_table('certificates',
    sa.Column('serial', sa.String(length=64), nullable=False),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('state', sa.Enum('issued', 'installed', 'superseded', 'revoked', name='certificatestate', native_enum=False, length=32), nullable=False),
    sa.Column('not_before', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('not_after', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('pem', sa.Text(), nullable=False),
    sa.Column('issued_at', storage.columns.UtcDateTime(), nullable=False),
    sa.Column('installed_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('revoke_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('revoked_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('reason', sa.String(length=256), nullable=False),
    sa.Column('listed_at', storage.columns.UtcDateTime(), nullable=True),
    sa.Column('operation_id', sa.String(length=40), nullable=True),
    sa.Column('campaign_id', sa.String(length=40), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_certificates_device_id_devices')),
    sa.PrimaryKeyConstraint('serial', name=op.f('pk_certificates'))
    )
    with op.batch_alter_table('certificates', schema=None) as batch_op:
        batch_op.create_index('ix_certificates_device_id_issued_at', ['device_id', 'issued_at'], unique=False)
        batch_op.create_index('ix_certificates_revoke_at', ['revoke_at'], unique=False, sqlite_where=sa.text('revoke_at IS NOT NULL'), postgresql_where=sa.text('revoke_at IS NOT NULL'))
        batch_op.create_index('ix_certificates_revoked', ['not_after'], unique=False, sqlite_where=sa.text("state = 'revoked'"), postgresql_where=sa.text("state = 'revoked'"))
        batch_op.create_index('ix_certificates_unlisted', ['serial'], unique=False, sqlite_where=sa.text("state = 'revoked' AND listed_at IS NULL"), postgresql_where=sa.text("state = 'revoked' AND listed_at IS NULL"))

    op.create_table('provisionings',
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('requested_by', sa.String(length=64), nullable=False),
    sa.Column('requested_at', storage.columns.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], name=op.f('fk_provisionings_device_id_devices')),
    sa.PrimaryKeyConstraint('device_id', name=op.f('pk_provisionings'))
    )


def downgrade() -> None:
    op.drop_table('provisionings')
    with op.batch_alter_table('certificates', schema=None) as batch_op:
        batch_op.drop_index('ix_certificates_unlisted', sqlite_where=sa.text("state = 'revoked' AND listed_at IS NULL"), postgresql_where=sa.text("state = 'revoked' AND listed_at IS NULL"))
        batch_op.drop_index('ix_certificates_revoked', sqlite_where=sa.text("state = 'revoked'"), postgresql_where=sa.text("state = 'revoked'"))
        batch_op.drop_index('ix_certificates_revoke_at', sqlite_where=sa.text('revoke_at IS NOT NULL'), postgresql_where=sa.text('revoke_at IS NOT NULL'))
        batch_op.drop_index('ix_certificates_device_id_issued_at')

    op.drop_table('certificates')
    op.drop_table('revocation_lists')
    with op.batch_alter_table('certificate_requests', schema=None) as batch_op:
        batch_op.drop_index('ix_certificate_requests_received_at')
        batch_op.drop_index('ix_certificate_requests_due_at', sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))

    op.drop_table('certificate_requests')
