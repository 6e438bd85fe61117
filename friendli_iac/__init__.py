"""Infrastructure as code for FriendliAI Dedicated Endpoints."""

__version__ = "0.1.0"
