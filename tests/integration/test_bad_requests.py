# SPDX-License-Identifier: MIT
"""Requests that cannot be served: each gets a problem that says why, and the host goes on."""
import http.client
import json
import socket
import unittest

from suite import SECONDS, Answer, HostCase

FLOWS = {
    "things.lua": """
return {
    http = "POST /things",
    request = { body = { name = { type = "string", required = true, minLen = 2, maxLen = 5 }, n = { type = "int", default = 7 },
        kind = { type = "string", enum = { "a", "b" } }, deep = { type = "object", attribute = { x = { type = "bool", required = true } } } },
        query = { page = { type = "int", min = 1 } } },
    run = function(ctx, input) return { body = input.body, page = input.query.page } end,
}
""",
    "get.lua": "return { http = 'GET /things', durable = 'never', run = function(ctx, input) return input end }",
    "one.lua": "return { http = 'DELETE /things/{id}', durable = 'never', run = function(ctx, input) return input.params end }",
    "bare.lua": "return { http = 'GET /bare', run = function(ctx, input) return input.header end }",
    "named.lua": """
return { http = "GET /named", request = { header = { Authorization = { type = "string" }, ["X-Page"] = { type = "int" } } },
    run = function(ctx, input) return { input.header.Authorization, input.header["X-Page"] } end }
""",
    "raw.lua": "return { http = 'POST /raw', durable = 'never', run = function(ctx, input) return input.body end }",
}


