# SPDX-License-Identifier: MIT
"""Secrets on real hosts: sealed files, the API, keys that do not fit, rotation; their bytes are nowhere but where they
are sent."""
import os
import signal
import subprocess
import tempfile
import unittest

from suite import SECONDS, Host, Upstream, ask, binary, start_run, wait_until, write_files

VALUE, OTHER = "hunter2-is-the-value", "another \"quoted\" value"
FLOWS = {
    "flows/echo.lua": """return { on_error = "fail", run = function(ctx, input)
        local answer = ctx.request { url = ctx.env.UP, bearer = ctx.secret "TOKEN", headers = { ["X-Key"] = ctx.secret "API" },
            auth = nil, raise = false }
        ctx.log.info("it said", answer)
        ctx.log.info("handle", tostring(ctx.secret "TOKEN"))
        if input and input.fail then error("failed with " .. answer.auth) end
        return answer
    end }""",
    "flows/missing.lua": """return { on_error = "fail", run = function(ctx) return ctx.secret "NOPE" end }""",
    "flows/host.lua": """return { env = { UP = os.getenv "UP" } }""",
}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        write_files(self.folder, FLOWS)
        self.key = os.path.join(self.folder, "my.key")

    def secret(self, *words, stdin="", env=None):
        done = subprocess.run([binary(), "secret", *words], input=stdin, capture_output=True, text=True, check=False,
                              timeout=SECONDS, cwd=self.folder, env={**os.environ, "FLOWHOST_KEY": self.key, **(env or {})})
        return done.returncode, done.stdout, done.stderr

    def good(self, *words, **options):
        code, out, err = self.secret(*words, **options)
        self.assertEqual((code, err), (0, ""), out)
        return out

    def init(self):
        self.good("init")
        self.good("seal", "TOKEN", stdin=VALUE)

    def serve(self, upstream, *args):
        return self.enterContext(Host(os.path.join(self.folder, "flows"), env={"UP": upstream.url},
                                      args=["--key", self.key, "--shards", "2", *args]))

    def refused(self, *args, env=None):
        """What a host says that does not start."""
        done = subprocess.run([binary(), "flows", "--listen", "none", "--data", "data", *args], capture_output=True,
                              text=True, check=False, timeout=SECONDS, cwd=self.folder,
                              env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, 3)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr


class Commands(Case):
    def test_a_secret_has_a_size(self):
        self.init()
        self.good("seal", "LARGE", stdin="x" * 262144)
        self.assertEqual(self.secret("seal", "LARGE", stdin="x" * 262145),
                         (1, "", "flowhost: LARGE was not sealed: a secret has at most 262144 bytes\n"))

    def test_seal_list_verify_rotate_rm(self):
        self.init()
        self.good("seal", "API", stdin=OTHER + "\n")
        self.assertEqual([line.split()[0] for line in self.good("list").splitlines()], ["API", "TOKEN"])
        self.assertIn("opens", self.good("verify"))
        before = self.good("list")
        with open(self.key, encoding="ascii") as file:
            old_key = file.read()
        self.good("rotate")
        self.assertNotEqual(self.good("list"), before)
        self.assertIn("opens", self.good("verify"))
        with open(self.key, encoding="ascii") as file:
            self.assertTrue(file.read().endswith(old_key.split("\n", 1)[1]))
        self.good("rm", "API")
        self.assertEqual(len(self.good("list").splitlines()), 1)

    def test_sealing_needs_the_public_key_only(self):
        self.init()
        os.remove(self.key)
        self.good("seal", "MORE", stdin="x" * 20)
        code, _, err = self.secret("verify")
        self.assertEqual((code, "there is no key file" in err), (1, True))

    def test_a_file_under_another_name_does_not_open(self):
        self.init()
        os.rename(os.path.join(self.folder, "secrets/TOKEN.sealed"), os.path.join(self.folder, "secrets/API.sealed"))
        code, out, _ = self.secret("verify")
        self.assertEqual(code, 1)
        self.assertIn("sealed under another name", out)

    def test_wrong_words(self):
        self.assertEqual(self.secret("seal")[0], 2)
        self.assertEqual(self.secret("seal", "a/b")[0], 2)
        self.assertEqual(self.secret("list", "x")[0], 2)
        self.assertEqual(self.secret("what")[0], 2)
        code, _, err = self.secret("seal", "X", stdin="value")
        self.assertEqual((code, "flowhost secret init" in err), (1, True))
        self.init()
        self.assertIn("nothing came on stdin", self.secret("seal", "X")[2])


class Keys(Case):
    def test_that_cannot_be_used_refuse_the_start_in_one_sentence(self):
        self.init()
        self.assertIn("there is no key file none.key", self.refused("--key", "none.key"))
        os.chmod(self.key, 0o640)
        self.assertIn("can be read by others: chmod 600", self.refused("--key", self.key))
        os.chmod(self.key, 0o600)
        write_files(self.folder, {"bad.key": "nothing"})
        os.chmod(os.path.join(self.folder, "bad.key"), 0o600)
        self.assertIn("it is no key file", self.refused("--key", "bad.key"))

    def test_under_a_passphrase(self):
        self.good("init", env={"FLOWHOST_KEY_PASSPHRASE": "open sesame"})
        self.good("seal", "TOKEN", stdin=VALUE)
        self.assertIn("a passphrase is needed (FLOWHOST_KEY_PASSPHRASE)", self.refused("--key", self.key))
        self.assertIn("the passphrase is wrong", self.refused("--key", self.key, env={"FLOWHOST_KEY_PASSPHRASE": "x"}))
        self.assertIn("opens", self.good("verify", env={"FLOWHOST_KEY_PASSPHRASE": "open sesame"}))

    def test_another_key_is_logged_and_the_secret_is_missing(self):
        self.init()
        other = os.path.join(self.folder, "other.key")
        self.good("init", "--key", other, "--dir", "elsewhere")
        with Upstream() as upstream:
            host = self.enterContext(Host(os.path.join(self.folder, "flows"), env={"UP": upstream.url},
                                          args=["--key", other]))
            self.assertIn("secrets/TOKEN.sealed cannot be opened: it is sealed for the key", host.log)
            answer = start_run(host, "echo")
            self.assertEqual((answer.status, answer.body["code"]), (500, "SECRET_MISSING"))


