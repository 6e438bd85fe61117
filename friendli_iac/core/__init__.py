"""The pure part: what differs, what to do about it, what has been done. No clock, file or net."""
