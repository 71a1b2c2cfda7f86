# SPDX-License-Identifier: MIT
"""Roles, sessions and apps as their callers see them, on two shards (test_access.py has what lies below)."""
import os
import subprocess
import tempfile
import time
import unittest

from suite import SECONDS, Host, ask, binary, in_threads, write_files

FLOWS = {"a.lua": "return function(ctx, input) return 1 end",
         "open.lua": "return { http = 'GET /open', run = function() return 2 end }"}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        write_files(self.folder, {f"flows/{name}": text for name, text in FLOWS.items()})
        self.data = os.path.join(self.folder, "data")

    def program(self, *words, stdin="", env=None):
        return subprocess.run([binary(), *words], input=stdin, capture_output=True, text=True, check=False,
                              timeout=SECONDS, cwd=self.folder, env={**os.environ, **(env or {})})

    def good(self, *words, **options):
        done = self.program(*words, **options)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.strip()

    def token(self, role, *words):
        return self.good("token", "create", "--role", role, "--data", self.data, *words)

    def serve(self, *args):
        host = Host(os.path.join(self.folder, "flows"), data_dir=self.data, args=["--shards", "2", *args])
        return self.enterContext(host)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Open(Case):
    def test_without_a_token_this_machine_is_admin_and_a_warning_says_so(self):
        host = self.serve()
        self.assertIn("every caller on this machine is admin", host.log)
        self.assertEqual(ask(host, "GET", "/v1/flows").status, 200)
        self.assertEqual(ask(host, "GET", "/v1/me").body["role"], "admin")
        self.assertEqual(ask(host, "GET", "/v1/flows", headers={"Origin": "http://evil.example"}).status, 403)

    def test_the_first_token_closes_it_on_every_shard(self):
        host = self.serve()
        made = ask(host, "POST", "/v1/tokens", {"role": "admin", "name": "first"}).body
        self.assertRegex(made["token"], r"^fh_[\w-]{43}$")
        statuses = in_threads(8, lambda _: ask(host, "GET", "/v1/flows").status)
        self.assertEqual(set(statuses), {401})
        statuses = in_threads(8, lambda _: ask(host, "GET", "/v1/flows", headers=bearer(made["token"])).status)
        self.assertEqual(set(statuses), {200})

    def test_beyond_this_machine_needs_a_token(self):
        done = self.program("flows", "--data", self.data, "--listen", "0.0.0.0:0")
        self.assertEqual(done.returncode, 3)
        self.assertIn("flowhost token create --role admin", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)


