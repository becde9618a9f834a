"""What Slack takes at most. Characters, where nothing else is said. Source: Slack's reference of Block Kit."""

from __future__ import annotations

BLOCKS = 50  # of a message
SECTION = 3000
HEADER = 150
FIELDS = 10  # of a section
FIELD = 2000
ACTIONS = 25  # buttons in a row of them
BUTTON = 75
BUTTON_VALUE = 2000
CONFIRM = 300
NOTIFICATION = 300  # ours: a phone shows no more
TABLE_CELL = 40  # ours: one long cell should not make every line break
TABLE_LAST = 120  # ours: of the last cell of a line, which makes no other longer
