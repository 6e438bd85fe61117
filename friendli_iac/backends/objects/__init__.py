"""Object storage: Amazon S3 and what speaks like it, Google Cloud Storage, Azure."""

from friendli_iac.backends.objects.store import ObjectStore, open_objects

__all__ = ["ObjectStore", "open_objects"]