class Roles(Case):
    def setUp(self):
        super().setUp()
        self.tokens = {role: self.token(role, "--name", role) for role in ("viewer", "operator", "admin")}
        self.host = self.serve()

    def status(self, role, method, path, body=None):
        return ask(self.host, method, path, body, headers=bearer(self.tokens[role])).status

    def test_each_may_what_it_may(self):
        table = [("GET", "/v1/flows", 200, 200, 200), ("GET", "/v1/runs", 200, 200, 200),
                 ("GET", "/v1/audit", 200, 200, 200), ("POST", "/v1/flows/a/runs", 403, 200, 200),
                 ("POST", "/v1/flows/a/disable", 403, 200, 200), ("POST", "/v1/flows/a/enable", 403, 200, 200),
                 ("GET", "/v1/users", 403, 403, 200), ("GET", "/v1/tokens", 403, 403, 200),
                 ("GET", "/v1/secrets", 403, 403, 200), ("GET", "/v1/apps", 200, 200, 200),
                 ("GET", "/api/v1/secret/page?page=1&count=1", 403, 403, 200)]
        for method, path, *wanted in table:
            got = [self.status(role, method, path) for role in ("viewer", "operator", "admin")]
            self.assertEqual(got, wanted, path)

    def test_a_refused_write_is_in_the_audit(self):
        self.status("viewer", "POST", "/v1/flows/a/runs")
        entry = ask(self.host, "GET", "/v1/audit", headers=bearer(self.tokens["admin"])).body["items"][0]
        self.assertEqual((entry["action"], entry["actor"]), ("refused", "token:viewer"))
        self.assertEqual(entry["after"]["path"], "/v1/flows/a/runs")

    def test_what_is_open_stays_open(self):
        for path in ("/healthz", "/readyz", "/open", "/check_healthy"):
            self.assertEqual(ask(self.host, "GET", path).status, 200, path)
        self.assertEqual(ask(self.host, "POST", "/ps/none").status, 200)

    def test_scopes_of_a_token_say_what_it_is_for(self):
        self.tokens["few"] = self.token("operator", "--name", "few", "--scope", "POST /v1/flows/a/runs", "--scope",
                                        "GET /v1/runs*", "--scope", "* /api/v1/rule*", "--scope", "POST ListAct*")
        for method, path, status in (
                ("POST", "/v1/flows/a/runs", 200), ("GET", "/v1/runs?limit=1", 200), ("HEAD", "/v1/runs", 200),
                ("GET", "/v1/runs/x/steps", 404), ("GET", "/api/v1/rule/page?page=1&count=1", 200),
                ("POST", "/api/v1/rule", 200), ("GET", "/v1/flows", 403), ("POST", "/v1/flows/open/runs", 403),
                ("POST", "/v1/flows/a/runs/", 403), ("POST", "/v1/runs/x/cancel", 403), ("GET", "/v1/tokens", 403),
                ("GET", "/api/v1/script/page?page=1&count=1", 403), ("GET", "/v1/none", 403), ("GET", "/healthz", 200)):
            self.assertEqual(self.status("few", method, path), status, (method, path))
        def aws_of(action):
            return ask(self.host, "POST", "/", {}, headers={**bearer(self.tokens["few"]),
                                                            "X-Amz-Target": "AWSStepFunctions." + action})
        self.assertEqual(aws_of("ListActivities").status, 200)
        aws = aws_of("ListStateMachines")
        self.assertEqual(aws.status, 400, aws.body)
        self.assertIn("the scopes of token:few have no POST ListStateMachines", str(aws.body))
        entry = ask(self.host, "GET", "/v1/audit", headers=bearer(self.tokens["admin"])).body["items"][0]
        self.assertEqual((entry["action"], entry["actor"]), ("refused", "token:few"))
        rows = {row["name"]: row["scopes"] for row in
                ask(self.host, "GET", "/v1/tokens", headers=bearer(self.tokens["admin"])).body["items"]}
        self.assertEqual((rows["few"][1], rows["admin"]), ("GET /v1/runs*", None))
        for wrong, pointer in (([], "/scopes"), ("GET /", "/scopes"), ({"a": "GET /"}, "/scopes"), ([7], "/scopes/0"),
                               (["GET /v1", "runs:read"], "/scopes/1"), (["get /v1"], "/scopes/0"),
                               (["GET /" + "x" * 200], "/scopes/0"), (["GET /*/*/*/*/*"], "/scopes/0"),
                               (["GET /a b"], "/scopes/0"), (["GET /"] * 51, "/scopes")):
            refused = ask(self.host, "POST", "/v1/tokens", {"role": "viewer", "scopes": wrong},
                          headers=bearer(self.tokens["admin"]))
            self.assertEqual((refused.status, refused.body["errors"][0]["pointer"]), (422, pointer), wrong)

    def test_the_actor_of_a_change_is_named(self):
        self.status("operator", "POST", "/v1/flows/a/disable")
        entry = ask(self.host, "GET", "/v1/audit", headers=bearer(self.tokens["viewer"])).body["items"][0]
        self.assertEqual((entry["action"], entry["actor"]), ("disable", "token:operator"))

    def test_wrong_missing_and_expired_tokens(self):
        self.assertEqual(ask(self.host, "GET", "/v1/flows").status, 401)
        wrong = ask(self.host, "GET", "/v1/flows", headers=bearer("fh_" + "x" * 43))
        self.assertEqual((wrong.status, wrong.body["code"], wrong.headers["WWW-Authenticate"]),
                         (401, "UNAUTHORIZED", "Bearer"))
        made = ask(self.host, "POST", "/v1/tokens", {"role": "viewer", "expires": "1s"},
                   headers=bearer(self.tokens["admin"])).body
        self.assertEqual(ask(self.host, "GET", "/v1/flows", headers=bearer(made["token"])).status, 200)
        deadline = time.monotonic() + SECONDS
        while ask(self.host, "GET", "/v1/flows", headers=bearer(made["token"])).status == 200:
            self.assertLess(time.monotonic(), deadline)

    def test_a_removed_token_is_gone_at_once(self):
        listed = ask(self.host, "GET", "/v1/tokens", headers=bearer(self.tokens["admin"])).body["items"]
        self.assertFalse(any("token" in row for row in listed))
        ids = {row["name"]: row["id"] for row in listed}
        self.assertEqual(self.status("admin", "DELETE", f"/v1/tokens/{ids['viewer']}"), 204)
        statuses = in_threads(8, lambda _: self.status("viewer", "GET", "/v1/flows"))
        self.assertEqual(set(statuses), {401})
        self.assertEqual(self.status("admin", "DELETE", f"/v1/tokens/{ids['viewer']}"), 404)

    def test_failures_slow_the_next_ones_down(self):
        began = time.monotonic()
        for _ in range(16):
            ask(self.host, "GET", "/v1/flows", headers=bearer("wrong"))
        self.assertGreater(time.monotonic() - began, 0.05)
        self.assertEqual(self.status("viewer", "GET", "/v1/flows"), 200)

    def test_tokens_are_stored_hashed(self):
        self.host.stop()
        with open(os.path.join(self.data, "data.mdb"), "rb") as file:
            content = file.read()
        for token in self.tokens.values():
            self.assertNotIn(token.encode(), content)


