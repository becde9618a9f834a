"""What each kind of campaign asks of a device, and what follows its end: a line a kind. `jobs.campaigns` asks here.

What a success is, who has it already and who goes first are conditions on rows: `storage/campaign_conditions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fleet.campaign import CampaignKind
from jobs import campaign_config, campaign_decommission, campaign_rotation, firmware, restarts
from jobs.campaign_spec import CampaignEnd, CampaignWork

BY_KIND: Mapping[CampaignKind, CampaignWork] = MappingProxyType(
    {
        CampaignKind.CONFIG: campaign_config.ask,
        CampaignKind.RESTART: restarts.ask,
        CampaignKind.FIRMWARE: firmware.ask,
        CampaignKind.ROTATE_CERTS: campaign_rotation.ask,
        CampaignKind.DECOMMISSION: campaign_decommission.ask,
    }
)

AT_END: Mapping[CampaignKind, CampaignEnd] = MappingProxyType(
    {
        CampaignKind.FIRMWARE: firmware.ended,
        CampaignKind.DECOMMISSION: campaign_decommission.ended,
    }
)
