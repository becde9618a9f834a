"""`lifecycle`: maintenance windows, and what is kept of a device that is gone; with what differs by site."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from fleet.settings.values import Duration, Section, WebhookSecret, Zone


class SiteSettings(Section):
    """What differs from `lifecycle` at one site; empty: nothing does."""

    name: str = Field(min_length=1, max_length=128)
    zone: Zone | None = Field(default=None, description="IANA name of its time zone")
    retain_years: int | None = Field(default=None, ge=0, le=100)


class LifecycleSettings(Section):
    zone: Zone = Field(default="UTC", description="the time zone of sites that have none of their own")
    retain_years: int = Field(default=7, ge=0, le=100, description="years in the archive after a decommission")
    window: Duration = Field(default=timedelta(hours=2), description="a maintenance window that is given no length")
    longest_window: Duration = Field(default=timedelta(days=30), description="longest maintenance window")
    telemetry_store_secret: WebhookSecret | None = Field(
        default=None, description="with it a decommission waits for the telemetry store's signed `export.confirmed`"
    )
    sites: tuple[SiteSettings, ...] = Field(default=(), description="what differs at single sites")

    def zone_of(self, site: str) -> str:
        """The name of a site's time zone."""
        return next((each.zone for each in self.sites if each.name == site and each.zone), self.zone)

    def retain_years_of(self, site: str) -> int:
        """How many years the data of a device of that site are kept after it was decommissioned."""
        own = next((each.retain_years for each in self.sites if each.name == site), None)
        return self.retain_years if own is None else own
