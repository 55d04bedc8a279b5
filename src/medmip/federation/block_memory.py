"""The memory that a home's process keeps records in between rounds."""

from medmip.catalogue.home import Home
from medmip.fold.block_cache import BlockCache
from medmip.store.engine_settings import engine_settings


def cache_of(home: Home) -> BlockCache:
    """An empty cache, bounded as the home's `mip.toml` says; raises SettingsError."""
    return BlockCache(engine_settings(home).kept)
