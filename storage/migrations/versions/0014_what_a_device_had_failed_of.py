"""What a device of a campaign had failed of before it was tried again"""

import sqlalchemy as sa
from alembic import op

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('campaign_devices', schema=None) as batch_op:
        batch_op.add_column(sa.Column('failed_before', sa.Text(), server_default='', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('campaign_devices', schema=None) as batch_op:
        batch_op.drop_column('failed_before')
