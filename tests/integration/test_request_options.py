# SPDX-License-Identifier: MIT
"""ctx.request's options against real services: XML, credentials, secrets, client certificates, cached calls, traces."""
import base64
import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

from suite import SECONDS, HostCase, ask, get_steps, in_threads, partition_of, start_run, wait_until

ASK = "return function(ctx, input) return ctx.request(input) end"
TRY = """
return function(ctx, input)
    local ok, result = pcall(ctx.request, input)
    return ok and { value = result } or { code = result.code, message = result.message, retryable = result.retryable }
end
"""
SECRETS = """
return function(ctx, input)
    local handle = ctx.secret(input.name)
    if input.as == "bearer" then
        return ctx.request { url = input.url, bearer = handle }
    elseif input.as == "auth" then
        return ctx.request { url = input.url, auth = { "ada", handle } }
    end
    return ctx.request { url = input.url, headers = { ["X-Key"] = handle } }
end
"""


class Case(HostCase):
    def put_secret(self, name, value):
        answer = self.ask("PUT", f"/v1/secrets/{name}", json.dumps({"value": value}), {"Content-Type": "application/json"})
        self.assertEqual(answer.status, 200, answer.body)


class Options(Case):
    FLOWS = {"ask.lua": ASK, "try.lua": TRY, "secrets.lua": SECRETS}

    def setUp(self):
        super().setUp()
        self.release = threading.Event()
        self.addCleanup(self.release.set)

    def handle(self, request):
        path = request.path.split("?")[0]
        if path == "/slow":
            self.release.wait(SECONDS)
        if path == "/xml":
            return 200, "<order id='7'><item>a</item><item>b</item><note>x &amp; y</note></order>", {
                "Content-Type": "application/xml"}
        if path == "/bomb":
            return 200, '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>', {"Content-Type": "text/xml"}
        if path == "/cookies":
            return 200, {"n": 1}, {"Set-Cookie": "sid=abc; Path=/; HttpOnly", "X-Kind": "Test"}
        return 200, {"headers": {name.lower(): value for name, value in request.headers.items()}, "path": request.path,
                     "body": request.body.decode()}

    def call(self, path, **options):
        return self.output_of("ask", {"url": self.upstream.url + path, **options})

    def failure(self, path, **options):
        result = self.output_of("try", {"url": self.upstream.url + path, **options})
        self.assertNotIn("value", result)
        return result

    def test_sends_and_reads_xml(self):
        seen = self.call("/", xml={"a": ["1", "2"], "-k": "<"}, xmlName="order")
        self.assertEqual(seen["body"], '<order k="&lt;"><a>1</a><a>2</a></order>')
        self.assertEqual(seen["headers"]["content-type"], "application/xml")
        seen = self.call("/", body={"a": "1"}, requestType="xml", xmlName="o", contentType="text/xml")
        self.assertEqual((seen["body"], seen["headers"]["content-type"]), ("<o><a>1</a></o>", "text/xml"))
        self.assertEqual(self.call("/xml"), {"-id": "7", "item": ["a", "b"], "note": "x & y"})

    def test_refuses_a_document_type(self):
        failure = self.failure("/bomb", responseType="xml")
        self.assertEqual(failure["code"], "NOT_XML")
        self.assertIn("document type", failure["message"])

    def test_merges_the_body_of_a_get_into_its_query(self):
        seen = self.call("/?z=1", method="GET", body={"name": "Ada & Bob", "list": [1, 2]})
        self.assertEqual((seen["path"], seen["body"]), ("/?z=1&list=1&list=2&name=Ada%20%26%20Bob", ""))

    def test_sends_basic_credentials_as_everybody_does(self):
        expected = "Basic " + base64.b64encode(b"ada:p:w").decode()
        for auth in (["ada", "p:w"], {"user": "ada", "pass": "p:w"}):
            self.assertEqual(self.call("/", auth=auth)["headers"]["authorization"], expected)

    def test_sends_secrets_that_nobody_sees(self):
        self.put_secret("PASS", "s3cret-pass")
        expected = {"bearer": ("authorization", "Bearer s3cret-pass"), "header": ("x-key", "s3cret-pass"),
                    "auth": ("authorization", "Basic " + base64.b64encode(b"ada:s3cret-pass").decode())}
        for kind, (header, value) in expected.items():
            answer = self.start_run("secrets", {"url": self.upstream.url, "name": "PASS", "as": kind})
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(self.upstream.requests[-1].headers[header], value)
            shown = json.dumps([answer.body, self.steps_of(answer)])
            self.assertNotIn("s3cret-pass", shown)
            if kind != "auth":
                self.assertIn("[secret PASS]", shown)
        self.assertNotIn("s3cret-pass", self.host.log)

    def test_names_a_secret_that_is_missing(self):
        failure = self.failure("/", tls={"ca": "NO_CERT", "key": "NO_KEY"})
        self.assertEqual((failure["code"], self.upstream.requests), ("SECRET_MISSING", []))
        self.assertIn("NO_CERT", failure["message"])

    def test_cuts_a_service_that_is_too_slow(self):
        failure = self.failure("/slow", timeout=0.2)
        self.assertEqual((failure["code"], failure["retryable"]), ("TIMEOUT", True))

    def test_gives_the_whole_answer(self):
        answer = self.call("/cookies", onlyData=False)
        self.assertEqual((answer["status"], answer["data"], answer["cookies"]), (200, {"n": 1}, {"sid": "abc"}))
        self.assertEqual(answer["headers"]["x-kind"], "Test")
        self.assertEqual(answer["header"], answer["headers"])

    def test_passes_the_trace_on(self):
        trace = "0af7651916cd43dd8448eb211c80319c"
        for headers in ({"traceparent": f"00-{trace}-b7ad6b7169203331-01"}, {"trace_id": trace}):
            seen = self.start_run("ask", {"url": self.upstream.url}, **headers).body["headers"]
            self.assertRegex(seen["traceparent"], f"^00-{trace}-[0-9a-f]{{16}}-01$")
            self.assertNotIn("trace-id", seen)
        seen = [self.start_run("ask", {"url": self.upstream.url}, trace_id="log.17").body["headers"] for _ in range(2)]
        self.assertEqual([one["trace-id"] for one in seen], ["log.17"] * 2)
        ids = [re.fullmatch("00-([0-9a-f]{32})-[0-9a-f]{16}-01", one["traceparent"])[1] for one in seen]
        self.assertEqual(ids[0], ids[1])


