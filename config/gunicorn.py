"""Gunicorn's configuration, made of our settings: `gunicorn -c python:config.gunicorn`."""

import math
import os
from pathlib import Path

from config.logging import configure_logging, gunicorn_logging
from config.settings import load_settings

_settings = load_settings()
configure_logging(_settings.log.level)

bind = _settings.server.bind
workers = _settings.server.workers
worker_class = "gateway.worker.GatewayWorker"
# Models are loaded before the fork, so that all workers share their memory.
preload_app = True
# Sync workers report between requests. One that is stuck beyond every deadline, even in code that
# never lets go of the interpreter, is killed and replaced.
timeout = math.ceil(_settings.server.request_deadline_s) + 2
graceful_timeout = _settings.server.graceful_timeout_s
# Room for a token of auth.max_token_bytes; anything larger is 431.
limit_request_field_size = 16_380
limit_request_line = 8190
# The socket of a proxy on this host: its group may connect, nobody else (SEC-76).
umask = 0o007
# By default any code of the same user, a model's too, could stop workers through it.
control_socket_disable = True
# Its way past the worker would overtake the head of the answer.
sendfile = False
accesslog = None
logger_class = "gateway.worker.GatewayLogger"
loglevel = _settings.log.level
logconfig_dict = gunicorn_logging(_settings.log.level)
proc_name = "gateway"
if Path("/dev/shm").is_dir() and os.access("/dev/shm", os.W_OK):  # noqa: S108  # memory, not /tmp
    worker_tmp_dir = "/dev/shm"  # noqa: S108
