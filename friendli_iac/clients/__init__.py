"""The APIs that we speak to, over one HTTP layer."""
