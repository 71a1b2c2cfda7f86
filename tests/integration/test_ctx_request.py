# SPDX-License-Identifier: MIT
"""ctx.request against a real service: what it sends, what it returns, what it raises."""
import base64
import gzip
import json
import threading
import unittest

from suite import SECONDS, Drop, HostCase, ask, closed_port, get_run

ASK = "return function(ctx, input) return ctx.request(input) end"
TRY = """
return function(ctx, input)
    local ok, result = pcall(ctx.request, input)
    if ok then
        return { ok = true, value = result }
    end
    return { ok = false, code = result.code, message = result.message, retryable = result.retryable, status = result.status,
        data = result.data, step = result.step, text = tostring(result) }
end
"""
COUNT = """
return function(ctx, input)
    local bytes = ctx.request(input)
    return { count = #bytes, last = bytes:byte(-1) }
end
"""
# What JSON cannot say: Lua values as options.
LUA_VALUES = """
return function(ctx)
    local url = ctx.env.UPSTREAM .. "/echo"
    local shared = { url = url, json = { a = 1 } }
    local first = ctx.request(shared)
    shared.json = { a = 2 }
    return { first, ctx.request(shared), ctx.request { url = url, json = ctx.json.array {} },
        ctx.request { url = url, json = { n = ctx.json.null, big = 9007199254740993LL } } }
end
"""


