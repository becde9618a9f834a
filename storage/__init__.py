"""The memory: rows, and the statements that move them. Functions take the session first and never commit."""