class BadRequests(HostCase):
    FLOWS = FLOWS
    ARGS = ("--max-body", "100k", "--max-header", "8k")

    def tearDown(self):
        self.assertEqual(self.ask("GET", "/things").status, 200, "the host goes on")

    def test_credentials_are_kept_only_when_asked_for(self):
        secret = {"Authorization": "Bearer only-the-client-knows", "Cookie": "s=1", "Proxy-Authorization": "Basic x", "X-Page": "7"}
        answer = self.ask("GET", "/bare", headers=secret)
        self.assertEqual({name for name in secret if name.lower() in answer.body}, {"X-Page"})
        stored = json.dumps(self.ask("GET", f"/v1/runs/{answer.run}").body)
        self.assertNotIn("only-the-client-knows", stored)
        self.assertEqual(self.ask("GET", "/named", headers=secret).body, ["Bearer only-the-client-knows", 7])
        self.assert_problem(self.ask("GET", "/named", headers={"X-Page": "x"}), 400, "INPUT_INVALID")

    def test_body_that_is_not_json(self):
        for body, place in (('{"name": }', "line 1 column 10"), ('{\n "name": "x"\n', "line 3 column 1"), ("x", "line 1 column 1"),
                            ('{"name": "\x01"}', "line 1 column 11"), ("[[[[", "line 1 column 5"), ("01", "line 1 column 2")):
            problem = self.assert_problem(self.ask("POST", "/things", body), 400, "BODY_NOT_JSON")
            self.assertIn(place, problem["detail"], body)
        self.assert_problem(self.ask("POST", "/things", "[" * 200 + "]" * 200), 400, "BODY_NOT_JSON")
        self.assert_problem(self.ask("POST", "/things", b'{"name": "\xff\xfe"}'), 400, "BODY_NOT_JSON")

    def test_body_that_is_no_object(self):
        for body in ("[]", "7", "null", '"x"', ""):
            problem = self.assert_problem(self.ask("POST", "/things", body), 400, "INPUT_INVALID")
            self.assertEqual(problem["errors"][0]["pointer"], "/body")

    def test_fields_that_break_the_rules(self):
        for body, pointers in (({}, ["/body/name"]), ({"name": "x"}, ["/body/name"]), ({"name": "toolong"}, ["/body/name"]),
                               ({"name": 7, "n": "x"}, ["/body/n", "/body/name"]), ({"name": "abc", "n": "1.5"}, ["/body/n"]),
                               ({"name": "abc", "kind": "c"}, ["/body/kind"]), ({"name": "abc", "deep": {}}, ["/body/deep/x"]),
                               ({"name": None}, ["/body/name"])):
            problem = self.assert_problem(self.ask("POST", "/things", body), 400, "INPUT_INVALID")
            self.assertEqual([error["pointer"] for error in problem["errors"]], pointers)
            for error in problem["errors"]:
                self.assertTrue(error["message"])
        self.assert_problem(self.ask("POST", "/things?page=0", {"name": "abc"}), 400, "INPUT_INVALID")

    def test_fields_that_keep_them(self):
        answer = self.ask("POST", "/things?page=3", {"name": "\u00e9\u00e9", "extra": 1})
        self.assertEqual((answer.status, answer.body), (200, {"body": {"name": "\u00e9\u00e9", "n": 7, "extra": 1}, "page": 3}))

    def test_body_of_any_json_without_rules(self):
        for value in ([], 7, "x", {"a": [1]}, False):
            self.assertEqual(self.ask("POST", "/raw", json.dumps(value)).body, value)
        self.assertIsNone(self.ask("POST", "/raw").body)

    def test_input_of_a_route(self):
        got = self.ask("GET", "/things?a=1&b=x%20y&a=2&empty=&flag", headers={"X-One": "1"}).body
        self.assertEqual((got["method"], got["path"], got["header"]["x-one"]), ("GET", "/things", "1"))
        self.assertEqual((got["query"]["b"], got["query"]["empty"]), ("x y", ""))

    def test_body_too_large(self):
        fits = json.dumps("x" * (100 * 1024 - 2))
        self.assertEqual(self.ask("POST", "/raw", fits).status, 200)
        problem = self.assert_problem(self.ask("POST", "/raw", fits + " "), 413, "BODY_TOO_LARGE")
        self.assertIn("102400 bytes", problem["detail"])
        self.assert_problem(self.ask("POST", "/raw", b"x" * (3 << 20)), 413, "BODY_TOO_LARGE")

    def test_chunked_body_too_large(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.host.port, timeout=SECONDS)
        self.addCleanup(connection.close)
        connection.request("POST", "/raw", iter([b"x" * 1024] * 200), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})
        answer = connection.getresponse()
        self.assert_problem(Answer(answer.status, answer.headers, json.loads(answer.read())), 413, "BODY_TOO_LARGE")

    def test_headers_too_large(self):
        self.assert_problem(self.ask("GET", "/things", headers={"X-Big": "x" * 10000}), 431, "HEADERS_TOO_LARGE")
        answer = self.ask("GET", "/things?" + "x" * 10000)
        self.assertIn(answer.status, (414, 431))

    def test_unknown_route(self):
        for path in ("/nothing", "/things/7/8", "/v1", "/v1/nothing", "/v2/flows", "/THINGS", "//things", "/things/"):
            self.assert_problem(self.ask("GET", path), 404, "NO_ROUTE")

    def test_pages_of_other_origins(self):
        own = f"127.0.0.1:{self.host.port}"
        for method, path in (("GET", "/v1/flows"), ("POST", "/v1/flows/raw/runs"), ("GET", "/v1/nothing")):
            self.assert_problem(self.ask(method, path, headers={"Origin": "http://evil.example"}), 403, "FOREIGN_ORIGIN")
            self.assert_problem(self.ask(method, path, headers={"Host": "evil.example"}), 403, "FOREIGN_HOST")
        for headers in ({"Origin": f"http://{own}"}, {"Host": "localhost"}, {"Host": "[::1]:80", "Origin": "https://[::1]:80"}):
            self.assertEqual(self.ask("POST", "/v1/flows/raw/runs", "{}", headers).status, 200, headers)
        for path in ("/things", "/healthz", "/readyz"):
            self.assertEqual(self.ask("GET", path, headers={"Host": "shop.example", "Origin": "http://x"}).status, 200, path)

    def test_a_query_that_is_too_long(self):
        self.assert_problem(self.ask("GET", "/v1/runs?flow=" + "x" * 600), 422, "QUERY_INVALID")
        self.assertEqual(self.ask("GET", "/v1/runs?flow=" + "x" * 200).body, {"items": [], "next": None})

    def test_wrong_method(self):
        for method, path, allow in (("PUT", "/things", {"GET", "HEAD", "POST"}), ("GET", "/things/7", {"DELETE"}),
                                    ("POST", "/v1/flows", {"GET", "HEAD"}), ("DELETE", "/v1/runs/x", {"GET", "HEAD"}),
                                    ("GET", "/v1/runs/x/cancel", {"POST"}), ("POST", "/healthz", {"GET", "HEAD"})):
            answer = self.ask(method, path)
            self.assert_problem(answer, 405, "METHOD_NOT_ALLOWED")
            self.assertEqual({word.strip() for word in answer.headers["Allow"].split(",")}, allow, path)

    def test_no_http(self):
        for noise in (b"hello\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\r\n\r\n", b"GET /things HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                      b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.host.port), SECONDS) as sock:
                sock.settimeout(SECONDS)
                sock.sendall(noise)
                sock.shutdown(socket.SHUT_WR)
                got = b""
                while part := sock.recv(65536):
                    got += part
            self.assertTrue(got == b"" or b" 400 " in got.split(b"\r\n")[0], (noise, got))

    def test_a_caller_who_hangs_up(self):
        for part in (b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", b"GET /thi",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100):
            with socket.create_connection(("127.0.0.1", self.host.port), SECONDS) as sock:
                sock.sendall(part)

    def test_pipelined_requests(self):
        one = b"GET /v1/flows/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
        last = b"GET /things HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.host.port), SECONDS) as sock:
            sock.settimeout(SECONDS)
            sock.sendall(one * 5 + last)
            got = b""
            while part := sock.recv(65536):
                got += part
        self.assertEqual((got.count(b"HTTP/1.1 404 "), got.count(b"HTTP/1.1 200 ")), (5, 1))


if __name__ == "__main__":
    unittest.main()
