# SPDX-License-Identifier: MIT
"""Where ctx.request may go: judged by address, after names are resolved, on every hop."""
import json
import os
import subprocess
import unittest

from suite import HostCase, FolderCase, Upstream, binary, run_program

TRY = """
return function(ctx, input)
    local ok, result = pcall(ctx.request, input)
    return ok and { value = result } or { code = result.code, message = result.message, retryable = result.retryable }
end
"""


class Case(HostCase):
    FLOWS = {"try.lua": TRY}

    def handle(self, request):
        if request.path.startswith("/to/"):
            return 302, b"", {"Location": "http://" + request.path[4:]}
        return 200, {"reached": True}

    def try_url(self, url, **options):
        return self.output_of("try", {"url": url, "timeout": 10, **options})

    def assert_refused(self, result, *words):
        self.assertEqual((result.get("code"), result.get("retryable")), ("NETWORK_REFUSED", False), result)
        for word in words:
            self.assertIn(word, result["message"])


class BuiltIn(Case):
    def test_refuses_metadata_and_link_local_addresses(self):
        for host, address in (("169.254.169.254", "169.254.169.254"), ("169.254.0.1", "169.254.0.1"),
                              ("100.100.100.200", "100.100.100.200"), ("[::ffff:169.254.169.254]", "169.254.169.254"),
                              ("2852039166", "169.254.169.254"), ("0xa9fea9fe", "169.254.169.254"),
                              ("[fe80::1]", "fe80::1"), ("[fd00:ec2::254]", "fd00:ec2::254")):
            with self.subTest(host=host):
                self.assert_refused(self.try_url(f"http://{host}/latest/meta-data/"), address, "net_allow")

    def test_refuses_them_behind_a_redirect(self):
        result = self.try_url(self.upstream.url + "/to/169.254.169.254/latest", follow=3)
        self.assert_refused(result, "169.254.169.254")
        self.assertEqual(len(self.upstream.requests), 1)

    def test_lets_others_through(self):
        self.assertEqual(self.try_url(self.upstream.url + "/"), {"value": {"reached": True}})


class Denied(Case):
    HOST_LUA = 'return { net_deny = { "127.0.0.0/8", "::1" }, net_allow = "127.0.0.1" }'

    def test_refuses_names_by_what_they_stand_for(self):
        port = self.upstream.port
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1", "[::1]"):
            with self.subTest(host=host):
                self.assert_refused(self.try_url(f"http://{host}:{port}/"), "net_deny")
        self.assertEqual(self.upstream.requests, [])


class DeniedHop(Case):
    HOST_LUA = 'return { net_deny = "127.0.0.2/31" }'

    def test_refuses_a_redirect_to_a_denied_address(self):
        self.assert_refused(self.try_url(f"{self.upstream.url}/to/127.0.0.3:{self.upstream.port}/", follow=1),
                            "127.0.0.3", "127.0.0.2/31")
        self.assertEqual(self.try_url(self.upstream.url), {"value": {"reached": True}})


class Allowed(Case):
    HOST_LUA = 'return { net_allow = { "169.254.1.1" } }'

    def test_tries_what_is_allowed(self):
        # what is there, if anything, is up to the network that this runs in
        self.assertNotEqual(self.try_url("http://169.254.1.1:9/", timeout=0.3).get("code"), "NETWORK_REFUSED")
        self.assert_refused(self.try_url("http://169.254.1.2:9/"), "169.254.1.2")


class Settings(FolderCase):
    FLOWS = {"try.lua": TRY}

    def call(self, host, url):
        status, _, body = host.request("POST", "/v1/flows/try/runs", json.dumps({"url": url}),
                                       {"Content-Type": "application/json"})
        self.assertEqual(status, 200, body)
        return body

    def test_come_from_the_environment_and_arguments(self):
        with Upstream(lambda _: (200, {})) as upstream:
            for options in ({"env": {"FLOWHOST_NET_DENY": "10.0.0.0/8,127.0.0.1"}}, {"args": ["--net-deny", "127.0.0.1/32"]}):
                self.assertEqual(self.call(self.serve(**options), upstream.url)["code"], "NETWORK_REFUSED")

    def test_a_proxy_of_the_environment_is_no_way_around(self):
        with Upstream(lambda _: (200, {"proxy": True})) as proxy:
            host = self.serve(env={"http_proxy": proxy.url, "HTTP_PROXY": proxy.url, "ALL_PROXY": proxy.url})
            self.assertEqual(self.call(host, "http://169.254.169.254/")["code"], "NETWORK_REFUSED")
            self.assertEqual(proxy.requests, [])

    def test_what_is_no_network_is_said_at_once(self):
        self.write({"host.lua": 'return { net_deny = { "10.0.0.0/8", "intranet" } }'})
        code, _, text = run_program("serve", self.folder, "--listen", "none", "--data", os.path.join(self.scratch, "data"))
        self.assertNotEqual(code, 0)
        self.assertIn("intranet", text)
        self.write({"host.lua": "return {}"})
        done = subprocess.run([binary(), "serve", self.folder, "--data", os.path.join(self.scratch, "data"), "--net-deny",
                               "10.0.0.0/33"], capture_output=True, text=True, timeout=30, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("10.0.0.0/33", done.stderr)


if __name__ == "__main__":
    unittest.main()
