"""What an export holds is counted"""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('decommissions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('export_rows', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('decommissions', schema=None) as batch_op:
        batch_op.drop_column('export_rows')
