"""Makes a plan true: journal `begin`, one API call, journal `done`, then wait until it serves."""
