"""Systems: each written once as plain arithmetic; derivatives and polynomial form come from it."""

from bifur.systems.base import System
from bifur.systems.registry import get_system, list_systems, load_system

__all__ = ["System", "get_system", "list_systems", "load_system"]
