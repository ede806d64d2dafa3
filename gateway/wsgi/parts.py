"""What both apps are made of."""

import time
from pathlib import Path

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits.storage import RedisStorage

from config.plans import plans_file
from config.secret_files import read_secret
from config.sections import LimitSettings
from config.settings import Settings
from gateway.control.database import reading_engine
from gateway.control.snapshot import SnapshotReader
from gateway.control.watcher import SnapshotWatcher
from gateway.limits import (
    LeasedLimits,
    LimitStore,
    MemoryLimits,
    PartnerLimiter,
    RedisLimits,
    connection_options,
)


def make_watcher(settings: Settings) -> SnapshotWatcher:
    """The current snapshot, read once."""
    return SnapshotWatcher(SnapshotReader(reading_engine(settings.database_url), plans_file()))


def make_flask_limiter(settings: LimitSettings) -> Limiter:
    """What keeps the counts of addresses, and connects to the store of all counts."""
    options = {} if settings.in_memory else connection_options(settings.timeout_s)
    if settings.password_file:
        options["password"] = read_secret(Path(settings.password_file)).decode()
    limiter = Limiter(
        get_remote_address,
        storage_uri=settings.storage,
        storage_options=options,
        strategy="fixed-window",
    )
    # Bound to an app of its own, so that its hooks stay out of ours: they run before
    # authentication and skip a caller without a key. Our pipelines ask its strategy directly.
    limiter.init_app(Flask("limits"))
    return limiter


def make_partner_limiter(flask_limiter: Limiter, settings: LimitSettings) -> PartnerLimiter:
    """What keeps the counts of partners, in Flask-Limiter's Redis or in memory."""
    fallback = MemoryLimits(time.monotonic, settings.lease_ttl_s)
    store: LimitStore = MemoryLimits(time.monotonic, settings.lease_ttl_s)
    if isinstance(flask_limiter.storage, RedisStorage):
        store = redis = RedisLimits(flask_limiter.storage.storage, settings.lease_ttl_s)
        if settings.lease_quota:
            store = LeasedLimits(redis, time.monotonic)
    return PartnerLimiter(store, fallback, time.monotonic, settings.fallback_share)
