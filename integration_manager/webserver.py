"""gunicorn's settings: threads, since some pages call out; access lines without query strings."""

import os
from pathlib import Path

from integration_manager import log

worker_class = "gthread"
workers = int(os.environ.get("IM_WEB_WORKERS", "1"))
threads = int(os.environ.get("IM_WEB_THREADS", "12"))
timeout = 60
graceful_timeout = 20 if os.environ.get("IM_EMBEDDED") != "1" else 2
keepalive = 15
limit_request_line = 8190
limit_request_fields = 100
max_requests = 20_000  # a leak anywhere below us stays small
max_requests_jitter = 2_000
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 (memory, not disk)
forwarded_allow_ips = os.environ.get("IM_PROXY_IPS", "127.0.0.1,::1")
control_socket_disable = True  # nothing of ours uses it
accesslog = "-"
# %(U)s is the path alone: old API clients send their key in the query.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s bytes %(M)s ms'

logconfig_dict = log.configuration(gunicorn=True)
