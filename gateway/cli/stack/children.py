"""The processes of the stack, in the order in which they start."""

import signal
from dataclasses import dataclass

from config.settings import Settings
from gateway.cli.stack.child import Child, python_command
from gateway.cli.stack.layout import Layout
from gateway.cli.stack.nginx_files import Edge, nginx_arguments
from gateway.cli.stack.ownership import share_with_nginx
from gateway.cli.stack.readiness import answers_http, answers_ping, shakes_hands
from gateway.cli.stack.servers import Servers
from gateway.cli.stack.users import Users

# A little more than `worker_shutdown_timeout` in nginx.conf.
_NGINX_STOPS_WITHIN_S = 17.0
_REDIS_STOPS_WITHIN_S = 5.0
NGINX_ENVIRONMENT = {
    # Its log has the time of its surroundings, and that has to be UTC.
    "TZ": "UTC",
    # It keeps memory for the next large body: new pages for each were 2 of 9 ms. At most 32 MiB
    # stay in each of its processes.
    "MALLOC_MMAP_THRESHOLD_": str(16 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 1024 * 1024),
}


@dataclass(frozen=True, slots=True)
class Stack:
    """Everything the processes are made of."""

    layout: Layout
    settings: Settings
    servers: Servers
    users: Users
    edge: Edge

    def groups(self) -> list[list[Child]]:
        """Groups to start one after the other, and to stop in reverse."""
        return [[self._redis()], [self._tokens(), self._predictions()], [self._nginx()]]

    def _redis(self) -> Child:
        layout = self.layout
        return Child(
            "redis",
            [self.servers.redis, str(layout.redis_dir / "redis.conf")],
            ready=answers_ping(layout.redis_socket),
            stop_within_s=_REDIS_STOPS_WITHIN_S,
            # The gateway serves without it, under the limits stated for that.
            vital=False,
            identity=self.users.redis,
        )

    def _tokens(self) -> Child:
        socket = self.layout.tokens_socket
        return Child(
            "tokens",
            python_command("run", "--role", "tokens", "--bind", f"unix:{socket}", "--workers", "1"),
            ready=answers_http(socket, "/.well-known/jwks.json"),
            once_ready=lambda: share_with_nginx(socket, self.users),
            stop_within_s=self._applications_stop_within_s(),
            identity=self.users.tokens,
        )

    def _predictions(self) -> Child:
        socket = self.layout.predictions_socket
        arguments = ["--role", "predictions", "--bind", f"unix:{socket}"]
        workers = str(self.settings.server.workers)
        return Child(
            "predictions",
            python_command("run", *arguments, "--workers", workers),
            ready=answers_http(socket, "/livez"),
            once_ready=lambda: share_with_nginx(socket, self.users),
            stop_within_s=self._applications_stop_within_s(),
            identity=self.users.predictions,
        )

    def _nginx(self) -> Child:
        return Child(
            "nginx",
            [self.servers.nginx, *nginx_arguments(self.layout)],
            ready=shakes_hands(self.edge.port, self.edge.certificates.ca),
            # Listen no more, finish what has begun.
            stop_signal=signal.SIGQUIT,
            stop_within_s=_NGINX_STOPS_WITHIN_S,
            environment=NGINX_ENVIRONMENT,
        )

    def _applications_stop_within_s(self) -> float:
        return self.settings.server.graceful_timeout_s + 5.0
