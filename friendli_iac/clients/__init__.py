"""The APIs that we speak to, over one HTTP layer."""

import sys

# httpx imports its own command line when rich is installed, and that costs more than the rest of
# it. None in sys.modules makes that one import fail, as if rich were not there.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
