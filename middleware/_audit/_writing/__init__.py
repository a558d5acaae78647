"""The file log: its streams, the thread that writes them, and what keeps their folder in order."""
