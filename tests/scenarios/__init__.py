"""Golden scenarios: what the user sees, and beside it which requests were sent.

Each scenario is a function that takes a `Scene` and is marked with `@scenario`; its transcript is
compared with `golden/<name of the function>.txt`. `UPDATE_GOLDEN=1 pytest tests/scenarios` writes
these files: read what changed in them before you commit it.
"""
