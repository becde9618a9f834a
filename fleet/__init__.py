"""The rules of a fleet: what may happen, and what comes next. No I/O and no clock; `now` is always an argument."""
