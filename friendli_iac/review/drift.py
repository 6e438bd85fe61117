"""Drift in words: at a terminal, as Markdown, and as data for programs."""

from __future__ import annotations

from typing import Any

from friendli_iac.core.drift import Drifted
from friendli_iac.core.plan import Drift
from friendli_iac.engine.drift import DriftReport, Stranger
from friendli_iac.resources import KINDS
