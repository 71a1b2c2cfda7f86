# SPDX-License-Identifier: MIT
"""What the integration and crash suites stand on (standard library only).

    with Upstream(lambda request: (201, {"id": 7})) as upstream, \\
            Host(flows, env={"USER_URL": upstream.url}) as host:
        status, headers, body = host.request("POST", "/register", {"phone": "13800000000"})

Host is the program as a child process on a free port; Upstream the outside service it calls. Both end with their
`with`; a host that does not end with exit code 0 then fails the test. FLOWHOST_BINARY names the program (default
build/debug/flowhost). Nothing here retries a request: what was sent twice was sent twice by the host.
"""
import http.client
import http.server
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
START_SECONDS = 20
STOP_SECONDS = 20
LOG_SHOWN_BYTES = 16384
LISTENING = re.compile(r"listening on (?:127\.0\.0\.1|0\.0\.0\.0):(\d+)")


class HarnessError(AssertionError):
    """What was waited for did not come; the message carries the log."""


def wait_until(fn, seconds, what):
    """Polls fn until it returns something true, and returns that. The last exception of fn is shown on failure."""
    deadline = time.monotonic() + seconds
    pause, error = 0.001, None
    while True:
        try:
            value, error = fn(), None
            if value:
                return value
        except HarnessError:
            raise
        except Exception as caught:  # pylint: disable=broad-except
            error = caught
        if time.monotonic() >= deadline:
            reason = f"; last error: {error!r}" if error else ""
            raise HarnessError(f"waited {seconds} s in vain for {what}{reason}") from error
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


# --- requests -----------------------------------------------------------------------------------------------------

class Client:
    """HTTP requests to 127.0.0.1, one keep-alive connection a thread."""

    def __init__(self, port=None):
        self.port = port
        self.local = threading.local()
        self.connections = []

    def disconnect(self):
        """Closes the connections of all threads; none of them may be in a request."""
        while self.connections:
            self.connections.pop().close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def request(self, method, path, body=None, headers=None, raw=False, timeout=30):
        """(status, headers, body) over this thread's keep-alive connection. A body that is not str or bytes is
        sent as JSON; an answer of a JSON type is decoded unless raw, then and otherwise it is bytes."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        connection = self.connect(timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        except BaseException:
            connection.close()
            raise
        is_json = re.match(r"application/([\w.\-]+\+)?json\b", answer.headers.get("Content-Type", ""))
        return answer.status, answer.headers, json.loads(data) if is_json and data and not raw else data

    def connect(self, timeout):
        connection = getattr(self.local, "connection", None)
        if connection is not None and (connection.port != self.port or is_closed_by_peer(connection.sock)):
            connection.close()
            connection = None
        if connection is None:
            connection = self.local.connection = http.client.HTTPConnection("127.0.0.1", self.port)
            self.connections.append(connection)
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        return connection


def is_closed_by_peer(sock):
    """An idle keep-alive connection on which there is something to read has been closed."""
    if sock is None:
        return False
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


# --- the host -----------------------------------------------------------------------------------------------------

class Host(Client):
    """flowhost as a child process. kill() and start() again on the same data is a crash and a restart.

    flows_dir  folder to serve
    data_dir   data folder, kept; without it a temporary one, removed at the end of the `with` (or by close())
    args       more arguments; env: more environment variables ("FLOWHOST_FAULT" for the crash suite)
    port       the port of the running process; log: all it ever wrote to stderr, over all starts
    """

    def __init__(self, flows_dir, data_dir=None, args=(), env=None, binary=None, wrapper=()):
        super().__init__()
        self.binary = binary or os.environ.get("FLOWHOST_BINARY") or os.path.join(ROOT, "build", "debug", "flowhost")
        self.flows_dir = str(flows_dir)
        self.args, self.env, self.wrapper = list(args), dict(env or {}), list(wrapper)
        self.scratch = tempfile.mkdtemp(prefix="flowhost-test-")
        self.data_dir = str(data_dir) if data_dir else os.path.join(self.scratch, "data")
        self.log_path = os.path.join(self.scratch, "log")
        self.process = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is not None:
                print(f"--- log of the host\n{self.log_tail()}", file=sys.stderr)
            elif self.is_running():
                code = self.stop()
                if code != 0:
                    raise HarnessError(f"the host ended with {code} instead of 0\n{self.log_tail()}")
        finally:
            self.close()

    # --- life

    def start(self, args=None, env=None):
        """Starts the process and waits until it listens. args, env: replace those given before."""
        assert not self.is_running(), "the host runs already"
        self.args = self.args if args is None else list(args)
        self.env = self.env if env is None else dict(env)
        command = [*self.wrapper, self.binary, self.flows_dir, "--listen", "127.0.0.1:0", "--data", self.data_dir]
        # What was logged before this start must not answer for it.
        offset = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command + self.args, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **{k: str(v) for k, v in self.env.items()}})
        try:
            self.port = wait_until(lambda: self.read_port(offset), START_SECONDS, "the host to listen")
        except HarnessError as error:
            self.kill()
            raise HarnessError(f"{error}\n{self.log_tail()}") from error
        return self

    def read_port(self, offset):
        ended = self.process.poll()
        match = LISTENING.search(self.read_log(offset))
        if match:
            return int(match[1])
        if ended is not None:
            raise HarnessError(f"the host ended with {ended} before it listened")
        return None

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def wait(self, seconds=STOP_SECONDS):
        """Waits for the process to end by itself; its exit code (-9 after SIGKILL)."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise HarnessError(f"the host still runs after {seconds} s\n{self.log_tail()}") from None

    def stop(self, seconds=STOP_SECONDS):
        """Asks it to end (SIGTERM); its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        """Ends it at once (SIGKILL), as a power cut would."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def signal(self, number):
        if self.is_running():
            self.process.send_signal(number)

    def close(self):
        """Leaves nothing behind: no process, connection or temporary folder."""
        self.disconnect()
        if self.process is not None:
            self.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)

    # --- log

    def read_log(self, offset=0):
        with open(self.log_path, "rb") as log:
            log.seek(offset)
            return log.read().decode("utf-8", "replace")

    @property
    def log(self):
        return self.read_log()

    def log_tail(self):
        return self.log[-LOG_SHOWN_BYTES:] or "(the log is empty)"