class Users(Case):
    def setUp(self):
        super().setUp()
        self.good("user", "create", "ann", "--role", "operator", "--data", self.data, stdin="her password\n")
        self.host = self.serve()

    def log_in(self, password="her password", name="ann"):
        return ask(self.host, "POST", "/v1/session", {"name": name, "password": password})

    def cookie(self):
        return {"Cookie": self.log_in().headers["Set-Cookie"].split(";")[0]}

    def test_log_in_and_out(self):
        answer = self.log_in()
        self.assertEqual(answer.body, {"name": "ann", "role": "operator"})
        for word in ("HttpOnly", "SameSite=Strict", "Max-Age=604800"):
            self.assertIn(word, answer.headers["Set-Cookie"])
        cookie = self.cookie()
        self.assertEqual(ask(self.host, "GET", "/v1/me", headers=cookie).body["name"], "ann")
        self.assertEqual(ask(self.host, "POST", "/v1/flows/a/runs", headers=cookie).status, 200)
        foreign = {**cookie, "Origin": "http://evil.example"}
        self.assertEqual(ask(self.host, "POST", "/v1/flows/a/runs", headers=foreign).status, 403)
        self.assertEqual(ask(self.host, "DELETE", "/v1/session", headers=cookie).status, 204)
        self.assertEqual(ask(self.host, "GET", "/v1/me", headers=cookie).status, 401)

    def test_wrong_name_and_password_are_told_the_same(self):
        wrong, unknown = self.log_in("wrong password"), self.log_in(name="bob")
        self.assertEqual((wrong.status, wrong.body), (unknown.status, unknown.body))
        self.assertEqual(wrong.status, 401)
        for body in ({}, {"name": "ann"}, [], {"name": 5, "password": "x"}):
            self.assertEqual(ask(self.host, "POST", "/v1/session", body).status, 400)

    def test_changes_end_sessions(self):
        admin = bearer(self.good("token", "create", "--role", "admin", "--data", self.data + "2"))
        self.assertEqual(ask(self.host, "GET", "/v1/users", headers=admin).status, 401)  # of another data folder
        cookie = self.cookie()
        self.host.stop()
        self.good("user", "passwd", "ann", "--data", self.data, stdin="another password\n")
        self.host.start()
        self.assertEqual(ask(self.host, "GET", "/v1/me", headers=cookie).status, 401)
        self.assertEqual(self.log_in().status, 401)
        self.assertEqual(self.log_in("another password").status, 200)
        with open(os.path.join(self.data, "data.mdb"), "rb") as file:
            self.assertNotIn(b"another password", file.read())

    def test_are_kept_by_the_api(self):
        self.host.stop()
        admin = bearer(self.token("admin"))
        self.host.start()
        bob = {"name": "bob", "password": "bobs password", "role": "viewer"}
        self.assertEqual(ask(self.host, "POST", "/v1/users", bob, headers=admin).status, 201)
        self.assertEqual(ask(self.host, "POST", "/v1/users", bob, headers=admin).status, 409)
        for wrong in ({}, {**bob, "role": "king"}, {**bob, "password": "short"}, {**bob, "more": 1}, {**bob, "name": "a b"}):
            self.assertEqual(ask(self.host, "POST", "/v1/users", wrong, headers=admin).status, 422)
        self.assertEqual(self.log_in("bobs password", "bob").status, 200)
        self.assertEqual(ask(self.host, "PATCH", "/v1/users/bob", {"disabled": True}, headers=admin).body["disabled"], True)
        self.assertEqual(self.log_in("bobs password", "bob").status, 401)
        self.assertEqual(ask(self.host, "DELETE", "/v1/users/bob", headers=admin).status, 204)
        self.assertEqual(ask(self.host, "DELETE", "/v1/users/bob", headers=admin).status, 404)


class Apps(Case):
    def setUp(self):
        super().setUp()
        self.admin = self.token("admin")
        self.host = self.serve()
        self.env = {"FLOWHOST_HOST": self.host.url, "FLOWHOST_TOKEN": self.admin}

    def test_start_runs_once_accepted_so_many_a_second(self):
        self.good("app", "create", "shop", "--eps", "4", "--data", self.data, env=self.env)
        token = self.good("app", "token", "shop", "--data", self.data, env=self.env)

        def start(_=None):
            return ask(self.host, "POST", "/v1/flows/a/runs", headers=bearer(token))
        self.assertEqual((start().status, start().body["code"]), (403, "APP_NOT_ACCEPTED"))
        self.good("app", "accept", "shop", "--data", self.data, env=self.env)
        answers = in_threads(20, start)
        refused = [answer for answer in answers if answer.status == 429]
        self.assertGreaterEqual(len([answer for answer in answers if answer.status == 200]), 2)
        self.assertGreaterEqual(len(refused), 8)
        self.assertIn("eps limitation is: 4", refused[0].body["detail"])
        self.assertEqual(ask(self.host, "GET", "/v1/runs", headers=bearer(token)).status, 403)
        self.good("app", "rm", "shop", "--data", self.data, env=self.env)
        self.assertEqual(start().status, 401)

    def test_commands_ask_the_host_that_has_the_data(self):
        listed = self.good("token", "list", "--data", self.data, env=self.env)
        self.assertIn("admin", listed)
        done = self.program("token", "list", env={"FLOWHOST_HOST": self.host.url})
        self.assertEqual((done.returncode, "UNAUTHORIZED" in done.stderr), (1, True))


if __name__ == "__main__":
    unittest.main()
