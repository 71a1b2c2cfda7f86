# SPDX-License-Identifier: MIT
"""The program itself: what it says when it cannot start, its exit codes, and the commands that need no server."""
import os
import re
import signal
import socket
import subprocess
import threading
import unittest

from suite import SECONDS, FolderCase, Host, Upstream, ask, binary, run_program, start_run

FLOWS = {
    "hello.lua": "return { http = 'GET /hello', durable = 'never', run = function(ctx, input) return { hello = input.name } end }",
    "steps.lua": """
return function(ctx, input)
    local sum = ctx.step("add", function() return input.a + input.b end)
    return { sum = sum, doubled = ctx.component("double", sum), env = ctx.env.NAME }
end
""",
    "components/double.lua": "return function(ctx, n) return ctx.step('times', function() return n * 2 end) end",
    "fails.lua": "return function(ctx) ctx.step('ok', function() return 1 end) error('bad luck') end",
    "sub/deep.lua": "return function(ctx, input) return ctx.run.flow end",
    "host.lua": "return { env = { NAME = os.getenv 'NAME' or 'nobody' } }",
}


class Start(FolderCase):
    FLOWS = FLOWS

    def setUp(self):
        super().setUp()
        self.data = os.path.join(self.scratch, "data")

    def refuse(self, *args, code=3, env=None, data=None):
        """Starts what must not start; the one sentence it says."""
        got, out, err = run_program(self.folder, "--listen", "127.0.0.1:0", "--data", data or self.data, *args, env=env)
        self.assertEqual((got, out), (code, ""), err)
        (line,) = [line for line in err.splitlines() if line.startswith("flowhost: ")]
        self.assertNotIn("traceback", err)
        return line

    # --- data folder

    def test_data_folder_in_use(self):
        host = self.serve(data_dir=self.data)
        line = self.refuse()
        self.assertIn(self.data, line)
        self.assertIn(str(host.process.pid), line)
        self.assertEqual(ask(host, "GET", "/healthz").status, 200)

    def test_data_folder_is_a_file(self):
        with open(self.data, "w", encoding="utf-8") as file:
            file.write("mine")
        self.assertIn(self.data, self.refuse())
        with open(self.data, encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")

    def test_parent_of_the_data_folder_is_missing(self):
        missing = os.path.join(self.scratch, "no", "where")
        self.assertIn(missing, self.refuse(data=missing))

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_data_folder_not_writable(self):
        os.makedirs(self.data, mode=0o500)
        self.assertIn(self.data, self.refuse())

    def test_damaged_data_file(self):
        for damage in (b"not a data file at all", b"\0" * 65536, os.urandom(65536)):
            os.makedirs(self.data, exist_ok=True)
            path = os.path.join(self.data, "data.mdb")
            with open(path, "wb") as file:
                file.write(damage)
            line = self.refuse()
            self.assertIn(self.data, line)
            with open(path, "rb") as file:
                self.assertEqual(file.read(), damage, "what is damaged is left as it is")

    def test_damaged_pages(self):
        with Host(self.folder, data_dir=self.data) as host:
            for _ in range(50):
                self.assertEqual(start_run(host, "steps", {"a": 1, "b": 2}).status, 200)
        path = os.path.join(self.data, "data.mdb")
        size = os.path.getsize(path)
        with open(path, "r+b") as file:
            file.truncate(size // 2 // 4096 * 4096)
        self.assertIn(self.data, self.refuse())

    def test_an_empty_data_file_is_a_new_one(self):
        os.makedirs(self.data)
        with open(os.path.join(self.data, "data.mdb"), "wb"):
            pass
        host = self.serve(data_dir=self.data)
        self.assertEqual(start_run(host, "steps", {"a": 1, "b": 2}).status, 200)

    # --- port

    def test_port_taken(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            sock.listen()
            for shards in ("1", "2"):
                address = f"127.0.0.1:{sock.getsockname()[1]}"
                self.assertIn(address, self.refuse("--listen", address, "--shards", shards))

    def test_port_of_another_host(self):
        for shards in ("1", "2"):
            with Host(self.folder, args=["--shards", shards]) as host:
                address = f"127.0.0.1:{host.port}"
                self.assertIn(address, self.refuse("--listen", address, "--shards", shards))

    def test_addresses_that_others_reach(self):
        for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:8080", "127.0.0.1.example.com:80"):
            self.assertIn(address, self.refuse("--listen", address))
        self.assertFalse(os.path.exists(self.data), "refused before anything is made")

    def test_addresses_that_are_none(self):
        for address, code in (("127.0.0.1:99999", 3), ("127.0.0.1", 2), ("127.0.0.1:x", 2), ("8080", 2)):
            line = self.refuse("--listen", address, code=code)
            self.assertIn(address, line)
            self.assertIn("[IPV6-ADDRESS]:PORT", line)

    # --- folder, options

    def test_folder_is_missing(self):
        for command in ("serve", "check"):
            code, out, err = run_program(command, os.path.join(self.scratch, "nowhere"))
            self.assertEqual((code, out), (3, ""))
            self.assertIn("nowhere", err)

    def test_folder_is_a_file(self):
        code, _, err = run_program(os.path.join(self.folder, "hello.lua"))
        self.assertEqual(code, 3)
        self.assertIn("hello.lua", err)

    def test_wrong_usage(self):
        for args, word in (((), "command"), (("--nonsense",), "--nonsense"), (("serve",), "dir"),
                           ((self.folder, "--shards", "x"), "shards"), ((self.folder, "--shards"), "--shards"),
                           ((self.folder, "--log", "xml"), "json"), ((self.folder, "--max-body", "many"), "8m"),
                           ((self.folder, "extra"), "too many arguments"), (("run",), "file"), (("check", self.folder, "--data", "x"), "--data"),
                           (("run", os.path.join(self.folder, "hello.lua"), "--dir", "elsewhere"), "elsewhere")):
            code, out, err = run_program(*args)
            self.assertEqual((code, out), (2, ""), (args, err))
            self.assertIn(word, err)

    def test_wrong_environment(self):
        self.assertIn("FLOWHOST_SHARDS", self.refuse(env={"FLOWHOST_SHARDS": "x"}, code=2))

    def test_wrong_host_lua(self):
        self.write({"host.lua": "return {\n  listen = = 1\n}"})
        self.assertIn("host.lua:2", self.refuse(code=2))

    def test_settings_win_over_each_other(self):
        self.write({"host.lua": "return { max_body = '10', max_header = '4k' }"})
        for env, args, size in (({}, [], 10), ({"FLOWHOST_MAX_BODY": "20"}, [], 20),
                                ({"FLOWHOST_MAX_BODY": "20"}, ["--max-body", "30"], 30)):
            with Host(self.folder, env=env, args=args) as host:
                fits = '"' + "x" * (size - 2) + '"'
                self.assertNotEqual(start_run(host, "hello", "x" * (size - 2)).status, 413)
                self.assertEqual(ask(host, "POST", "/v1/flows/hello/runs", fits + " ").status, 413)

    def test_a_missing_data_folder_is_made(self):
        with Host(self.folder, data_dir=self.data) as host:
            self.assertEqual(ask(host, "GET", "/healthz").status, 200)
        self.assertEqual(os.stat(self.data).st_mode & 0o777, 0o700)

    def test_log_as_json(self):
        with Host(self.folder, args=["--log", "json"]) as host:
            self.assertIn("listening on", host.log)
            for line in host.log.splitlines():
                self.assertRegex(line, r"^\{.*\}$")


class Commands(FolderCase):
    FLOWS = FLOWS

    def run_flow(self, name, *args, env=None):
        return run_program("run", os.path.join(self.folder, name), *args, env=env)

    def test_version(self):
        for args in (["version"], ["--version"]):
            code, out, err = run_program(*args)
            self.assertEqual((code, err), (0, ""))
            self.assertRegex(out, r"^flowhost \d+\.\d+\.\d+\n$")

    def test_help(self):
        for args in (["--help"], ["-h"], ["help"]):
            code, out, err = run_program(*args)
            self.assertEqual((code, err), (0, ""))
            for word in ("Usage: flowhost", "serve", "check", "run", "version", "Exit codes", "FLOWHOST_"):
                self.assertIn(word, out)
        code, out, _ = run_program("serve", "--help")
        self.assertEqual(code, 0)
        for word in ("--listen", "--data", "--shards", "--cpu-limit", "--memory-limit", "--drain-timeout", "127.0.0.1:8080"):
            self.assertIn(word, out)

    def test_run(self):
        code, out, err = self.run_flow("steps.lua", "--input", '{"a":1,"b":2}', env={"NAME": "Ada"})
        self.assertEqual((code, err), (0, ""), out)
        result, empty, head, *rows = out.rstrip("\n").split("\n")
        self.assertEqual((result, empty), ('{"doubled":6,"env":"Ada","sum":3}', ""))
        self.assertEqual(head.split(), ["path", "kind", "name", "ms", "ok"])
        self.assertEqual([re.sub(r" +", " ", row).rsplit(" ", 2)[0] for row in rows],
                         ["1 step add", "2 component double", "2.1 step times"])
        for row in rows:
            self.assertRegex(row, r" \d+  yes$")

    def test_run_without_input(self):
        code, out, _ = self.run_flow("sub/deep.lua", "--dir", self.folder)
        self.assertEqual((code, out.split("\n")[0]), (0, '"sub/deep"'))

    def test_run_of_a_state_machine(self):
        self.write({"greet.asl.json": '{"StartAt":"A","States":{"A":{"Type":"Pass","Result":"hi","End":true}}}'})
        code, out, err = self.run_flow("greet.asl.json")
        self.assertEqual((code, err, out.split("\n")[0]), (0, "", '"hi"'))

    def test_run_of_a_flow_that_fails(self):
        code, out, _ = self.run_flow("fails.lua")
        self.assertEqual(code, 1)
        self.assertIn("fails.lua:1: bad luck", out)
        self.assertRegex(out, r"(?m)^1 +step +ok +\d+ +yes$")

    def test_run_of_a_flow_that_keeps_nothing(self):
        code, out, _ = self.run_flow("hello.lua", "--input", '{"name":"x"}')
        self.assertEqual((code, out.split("\n")[0]), (0, '{"hello":"x"}'))

    def test_run_of_nothing(self):
        code, out, err = self.run_flow("nobody.lua")
        self.assertEqual(code, 1)
        self.assertIn("nobody", out + err)

    def test_run_with_bad_input(self):
        code, out, err = self.run_flow("steps.lua", "--input", "{")
        self.assertEqual((code, out), (2, ""))
        self.assertIn("--input is not JSON", err)

    def test_run_that_would_be_suspended_says_that_it_is_gone(self):
        self.write({"stops.lua": "return function(ctx) return ctx.suspend('CHECK', 'look') end"})
        code, out, _ = self.run_flow("stops.lua")
        self.assertEqual(code, 1)
        self.assertIn("look (a host that serves the folder would keep it suspended)", out)
        self.assertNotIn("/recover", out)

    def test_run_ended_by_a_signal_leaves_nothing_behind(self):
        self.write({"waits.lua": "return function(ctx) ctx.request { url = ctx.env.UPSTREAM } end",
                    "host.lua": "return { env = { UPSTREAM = os.getenv 'UPSTREAM' } }"})
        release, called = threading.Event(), threading.Event()
        self.addCleanup(release.set)

        def hold(_):
            called.set()
            release.wait(SECONDS)
            return 200, {}
        upstream = self.enterContext(Upstream(hold))
        for number in (signal.SIGINT, signal.SIGTERM):
            called.clear()
            with subprocess.Popen([binary(), "run", "waits.lua"], cwd=self.folder, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
                                  env={**os.environ, "TMPDIR": self.scratch, "UPSTREAM": upstream.url}) as process:
                self.assertTrue(called.wait(SECONDS))
                self.assertGreater(len(os.listdir(self.scratch)), 1)
                process.send_signal(number)
                out, err = process.communicate(timeout=SECONDS)
            self.assertEqual((process.returncode, out, err), (1, "", "flowhost: ended by a signal\n"))
            self.assertEqual(sorted(os.listdir(self.scratch)), ["flows"])

    def test_check_names_what_a_problem_is_of(self):
        code, out, err = run_program("check", self.folder, env={"FLOWHOST_MAX_BODY": "x"})
        self.assertEqual((code, out), (2, ""))
        self.assertRegex(err, r"^flowhost: environment variable FLOWHOST_MAX_BODY: ")
        os.symlink("nowhere.lua", os.path.join(self.folder, "gone.lua"))
        code, out, err = run_program("check", self.folder)
        self.assertEqual((code, err), (1, ""))
        self.assertRegex(out, f"^{re.escape(self.folder)}/gone.lua:1: the file cannot be read: ")
        self.write({"host.lua": "return {\n colour = = 1 }"})
        code, out, err = run_program("check", self.folder)
        self.assertEqual((code, err), (1, ""))
        self.assertRegex(out, f"^{re.escape(self.folder)}/host.lua:2: ")

    def test_check_names_all_faults_of_a_machine(self):
        self.write({"wrong.asl.json": '{"StartAt": "A",\n"Foo": 1, "States": {\n"A": { "Type": "Pass", "Nxt": "B" }\n}}',
                    "kind.asl.json": '{\n"Type": "EXPRES", "StartAt": "A", "States": {}}'})
        code, out, err = run_program("check", self.folder)
        self.assertEqual((code, err), (1, ""))
        self.assertEqual(out.replace(self.folder + "/", "").splitlines(), [
            "kind.asl.json:2: /Type: must be STANDARD or EXPRESS",
            "wrong.asl.json:1: /: SCHEMA_VALIDATION_FAILED: Field 'Foo' is not supported",
            "wrong.asl.json:3: /States/A: SCHEMA_VALIDATION_FAILED: Field 'Nxt' is not supported",
            "wrong.asl.json:3: /States/A: SCHEMA_VALIDATION_FAILED: There should be one of the following fields: [Next, End]",
        ])

    def test_check_shows_machines_in_the_spelling_of_the_language(self):
        path = os.path.join(self.folder, "sub", "sfc.asl.json")
        self.write({"sub/sfc.asl.json": '{"start": "a", "states": {"a": {"type": "fail", "error": "E"}}}',
                    "good.asl.json": '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'})
        self.assertEqual(run_program("check", self.folder + "/", "--canonical"), (0, "".join(line + "\n" for line in [
            f"{path}: /start: StartAt", f"{path}: /states: States", f"{path}: /States/a/error: Error",
            f"{path}: /States/a/type: Type", f"{path}: /States/a/Type: Fail",
            f"{self.folder}: 1 of 2 state machines in another spelling"]), ""))
        code, out, err = run_program("check", path, "--canonical")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out, '{\n    "StartAt": "a",\n    "States": {\n        "a": { "Type": "Fail", "Error": "E" }\n'
                              '    }\n}\n')
        self.write({"sub/sfc.asl.json": "{"})
        code, out, err = run_program("check", path, "--canonical")
        self.assertEqual((code, out), (1, ""))
        self.assertRegex(err, f"^flowhost: {re.escape(path)}: the definition is not JSON: ")

    def test_run_leaves_nothing_behind(self):
        before = set(os.listdir("/tmp"))
        self.assertEqual(run_program("run", "hello.lua", cwd=self.folder, env={"TMPDIR": self.scratch})[0], 1)
        self.assertEqual(sorted(os.listdir(self.scratch)), ["flows"])
        self.assertEqual({name for name in set(os.listdir("/tmp")) - before if name.startswith("flowhost-") and
                          not name.startswith("flowhost-test-")}, set())


if __name__ == "__main__":
    unittest.main()