# --- the outside service ------------------------------------------------------------------------------------------

class Request:
    """One request as the upstream got it: method, path (with query), headers, body (bytes)."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.method} {self.path} {self.body[:80]!r}>"


class Drop(Exception):
    """Raised by a handler: the connection is cut without an answer."""


class Upstream:
    """A local HTTP/1.1 service. handler(request) returns status, (status, body) or (status, body, headers); a body
    that is not str or bytes goes out as JSON. It runs on the connection's thread and may block on an Event."""

    def __init__(self, handler=lambda request: (200, {})):
        self.handler = handler
        self.lock = threading.Lock()
        self.recorded, self.sockets = [], set()
        self.server = UpstreamServer(("127.0.0.1", 0), UpstreamConnection)
        self.server.upstream = self
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def requests(self):
        """All requests so far, in the order they were read."""
        with self.lock:
            return list(self.recorded)

    def forget(self):
        with self.lock:
            self.recorded.clear()

    def stop(self):
        """Ends: later connections are refused, open ones are cut."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        with self.lock:
            for sock in self.sockets:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def answer(self, request):
        with self.lock:
            self.recorded.append(request)
        reply = self.handler(request)
        return complete_reply(*reply) if isinstance(reply, tuple) else complete_reply(reply)


def complete_reply(status, body=b"", headers=None):
    return status, body, dict(headers or {})


class UpstreamServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class UpstreamConnection(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self):
        super().setup()
        with self.server.upstream.lock:
            self.server.upstream.sockets.add(self.connection)

    def finish(self):
        with self.server.upstream.lock:
            self.server.upstream.sockets.discard(self.connection)
        super().finish()

    def handle_any(self):
        body = self.read_body()
        try:
            status, data, headers = self.server.upstream.answer(Request(self.command, self.path, self.headers, body))
        except Drop:
            self.close_connection = True
            return
        if not isinstance(data, (str, bytes)):
            data = json.dumps(data)
            headers.setdefault("Content-Type", "application/json")
        data = data.encode() if isinstance(data, str) else data
        self.send_response(status)
        headers.setdefault("Content-Length", len(data))
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_any

    def read_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def log_message(self, *_):
        pass