class Cache(Case):
    FLOWS = {"ask.lua": ASK}
    SHARDS = 2

    def setUp(self):
        super().setUp()
        self.release = threading.Event()
        self.addCleanup(self.release.set)

    def handle(self, request):
        self.release.wait(SECONDS)
        return (500 if request.path == "/bad" else 200), {"answer": len(self.upstream.requests)}

    def test_makes_one_call_for_ten_runs(self):
        wanted = {"url": self.upstream.url + "/one", "isCache": True}

        def open_when_all_wait():
            wait_until(lambda: len(ask(self.host, "GET", "/v1/runs?status=running").body["items"]) == 10, SECONDS,
                       "ten runs to wait for the call")
            self.release.set()
        opener = threading.Thread(target=open_when_all_wait)
        opener.start()
        answers = in_threads(10, lambda _: start_run(self.host, "ask", wanted))
        opener.join()
        self.assertEqual([answer.body for answer in answers], [{"answer": 1}] * 10)
        # ... and for those who come later, on both shards; every run has a step of its own
        later = [start_run(self.host, "ask", wanted) for _ in range(20)]
        self.assertEqual([answer.body for answer in later], [{"answer": 1}] * 20)
        self.assertEqual({partition_of(answer.run) % 2 for answer in answers + later}, {0, 1})
        for answer in (answers[0], later[0]):
            self.assertEqual(get_steps(self.host, answer.run)["1"]["output"], {"answer": 1})
        self.assertEqual(len(self.upstream.requests), 1)

    def test_keeps_no_bad_answer(self):
        self.release.set()
        for _ in range(2):
            self.output_of("ask", {"url": self.upstream.url + "/bad", "isCache": True, "raise": False})
        self.assertEqual(len(self.upstream.requests), 2)


