# SPDX-License-Identifier: MIT
"""Who may call: tokens, users, sessions, apps over HTTP and by the command line, on two shards."""
import json
import os
import re
import signal
import subprocess
import termios
import unittest

from suite import SECONDS, Client, FolderCase, Host, Problems, ask, binary, run_program, wait_until

FLOWS = {"hello.lua": "return function(ctx) return 'hello' end",
         "route.lua": "return { http = 'GET /route', run = function(ctx) return 'route' end }"}
PASSWORD = "correct horse"


def bearer(secret, **more):
    return {"Authorization": f"Bearer {secret}", **{name.replace("_", "-"): text for name, text in more.items()}}


def command(*words, stdin="", env=None):
    """A command with text on stdin; exit code, stdout, stderr."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("FLOWHOST_TOKEN")}
    done = subprocess.run([binary(), *words], input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False,
                          env={**clean, **(env or {})})
    return done.returncode, done.stdout, done.stderr


def make_token(data, role, *words):
    code, out, err = command("token", "create", "--role", role, "--data", data, *words)
    assert code == 0, err
    return out.strip()


def make_user(data, name, role="operator", password=PASSWORD):
    code, _, err = command("user", "create", name, "--role", role, "--data", data, stdin=password + "\n")
    assert code == 0, err


class AccessCase(Problems, FolderCase):
    FLOWS = FLOWS

    def setUp(self):
        super().setUp()
        self.data = os.path.join(self.scratch, "data")

    def start(self, *args, env=None):
        return self.enterContext(Host(self.folder, data_dir=self.data, args=["--shards", "2", *args], env=env))

    def fresh(self, host):
        """A client on a connection of its own: any shard may get it."""
        client = Client(host.port)
        self.addCleanup(client.disconnect)
        return client

    def on_all_shards(self, host, method, path, headers, status):
        """The same answer from many connections, which the kernel spreads over the shards."""
        for _ in range(8):
            self.assertEqual(ask(self.fresh(host), method, path, headers=headers).status, status)

    def log_in(self, host, name="ada", password=PASSWORD):
        return ask(host, "POST", "/v1/session", {"name": name, "password": password})

    def actions(self, host, secret):
        items = ask(host, "GET", "/v1/audit?limit=100", headers=bearer(secret)).body["items"]
        return [(item["action"], item["actor"]) for item in items]


class Tokens(AccessCase):
    def test_the_first_token_closes_the_host_at_once_and_after_a_restart(self):
        host = self.start()
        self.assertEqual(ask(host, "GET", "/v1/runs").status, 200)
        self.assertIn("every caller on this machine is admin", host.read_log())
        made = ask(host, "POST", "/v1/tokens", {"role": "operator", "name": "ci"})
        self.assertEqual((made.status, made.body["role"], made.headers["Cache-Control"]), (201, "operator", "no-store"))
        secret = made.body["token"]
        self.assertRegex(secret, r"^fh_[\w-]{43}$")
        self.on_all_shards(host, "GET", "/v1/runs", {}, 401)
        self.on_all_shards(host, "GET", "/v1/runs", bearer(secret), 200)
        for path in ("/healthz", "/readyz", "/route"):
            self.on_all_shards(host, "GET", path, {}, 200)
        host.kill()
        offset = len(host.read_log())
        host.start()
        self.assertNotIn("every caller", host.read_log()[offset:])
        self.on_all_shards(host, "GET", "/v1/runs", {}, 401)
        self.on_all_shards(host, "GET", "/v1/runs", bearer(secret), 200)

    def test_a_wrong_one_an_expired_one_and_a_removed_one(self):
        admin = make_token(self.data, "admin")
        short = make_token(self.data, "viewer", "--expires", "1s")
        host = self.start()
        for wrong in (admin + "x", "fh_", "x"):
            answer = ask(host, "GET", "/v1/runs", headers=bearer(wrong))
            self.assertIn("that was sent is none", self.assert_problem(answer, 401, "UNAUTHORIZED")["detail"])
            self.assertEqual(answer.headers["WWW-Authenticate"], "Bearer")
        self.assertIn("who are you?", ask(host, "GET", "/v1/runs").body["detail"])
        wait_until(lambda: ask(host, "GET", "/v1/runs", headers=bearer(short)).status == 401, SECONDS, "expiry")
        gone = make_token(self.data, "viewer", "--name", "gone")
        self.on_all_shards(host, "GET", "/v1/runs", bearer(gone), 200)
        items = ask(host, "GET", "/v1/tokens", headers=bearer(admin)).body["items"]
        found = next(item for item in items if item["name"] == "gone")
        self.assertNotIn(gone, json.dumps(items))
        self.assertEqual(ask(host, "DELETE", f"/v1/tokens/{found['id']}", headers=bearer(admin)).status, 204)
        self.on_all_shards(host, "GET", "/v1/runs", bearer(gone), 401)

    def test_who_keeps_trying_waits(self):
        admin = make_token(self.data, "admin")
        host = self.start("--shards", "1")
        for _ in range(12):
            self.assertEqual(ask(host, "GET", "/v1/runs", headers=bearer("fh_x")).status, 401)
        slow = self.fresh(host)
        with self.assertRaises(TimeoutError):
            slow.request("GET", "/v1/runs", headers=bearer("fh_x"), timeout=0.1)
        self.assertEqual(ask(host, "GET", "/v1/runs", headers=bearer(admin)).status, 200)

    def test_secrets_are_not_in_the_data_or_the_log(self):
        secret = make_token(self.data, "admin")
        make_user(self.data, "ada")
        host = self.start("--log-level", "debug")
        cookie = self.log_in(host).headers["Set-Cookie"].split(";")[0].split("=")[1]
        self.log_in(host, password="a wrong guess")
        ask(host, "GET", "/v1/runs", headers=bearer(secret))
        with open(os.path.join(self.data, "data.mdb"), "rb") as file:
            text = file.read() + host.read_log().encode()
        for word in (secret, cookie, PASSWORD, "a wrong guess"):
            self.assertNotIn(word.encode(), text)


class Listening(AccessCase):
    def test_another_address_needs_a_token_first(self):
        words = (self.folder, "--listen", "0.0.0.0:0", "--data", self.data)
        code, _, err = run_program(*words)
        self.assertEqual(code, 3)
        self.assertEqual(len(err.splitlines()), 1)
        self.assertIn("refusing to listen on 0.0.0.0:0", err)
        self.assertIn("flowhost token create", err)
        make_token(self.data, "viewer")
        host = self.start("--listen", "0.0.0.0:0")
        self.assertEqual(ask(host, "GET", "/v1/runs").status, 401)

    def test_a_user_will_do(self):
        make_user(self.data, "ada")
        host = self.start("--listen", "0.0.0.0:0")
        self.assertEqual(self.log_in(host).status, 200)


class Commands(AccessCase):
    def test_on_a_folder_whose_host_runs_or_not(self):
        admin = make_token(self.data, "admin", "--name", "before")
        host = self.start()
        mode = os.stat(os.path.join(self.data, "API")).st_mode & 0o777
        self.assertEqual(mode, 0o600)
        while_it_runs = make_token(self.data, "viewer", "--name", "while")
        self.on_all_shards(host, "GET", "/v1/runs", bearer(while_it_runs), 200)
        self.assertIn(("create token", "owner"), self.actions(host, admin))
        host.stop()
        self.assertFalse(os.path.exists(os.path.join(self.data, "API")))
        code, out, _ = command("token", "list", "--data", self.data)
        self.assertEqual((code, re.findall(r"before|while", out)), (0, ["before", "while"]))

    def test_over_http_with_a_token(self):
        admin = make_token(self.data, "admin")
        host = self.start()
        env = {"FLOWHOST_HOST": host.url, "FLOWHOST_TOKEN": admin}
        self.assertEqual(command("runs", env={"FLOWHOST_HOST": host.url})[0], 1)
        self.assertEqual(command("runs", env=env)[:2], (0, "no runs\n"))
        code, out, _ = command("token", "create", "--role", "viewer", "--json", env=env)
        made = json.loads(out)
        self.assertEqual((code, made["role"]), (0, "viewer"))
        self.assertEqual(command("token", "rm", made["id"], env=env)[:2], (0, f"removed token {made['id']}\n"))
        self.assertEqual(ask(host, "GET", "/v1/runs", headers=bearer(made["token"])).status, 401)

    def test_a_signal_at_the_password_prompt_leaves_the_terminal_as_it_was(self):
        def is_echoing(terminal):
            return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
        for words, code in ((["--data", self.data], 1), (["--host", "127.0.0.1:9"], -signal.SIGTERM)):
            ours, theirs = os.openpty()
            with subprocess.Popen([binary(), "user", "create", "ada", "--role", "viewer", *words], stdin=theirs,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                wait_until(lambda terminal=theirs: not is_echoing(terminal), SECONDS, "the prompt")
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=SECONDS)
            self.assertEqual((process.returncode, is_echoing(theirs)), (code, True))
            os.close(ours)
            os.close(theirs)

    def test_users_and_apps(self):
        make_user(self.data, "ada", "viewer")
        self.assertEqual(command("user", "passwd", "ada", "--data", self.data, stdin="another secret\n")[:2],
                         (0, "user ada: the password is changed, sessions are ended\n"))
        self.assertEqual(command("user", "create", "bob", "--role", "admin", "--data", self.data)[0], 1)
        self.assertEqual(command("user", "create", "bob", "--role", "admin", "--data", self.data, stdin="short\n")[0], 1)
        self.assertEqual(command("app", "create", "shop", "--data", self.data)[0], 0)
        self.assertEqual(command("app", "accept", "shop", "--data", self.data)[:2], (0, "app shop: accepted\n"))
        self.assertIn("accepted", command("app", "list", "--data", self.data)[1])
        self.assertEqual(command("app", "rm", "shop", "--data", self.data)[0], 0)
        host = self.start()
        self.assertEqual(self.log_in(host).status, 401)
        self.assertEqual(self.log_in(host, password="another secret").status, 200)
        self.assertEqual(command("user", "rm", "ada", "--data", self.data)[0], 0)
        self.assertEqual(self.log_in(host, password="another secret").status, 401)

    def test_of_a_folder_that_nobody_can_be_asked_about(self):
        os.makedirs(self.data)
        with open(os.path.join(self.data, "API"), "w", encoding="utf-8") as file:
            file.write("not JSON")
        os.mkdir(os.path.join(self.data, "LOCK"))
        code, _, err = command("token", "list", "--data", self.data)
        self.assertEqual(code, 4)
        self.assertIn("API is damaged", err)

    def test_leave_runs_alone(self):
        self.write({"wait.lua": "return function(ctx) ctx.sleep(3600) end"})
        host = self.start()
        run = ask(host, "POST", "/v1/flows/wait/runs", headers={"Prefer": "respond-async"}).run
        host.kill()
        admin = make_token(self.data, "admin")
        host.start()
        self.assertEqual(ask(host, "GET", f"/v1/runs/{run}", headers=bearer(admin)).body["flow"], "wait")
        self.assertEqual(ask(host, "GET", "/v1/flows/hello", headers=bearer(admin)).status, 200)


class Sessions(AccessCase):
    def setUp(self):
        super().setUp()
        self.admin = make_token(self.data, "admin")
        make_user(self.data, "ada")
        self.host = self.start()

    def test_a_cookie_is_one_on_every_shard_until_logout(self):
        answer = self.log_in(self.host)
        self.assertEqual((answer.status, answer.body), (200, {"name": "ada", "role": "operator"}))
        self.assertRegex(answer.headers["Set-Cookie"],
                         r"^flowhost_session=fh_[\w-]{43}; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800$")
        cookie = {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}
        self.on_all_shards(self.host, "GET", "/v1/me", cookie, 200)
        foreign = {**cookie, "Origin": "http://evil.example"}
        self.assert_problem(ask(self.host, "POST", "/v1/flows/hello/runs", headers=foreign), 403, "FOREIGN_ORIGIN")
        self.assertEqual(ask(self.host, "POST", "/v1/flows/hello/runs", headers=cookie).body, "hello")
        self.assertEqual(ask(self.host, "DELETE", "/v1/session", headers=cookie).status, 204)
        self.on_all_shards(self.host, "GET", "/v1/me", cookie, 401)
        self.assertIn(("log out", "ada"), self.actions(self.host, self.admin))

    def test_it_survives_a_restart(self):
        cookie = {"Cookie": self.log_in(self.host).headers["Set-Cookie"].split(";")[0]}
        self.host.kill()
        self.host.start()
        self.on_all_shards(self.host, "GET", "/v1/me", cookie, 200)

    def test_guesses_are_slowed_down_on_all_shards_together(self):
        for number in range(5):
            self.assert_problem(self.log_in(self.fresh(self.host), password=f"guess {number}"), 401, "UNAUTHORIZED")
        answer = self.log_in(self.fresh(self.host))
        self.assert_problem(answer, 429, "TOO_MANY_ATTEMPTS")
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertIn(("log in failed", "ada"), self.actions(self.host, self.admin))

    def test_a_viewer_changes_nothing_and_the_audit_tells(self):
        viewer = make_token(self.data, "viewer", "--name", "eye")
        answer = ask(self.host, "POST", "/v1/flows/hello/disable", headers=bearer(viewer))
        self.assert_problem(answer, 403, "FORBIDDEN")
        self.assertEqual(ask(self.host, "POST", "/v1/flows/hello/runs", headers=bearer(viewer)).status, 403)
        self.assertIn(("refused", "token:eye"), self.actions(self.host, self.admin))
        self.assertEqual(ask(self.host, "POST", "/v1/flows/hello/runs", headers=bearer(self.admin)).body, "hello")


class Apps(AccessCase):
    def test_the_rate_is_of_the_host_not_of_a_shard(self):
        admin = make_token(self.data, "admin")
        host = self.start()
        made = ask(host, "POST", "/v1/apps", {"name": "shop", "eps": 0.01}, bearer(admin))
        self.assertEqual(made.body["state"], "pending")
        app = bearer(ask(host, "POST", "/v1/apps/shop/tokens", headers=bearer(admin)).body["token"])
        self.assert_problem(ask(host, "POST", "/v1/flows/hello/runs", headers=app), 403, "APP_NOT_ACCEPTED")
        ask(host, "PATCH", "/v1/apps/shop", {"state": "accepted"}, bearer(admin))
        answers = [ask(self.fresh(host), "POST", "/v1/flows/hello/runs", headers=app) for _ in range(12)]
        self.assertEqual([answer.status for answer in answers], [200] + 11 * [429])
        self.assert_problem(answers[-1], 429, "RATE_LIMITED")
        self.assertIn("eps limitation is: 0.01", answers[-1].body["detail"])
        self.assertEqual(ask(host, "GET", f"/v1/runs/{answers[0].run}", headers=app).body["tags"], {"app": "shop"})
        self.assertEqual(ask(host, "GET", "/v1/runs", headers=app).status, 403)


@unittest.skipUnless("debug" in binary() or "asan" in binary(), "needs a build with fault points")
class Crashes(AccessCase):
    def test_killed_before_the_write_nothing_is_there(self):
        host = self.start(env={"FLOWHOST_FAULT": "access.change:kill:1"})
        with self.assertRaises(OSError):
            host.request("POST", "/v1/tokens", {"role": "admin"})
        self.assertEqual(host.wait(), -9)
        host.start(env={})
        self.assertEqual(ask(host, "GET", "/v1/tokens").body["items"], [])
        self.assertEqual(ask(host, "GET", "/v1/audit").body["items"], [])

    def test_killed_after_it_all_of_it_is(self):
        host = self.start(env={"FLOWHOST_FAULT": "access.changed:kill:1"})
        with self.assertRaises(OSError):
            host.request("POST", "/v1/tokens", {"role": "admin"})
        self.assertEqual(host.wait(), -9)
        host.start(env={})
        self.assertEqual(ask(host, "GET", "/v1/tokens").status, 401)
        env = {"FLOWHOST_FAULT": ""}
        listed = json.loads(command("token", "list", "--json", "--data", self.data, env=env)[1])["items"]
        self.assertEqual([item["role"] for item in listed], ["admin"])
        self.assertEqual(self.actions(host, make_token(self.data, "admin"))[-1], ("create token", "admin"))

    def test_killed_at_a_login_or_logout_a_session_is_whole_or_not_there(self):
        make_user(self.data, "ada")
        for point in ("access.change:kill:1", "access.changed:kill:1"):
            host = self.start(env={"FLOWHOST_FAULT": point})
            with self.assertRaises(OSError):
                host.request("POST", "/v1/session", {"name": "ada", "password": PASSWORD})
            self.assertEqual(host.wait(), -9)
            host.start(env={})
            answer = self.log_in(host)
            self.assertEqual(answer.status, 200)
            cookie = {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}
            self.assertEqual(ask(host, "DELETE", "/v1/session", headers=cookie).status, 204)
            self.assertEqual(ask(host, "GET", "/v1/me", headers=cookie).status, 401)
            host.stop()


if __name__ == "__main__":
    unittest.main()
