"""`events`: which other systems are told of what."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, model_validator

from fleet.settings.values import Duration, Section, WebhookSecret


class EndpointSettings(Section):
    """Another system that is told of events, signed as Standard Webhooks say."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    url: str = Field(pattern=r"^https?://")
    secret: WebhookSecret
    types: tuple[str, ...] = Field(default=("*",), description="which events, such as `billing.*`")


class EventSettings(Section):
    source: str = Field(default="muster", min_length=1, description="`source` of every event; names this installation")
    endpoints: tuple[EndpointSettings, ...] = Field(default=(), description="who is told of which events")
    timeout: Duration = Field(default=timedelta(seconds=15), description="how long an endpoint may take to answer")
    at_once: int = Field(default=20, ge=1, le=200, description="events on their way to one endpoint at a time")
    longest_wait: Duration = Field(default=timedelta(hours=1), description="longest time between two attempts")
    give_up_after: Duration = Field(default=timedelta(days=3), description="an event refused for longer is dead")
    keep_for: Duration = Field(default=timedelta(days=30), description="how long events that were taken are kept")

    @model_validator(mode="after")
    def _names_are_different(self) -> EventSettings:
        names = [each.name for each in self.endpoints]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two endpoints are called {twice[0]}: give each a name of its own")
        return self