def openssl(*args, cwd):
    subprocess.run(["openssl", *args], cwd=cwd, check=True, capture_output=True)


def make_certificates(folder):
    """An authority, a server that it vouches for, a client that it vouches for; and a client that nobody knows."""
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", cwd=folder)
    for name, more in (("server", ("-addext", "subjectAltName=IP:127.0.0.1")), ("client", ())):
        openssl("req", "-x509", *new, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-subj", f"/CN={name}", *more, cwd=folder)
    openssl("req", "-x509", *new, "-keyout", "stranger.key", "-out", "stranger.pem", "-subj", "/CN=stranger", cwd=folder)


class WantsCertificate(http.server.BaseHTTPRequestHandler):
    """Says who the client is."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # pylint: disable=invalid-name
        subject = dict(item[0] for item in self.connection.getpeercert()["subject"])
        body = json.dumps({"client": subject["commonName"]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class TlsServer(http.server.ThreadingHTTPServer):
    """Handshakes on the connection's thread: one that fails is that connection's end only."""
    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), WantsCertificate)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
        self.context.load_verify_locations(f"{folder}/ca.pem")
        self.context.verify_mode = ssl.CERT_REQUIRED

    def finish_request(self, request, client_address):
        with self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as secure:
            try:
                secure.do_handshake()
            except ssl.SSLError:
                # the alert is on its way; to close with bytes unread would be a reset, which may overtake it
                socket.socket.shutdown(secure, socket.SHUT_WR)
                while socket.socket.recv(secure, 65536):
                    pass
                return
            super().finish_request(secure, client_address)

    def handle_error(self, request, client_address):
        pass


class ClientCertificates(Case):
    FLOWS = {"ask.lua": ASK, "try.lua": TRY}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="flowhost-test-"))
        make_certificates(folder)
        cls.pem = {}
        for file in os.listdir(folder):
            with open(os.path.join(folder, file), encoding="ascii") as text:
                cls.pem[file.upper().replace(".", "_")] = text.read()
        cls.server = TlsServer(folder)
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(cls.server.shutdown)
        threading.Thread(target=cls.server.serve_forever, args=(0.02,), daemon=True).start()
        cls.url = f"https://127.0.0.1:{cls.server.server_address[1]}/"

    def setUp(self):
        super().setUp()
        for name, value in self.pem.items():
            self.put_secret(name, value)

    def failure(self, **tls):
        result = self.output_of("try", {"url": self.url, "tls": tls})
        self.assertNotIn("value", result)
        self.assertNotIn("PRIVATE", json.dumps(result))
        return result

    def test_shows_the_certificate(self):
        tls = {"ca": "CA_PEM", "cert": "CLIENT_PEM", "key": "CLIENT_KEY"}
        answer = self.start_run("ask", {"url": self.url, "tls": tls})
        self.assertEqual(answer.body, {"client": "client"})
        self.assertNotIn("BEGIN", json.dumps(self.steps_of(answer)))

    def test_shows_it_to_nobody_who_was_not_given_it(self):
        self.test_shows_the_certificate()
        # the connection of the other call, which is still open, is not this one's
        failure = self.failure(ca="CA_PEM")
        self.assertEqual((failure["code"], failure["retryable"]), ("TLS", False), failure)
        self.assertEqual(self.failure(ca="CA_PEM", cert="STRANGER_PEM", key="STRANGER_KEY")["code"], "TLS")
        self.test_shows_the_certificate()

    def test_trusts_nobody_else(self):
        # the form of ps-go: `ca` is the client's certificate, the server is checked with the system's authorities
        failure = self.failure(ca="CLIENT_PEM", key="CLIENT_KEY")
        self.assertEqual((failure["code"], failure["retryable"]), ("TLS", False))
        self.assertIn("not trusted", failure["message"])

    def test_names_what_is_no_certificate(self):
        self.assertIn("client certificate", self.failure(ca="CA_PEM", cert="CLIENT_PEM", key="STRANGER_KEY")["message"])
        self.assertEqual(self.failure(ca="CA_PEM", cert="CLIENT_KEY", key="CLIENT_KEY")["code"], "TLS")


if __name__ == "__main__":
    unittest.main()