class Use(Case):
    def setUp(self):
        super().setUp()
        self.init()
        self.upstream = self.enterContext(Upstream(lambda request: (200, {
            "auth": request.headers.get("Authorization"), "key": request.headers.get("X-Key")})))
        self.host = self.serve(self.upstream)
        self.assertEqual(ask(self.host, "PUT", "/v1/secrets/API", {"value": OTHER, "description": "of a partner"}).status,
                         200)

    def all_files(self):
        for folder, _, names in os.walk(self.host.data_dir):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    yield name, file.read()
        yield "log", self.host.log.encode()

    def check_nowhere(self):
        for name, content in self.all_files():
            for value in (VALUE, OTHER, OTHER.replace('"', '\\"')):
                self.assertNotIn(value.encode(), content, name)

    def test_go_out_and_are_nowhere_else(self):
        answer = start_run(self.host, "echo")
        self.assertEqual(answer.body, {"auth": "Bearer [secret TOKEN]", "key": "[secret API]"})
        sent = self.upstream.requests[0]
        self.assertEqual((sent.headers["Authorization"], sent.headers["X-Key"]), ("Bearer " + VALUE, OTHER))
        failed = start_run(self.host, "echo", {"fail": True})
        self.assertIn("[secret TOKEN]", failed.body["detail"])
        self.host.stop()
        self.check_nowhere()
        self.assertIn("secret TOKEN", self.host.log)

    def test_of_the_api_have_no_value_and_survive_a_restart(self):
        listed = ask(self.host, "GET", "/v1/secrets").body["items"]
        self.assertEqual([(row["name"], row["description"]) for row in listed], [("API", "of a partner")])
        self.assertNotIn("value", listed[0])
        self.host.kill()
        self.host.start()
        self.assertEqual(start_run(self.host, "echo").status, 200)
        self.assertEqual(self.upstream.requests[-1].headers["X-Key"], OTHER)
        self.assertEqual(ask(self.host, "DELETE", "/v1/secrets/API").status, 204)
        self.assertEqual(start_run(self.host, "echo").body["code"], "SECRET_MISSING")
        self.assertEqual(ask(self.host, "DELETE", "/v1/secrets/API").status, 404)

    def keys(self):
        return {line.split()[1] for line in self.good("list").splitlines()} | {
            row["key"] for row in ask(self.host, "GET", "/v1/secrets").body["items"]}

    @unittest.skipUnless("debug" in binary() or "asan" in binary(), "needs a build with fault points")
    def test_are_sealed_anew_though_the_host_dies_before_or_after_the_write(self):
        env = self.host.env
        for point in ("secrets.change", "secrets.changed"):
            with self.subTest(point):
                self.host.kill()
                self.host.start(env={**env, "FLOWHOST_FAULT": point + ":kill:1"})
                former = self.keys()
                self.good("rotate")
                self.host.process.send_signal(signal.SIGHUP)
                self.assertEqual(self.host.wait(), -9)
                self.host.start(env=env)
                wait_until(lambda old=former: not self.keys() & old, SECONDS, "all to be sealed by the new key")
                self.assertEqual(start_run(self.host, "echo").status, 200)
                self.assertEqual(self.upstream.requests[-1].headers["X-Key"], OTHER)

    def test_go_on_with_another_key_once_the_host_is_asked_to_reload(self):
        former = self.keys()
        self.good("rotate")
        self.host.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(self.keys()) == 1 and not self.keys() & former, SECONDS, "all to be sealed by the new key")
        self.assertEqual(start_run(self.host, "echo").status, 200)
        self.assertEqual(self.upstream.requests[-1].headers["X-Key"], OTHER)
        self.assertNotIn("cannot be opened", self.host.log)
        os.chmod(self.key, 0o640)
        self.host.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "the former keys stay: the key file" in self.host.log, SECONDS, "the key to be refused")
        self.assertEqual(start_run(self.host, "echo").status, 200)

    def test_a_wrong_body_is_refused(self):
        for body in ({}, {"value": ""}, {"value": 5}, {"value": "x", "more": 1}, [], {"value": "x" * 300000}):
            self.assertIn(ask(self.host, "PUT", "/v1/secrets/X", body).status, (400, 422))
        self.assertEqual(ask(self.host, "PUT", "/v1/secrets/a%20b", {"value": "xxxxxx"}).status, 422)

    def test_that_is_missing_is_named(self):
        self.assertIn("there is no secret 'NOPE'", start_run(self.host, "missing").body["detail"])

    def test_without_a_key_file_one_is_made(self):
        host = self.enterContext(Host(os.path.join(self.folder, "flows"), args=["--secrets", "none"]))
        self.assertEqual(ask(host, "PUT", "/v1/secrets/X", {"value": "xxxxxx"}).status, 200)
        path = host.data_dir + ".key"
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertIn("made the key", host.log)
        host.kill()
        host.start()
        self.assertEqual(len(ask(host, "GET", "/v1/secrets").body["items"]), 1)
        self.assertNotIn("secret X cannot be opened", host.log)


if __name__ == "__main__":
    unittest.main()