class Request(HostCase):
    FLOWS = {"ask.lua": ASK, "count.lua": COUNT, "try.lua": TRY, "lua_values.lua": LUA_VALUES}

    def setUp(self):
        super().setUp()
        self.release = threading.Event()
        self.addCleanup(self.release.set)

    def handle(self, request):
        path = request.path.split("?")[0]
        if path.startswith("/status/"):
            return int(path[8:]), {"reason": "asked for"}
        return getattr(self, "answer_" + path[1:])(request)

    @staticmethod
    def answer_echo(request):
        return 200, {"method": request.method, "path": request.path, "body": request.body.decode("latin-1"),
                     "headers": {name.lower(): value for name, value in request.headers.items()}}

    @staticmethod
    def answer_text(_):
        return 200, "plain \xe9", {"Content-Type": "text/plain; charset=utf-8"}

    @staticmethod
    def answer_bytes(_):
        return 200, bytes(range(256)), {"Content-Type": "application/octet-stream"}

    @staticmethod
    def answer_notjson(_):
        return 200, "<html>", {"Content-Type": "application/json"}

    @staticmethod
    def answer_untyped(_):
        return 200, '{"a":1}', {"Content-Type": "text/html"}

    @staticmethod
    def answer_big(_):
        return 200, "x" * 5000, {"Content-Type": "text/plain"}

    @staticmethod
    def answer_bomb(_):
        return 200, gzip.compress(b"x" * 100000), {"Content-Type": "text/plain", "Content-Encoding": "gzip"}

    @staticmethod
    def answer_gzip(_):
        return 200, gzip.compress(b'{"a":[1,2]}'), {"Content-Type": "application/json", "Content-Encoding": "gzip"}

    @staticmethod
    def answer_empty(_):
        return 204

    @staticmethod
    def answer_vendor(_):
        return 200, '{"a":1}', {"Content-Type": "application/vnd.shop+json"}

    @staticmethod
    def answer_exact(_):
        return 200, '{"i":9007199254740993,"l":[],"o":{},"n":null,"d":0.1}', {"Content-Type": "application/json"}

    @staticmethod
    def answer_cookies(_):
        return 200, {}, {"Set-Cookie": "sid=abc123; Path=/; HttpOnly", "X-Kind": "Test"}

    @staticmethod
    def answer_redirect(_):
        return 302, b"moved", {"Location": "/echo?from=redirect", "Content-Type": "text/plain"}

    @staticmethod
    def answer_loop(_):
        return 302, b"", {"Location": "/loop"}

    @staticmethod
    def answer_drop(_):
        raise Drop

    def answer_slow(self, _):
        self.release.wait(SECONDS)
        return 200, {}

    def call(self, path, **options):
        return self.output_of("ask", {"url": self.upstream.url + path, **options})

    def failure(self, path, **options):
        """What pcall saw of a request that must fail."""
        url = path if "://" in path or path == "" else self.upstream.url + path
        result = self.output_of("try", {"url": url, **options})
        self.assertFalse(result["ok"], result)
        self.assertEqual(result["text"], f"{result['code']}: {result['message']}")
        self.assertTrue(result["message"])
        return result

    # --- what is sent

    def test_gets_by_default(self):
        seen = self.call("/echo")
        self.assertEqual((seen["method"], seen["path"], seen["body"]), ("GET", "/echo", ""))
        self.assertNotIn("idempotency-key", seen["headers"])
        self.assertNotIn("content-type", seen["headers"])

    def test_posts_when_there_is_a_body(self):
        for options in ({"json": {"a": 1}}, {"body": "x"}, {"form": {"a": 1}}):
            self.assertEqual(self.call("/echo", **options)["method"], "POST", options)

    def test_methods_and_their_keys(self):
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
            self.upstream.forget()
            answer = self.start_run("ask", {"url": self.upstream.url + "/echo", "method": method})
            self.assertEqual(answer.status, 200, answer.body)
            (request,) = self.upstream.requests
            key = f"{answer.run}/1" if method in ("POST", "PUT", "PATCH", "DELETE") else None
            self.assertEqual((request.method, request.headers["Idempotency-Key"]), (method, key))
            self.assertIn("traceparent", request.headers)

    def test_lower_case_method(self):
        self.assertEqual(self.call("/echo", method="put", json=1)["method"], "PUT")

    def test_json_body(self):
        value = {"s": "\u00e9\u0000\n", "i": 9007199254740993, "d": 0.1, "l": [], "o": {}, "n": None, "t": [1, {"a": False}]}
        seen = self.call("/echo", json=value)
        self.assertEqual(json.loads(seen["body"].encode("latin-1")), value)
        self.assertEqual(seen["headers"]["content-type"], "application/json")

    def test_lua_values_as_json(self):
        first, second, empty, special = (seen["body"] for seen in self.output_of("lua_values"))
        self.assertEqual((json.loads(first), json.loads(second), empty), ({"a": 1}, {"a": 2}, "[]"))
        self.assertEqual(json.loads(special), {"n": None, "big": 9007199254740993})

    def test_form_body(self):
        seen = self.call("/echo", form={"b": "x y&z", "a": 1, "c": ["1", "2"], "\u00fc": "="})
        self.assertEqual(seen["body"], "a=1&b=x%20y%26z&c=1&c=2&%C3%BC=%3D")
        self.assertEqual(seen["headers"]["content-type"], "application/x-www-form-urlencoded")

    def test_text_body(self):
        seen = self.call("/echo", body="<a/>", headers={"Content-Type": "application/xml"})
        self.assertEqual((seen["body"], seen["headers"]["content-type"]), ("<a/>", "application/xml"))

    def test_table_body_is_json(self):
        seen = self.call("/echo", body={"a": 1})
        self.assertEqual((seen["body"], seen["headers"]["content-type"]), ('{"a":1}', "application/json"))

    def test_own_content_type_wins(self):
        seen = self.call("/echo", json={}, headers={"content-type": "application/vnd.api+json"})
        self.assertEqual(seen["headers"]["content-type"], "application/vnd.api+json")

    def test_query(self):
        self.assertEqual(self.call("/echo", query={"b": "x y", "a": 1, "c": ["1", "2"]})["path"],
                         "/echo?a=1&b=x%20y&c=1&c=2")
        self.assertEqual(self.call("/echo?z=0", query={"a": 1})["path"], "/echo?z=0&a=1")
        self.assertEqual(self.call("/echo", query="raw=1")["path"], "/echo?raw=1")
        self.assertEqual(self.call("/echo", query={})["path"], "/echo")

    def test_headers_and_their_alias(self):
        self.assertEqual(self.call("/echo", headers={"X-One": "1", "X-Two": 2})["headers"]["x-two"], "2")
        self.assertEqual(self.call("/echo", header={"X-One": "1"})["headers"]["x-one"], "1")

    def test_auth(self):
        expected = "Basic " + base64.b64encode(b"ada:s:e").decode()
        self.assertEqual(self.call("/echo", auth={"user": "ada", "pass": "s:e"})["headers"]["authorization"], expected)
        self.assertEqual(self.call("/echo", auth=["ada", "s:e"])["headers"]["authorization"], expected)

    def test_bearer(self):
        self.assertEqual(self.call("/echo", bearer="abc.def")["headers"]["authorization"], "Bearer abc.def")

    def test_own_idempotency_key_and_traceparent_win(self):
        own = {"Idempotency-Key": "order-7", "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}
        self.call("/echo", method="POST", headers=own)
        (request,) = self.upstream.requests
        for name, value in own.items():
            self.assertEqual(request.headers.get_all(name), [value])

    def test_trace_ids_of_other_forms_still_make_a_traceparent(self):
        answer = ask(self.host, "POST", "/v1/flows/ask/runs", {"url": self.upstream.url + "/echo"},
                     {"trace-id": "order_7"})
        self.assertEqual(get_run(self.host, answer.run)["trace_id"], "order_7")
        self.assertRegex(answer.body["headers"]["traceparent"], r"^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")

    # --- what is returned

    def test_json_by_content_type(self):
        self.assertEqual(self.call("/vendor"), {"a": 1})
        self.assertEqual(self.call("/untyped"), '{"a":1}')
        self.assertEqual(self.call("/untyped", responseType="json"), {"a": 1})
        self.assertEqual(self.call("/vendor", responseType="text"), '{"a":1}')

    def test_json_keeps_its_kinds(self):
        raw = self.ask("POST", "/v1/flows/ask/runs", {"url": self.upstream.url + "/exact"}, raw=True).body
        self.assertEqual(json.loads(raw), {"i": 9007199254740993, "l": [], "o": {}, "n": None, "d": 0.1})

    def test_text(self):
        self.assertEqual(self.call("/text"), "plain \xe9")

    def test_bytes_reach_the_flow(self):
        answer = self.start_run("count", {"url": self.upstream.url + "/bytes"})
        self.assertEqual(answer.body, {"count": 256, "last": 255})
        (step,) = self.steps_of(answer).values()
        self.assertTrue(step["output"].endswith("\ufffd"), "what is no UTF-8 is shown as U+FFFD")

    def test_bytes_as_output_are_still_json(self):
        answer = self.start_run("ask", {"url": self.upstream.url + "/bytes"})
        expected = "".join(map(chr, range(128))) + "\ufffd" * 128
        self.assertEqual((answer.status, answer.body), (200, expected))
        self.assertEqual(get_run(self.host, answer.run)["output"], expected)

    def test_empty_answer_is_nil(self):
        self.assertIsNone(self.call("/empty"))

    def test_compressed_answer(self):
        self.assertEqual(self.call("/gzip"), {"a": [1, 2]})

    def test_full_result(self):
        result = self.call("/cookies", onlyData=False)
        self.assertEqual((result["status"], result["data"], result["cookies"]), (200, {}, {"sid": "abc123"}))
        self.assertEqual(result["headers"]["x-kind"], "Test")
        self.assertEqual(result["header"], result["headers"])

    def test_error_status_without_raise(self):
        result = self.call("/status/404", onlyData=False)
        self.assertEqual((result["status"], result["data"]), (404, {"reason": "asked for"}))
        self.assertEqual(self.call("/status/500", **{"raise": False}), {"reason": "asked for"})

    def test_error_status_with_raise(self):
        result = self.failure("/status/404", onlyData=False, **{"raise": True})
        self.assertEqual((result["code"], result["status"]), ("HTTP_STATUS", 404))

    def test_redirects_are_followed_when_asked(self):
        self.assertEqual(self.call("/redirect", follow=3)["path"], "/echo?from=redirect")
        result = self.call("/redirect", onlyData=False)
        self.assertEqual((result["status"], result["data"], result["headers"]["location"]),
                         (302, "moved", "/echo?from=redirect"))

    # --- what is raised

    def test_http_status(self):
        result = self.failure("/status/422")
        self.assertEqual((result["code"], result["status"], result["data"], result["step"]),
                         ("HTTP_STATUS", 422, {"reason": "asked for"}, "1"))
        self.assertFalse(result.get("retryable"))
        self.assertTrue(self.failure("/status/503")["retryable"])

    def test_network(self):
        for path in (f"http://127.0.0.1:{closed_port()}/", "/drop", "http://no-such-host.invalid/"):
            result = self.failure(path)
            self.assertEqual((result["code"], result["retryable"], result["step"]), ("NETWORK", True, "1"), path)

    def test_timeout(self):
        result = self.failure("/slow", timeout=0.1)
        self.assertEqual((result["code"], result["retryable"], result["step"]), ("TIMEOUT", True, "1"))

    def test_too_large(self):
        self.assertEqual(self.failure("/big", max_bytes=4999)["code"], "TOO_LARGE")
        self.assertEqual(len(self.call("/big", max_bytes=5000)), 5000)
        self.assertEqual(self.failure("/bomb", max_bytes=5000)["code"], "TOO_LARGE")

    def test_not_json(self):
        self.assertEqual(self.failure("/notjson")["code"], "NOT_JSON")
        self.assertEqual(self.failure("/text", responseType="json")["code"], "NOT_JSON")

    def test_too_many_redirects(self):
        self.assertEqual(self.failure("/loop", follow=3)["code"], "NETWORK")
        self.assertEqual(len(self.upstream.requests), 4)

    def test_invalid_options(self):
        url = self.upstream.url + "/echo"
        for options, word in (({"url": url, "jsn": {}}, "jsn"), ({"url": ""}, "url"), ({"json": {}}, "url"),
                              ({"url": url, "timeout": 0}, "timeout"), ({"url": url, "timeout": "x"}, "timeout"),
                              ({"url": url, "max_bytes": "x"}, "max_bytes"), ({"url": url, "follow": "x"}, "follow"),
                              ({"url": url, "method": 7}, "method"), ({"url": url, "headers": 7}, "headers"),
                              ({"url": url, "responseType": "yaml"}, "responseType"), ({"url": url, "auth": "x"}, "auth"),
                              ({"url": url, "headers": {f"X-{i}": 1 for i in range(101)}}, "headers"),
                              ({"url": url, "headers": {"X": "a\r\nY: b"}}, "header"), ({"url": url, "query": {"a": {"b": 1}}}, "query")):
            result = self.output_of("try", options)
            self.assertEqual((result.get("ok"), result.get("code")), (False, "INVALID"), (options, result))
            self.assertIn(word, result["message"])
        self.assertEqual(self.upstream.requests, [])

    def test_invalid_urls(self):
        for url in ("ftp://127.0.0.1/", "file:///etc/passwd", "not a url", "http://"):
            self.assertIn(self.failure(url if "://" in url else f"{url}://")["code"], ("INVALID",), url)

    def test_caught_failures_are_steps(self):
        answer = self.start_run("try", {"url": self.upstream.url + "/status/500"})
        (step,) = self.ask("GET", f"/v1/runs/{answer.run}/steps").body["items"]
        self.assertEqual((step["path"], step["kind"], step["status"], step["error"]["code"], step["error"]["status"]),
                         ("1", "request", "failed", "HTTP_STATUS", 500))


if __name__ == "__main__":
    unittest.main()
