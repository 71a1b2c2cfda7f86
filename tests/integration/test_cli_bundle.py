# SPDX-License-Identifier: MIT
"""Runs that go elsewhere: export, import, open; and diff of two runs."""
import json
import os
import subprocess
import tempfile
import unittest

from suite import SECONDS, Host, HostCase, ask, binary, get_run, get_steps, run_program, wait_for_run, write_files

FLOWS = {
    "add.lua": """
return function(ctx, input)
    local sum = ctx.step("add", function() return input.a + input.b end)
    ctx.all {
        function() return ctx.step("big", function() return { big = input.big, list = {}, s = "\\255\\0" } end) end,
        function() return ctx.component("double", sum) end,
    }
    if input.fail then error("too much") end
    return { sum = sum, env = ctx.env.NAME, uuid = ctx.uuid(), now = ctx.now() }
end
""",
    "components/double.lua": "return function(ctx, n) return n * 2 end",
    "waits.lua": """
return function(ctx, input)
    local first = ctx.step("first", function() return 1 end)
    ctx.request { url = ctx.env.UPSTREAM }
    return first + 1
end
""",
    "other.lua": "return function(ctx) ctx.step('one', function() return 1 end) ctx.step('two', function() return 2 end) end",
}
HOST_LUA = 'return { env = { UPSTREAM = os.getenv "UPSTREAM", NAME = "Ada" } }'


class Bundles(HostCase):
    FLOWS = FLOWS
    HOST_LUA = HOST_LUA
    SHARDS = 2

    def setUp(self):
        super().setUp()
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="flowhost-test-"))
        self.file = os.path.join(self.folder, "run.json")

    def cli(self, *words, env=None):
        return run_program(*words, env={"FLOWHOST_HOST": self.host.url, "TMPDIR": self.folder, **(env or {})})

    def export(self, answer):
        code, out, err = self.cli("export", answer.run, self.file)
        self.assertEqual((code, err, out), (0, "", f"wrote run {answer.run} to {self.file}\n"))
        return answer.run

    def elsewhere(self, shards=1, **files):
        """A host that has never seen our flows."""
        flows = os.path.join(self.folder, "flows")
        os.makedirs(flows, exist_ok=True)
        write_files(flows, files)
        return self.enterContext(Host(flows, args=["--shards", str(shards)]))

    def import_into(self, host, path="run.json"):
        with open(os.path.join(self.folder, path), "rb") as file:
            return ask(host, "POST", "/v1/runs/import", file.read())

    def start(self, **more):
        return self.start_run("add", {"a": 1, "b": 2, "big": 9007199254740993, **more})

    def test_a_run_is_the_same_elsewhere(self):
        for more in ({}, {"fail": True}):
            answer = self.start(**more)
            run = self.export(answer)
            for shards in (1, 2):
                host = self.elsewhere(shards)
                got = self.import_into(host)
                self.assertEqual((got.status, got.headers["Location"]), (201, f"/v1/runs/{run}"), got.body)
                self.assertEqual(get_run(host, run), get_run(self.host, run))
                self.assertEqual(get_steps(host, run), get_steps(self.host, run))
                self.assertEqual([one["id"] for one in ask(host, "GET", "/v1/runs?flow=add").body["items"]], [run])
                again = self.import_into(host)
                self.assert_problem(again, 409, "RUN_EXISTS", run)
            os.remove(self.file)

    def test_it_can_be_exported_again(self):
        run = self.export(self.start())
        host = self.elsewhere()
        self.import_into(host)
        with open(self.file, "rb") as file:
            first = file.read()
        self.assertEqual(ask(host, "GET", f"/v1/runs/{run}/export", raw=True).body, first)

    def test_the_bundle_is_json_for_everybody(self):
        self.export(self.start())
        with open(self.file, encoding="utf-8") as file:
            bundle = json.load(file)
        self.assertEqual((bundle["format"], bundle["flow"]), (1, "add"))
        self.assertEqual(bundle["release"]["env"]["NAME"], "Ada")
        with open(self.file, "w", encoding="utf-8") as file:
            json.dump(bundle, file, indent=4, sort_keys=True)
        self.assertEqual(self.import_into(self.elsewhere()).status, 201)

    def test_a_source_that_is_not_utf8(self):
        text = b"-- caf\xe9\nreturn function(ctx) return ctx.step('x', function() return 'caf\\233' end) == 'caf\\233' end"
        flows = os.path.join(self.folder, "latin")
        os.makedirs(flows)
        with open(os.path.join(flows, "latin.lua"), "wb") as file:
            file.write(text)
        with Host(flows) as host:
            answer = ask(host, "POST", "/v1/flows/latin/runs")
            self.assertEqual((answer.status, answer.body), (200, True))
            bundle = ask(host, "GET", f"/v1/runs/{answer.run}/export").body
        with open(self.file, "w", encoding="utf-8") as file:
            json.dump(bundle, file)
        host = self.elsewhere()
        self.assertEqual(self.import_into(host).status, 201)
        self.assertEqual(ask(host, "GET", f"/v1/runs/{answer.run}/export").body, bundle)

    def test_a_run_that_has_not_ended_waits_for_a_person(self):
        import threading  # pylint: disable=import-outside-toplevel
        called, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        def handle(_):
            called.set()
            go_on.wait(SECONDS)
            return 200, {}
        self.upstream.handler = handle
        answer = self.start_run("waits", None, prefer="respond-async")
        self.assertTrue(called.wait(SECONDS))
        run = self.export(answer)
        host = self.elsewhere()
        self.assertEqual(self.import_into(host).body["status"], "suspended")
        imported = get_run(host, run)
        self.assertEqual(imported["error"]["code"], "IMPORTED")
        self.assertEqual([one["id"] for one in ask(host, "GET", "/v1/runs?status=suspended").body["items"]], [run])
        go_on.set()
        self.assertEqual(ask(host, "POST", f"/v1/runs/{run}/recover").status, 202)
        self.assertEqual(wait_for_run(host, run)["output"], 2)
        self.assertEqual(wait_for_run(self.host, run)["output"], 2)

    def test_what_cannot_be_imported(self):
        run = self.export(self.start())
        with open(self.file, encoding="utf-8") as file:
            text = file.read()
        bundle = json.loads(text)
        host = self.elsewhere()

        def without(name):
            return json.dumps({key: value for key, value in bundle.items() if key != name})
        for body, said in (
                ("", "not JSON"), ("{", "not JSON"), (text[:200], "not JSON"), ("[]", "not a run"), ("{}", "not a run"),
                ('"x"', "not a run"), ("null", "not a run"), (json.dumps({"kind": "flowhost run", "format": 2}), "format 2"),
                (json.dumps({"kind": "flowhost run"}), "format nil"), (without("row"), "row"), (without("id"), "id"),
                (without("journal"), "journal"), (without("release"), "release"), (without("sha256"), "checksum"),
                (text.replace('"a":1', '"a":2'), "checksum"), (text.replace("input.a + input.b", "input.a - input.b"), "release"),
                (json.dumps({**bundle, "journal": [1]}), "chunk 1"), (json.dumps({**bundle, "journal": {"a": 1}}), "checksum"),
                (json.dumps({**bundle, "row": {"base64": "!"}}), "row"), (json.dumps({**bundle, "id": "x"}), "id"),
                (json.dumps({**bundle, "row": []}), "checksum"),
                (json.dumps({**bundle, "release": {"files": {"a": 1}, "env": {}}}), "file a"),
                (json.dumps({**bundle, "release": {**bundle["release"], "env": {"NAME": "Bob"}}}), "release")):
            problem = self.assert_problem(ask(host, "POST", "/v1/runs/import", body), 422, "BUNDLE_INVALID")
            self.assertIn(said, problem["detail"], body[:200])
            with open(self.file + ".bad", "w", encoding="utf-8") as file:
                file.write(body)
            code, out, err = self.cli("open", self.file + ".bad")
            self.assertEqual((code, out), (1, ""))
            self.assertRegex(err, r"^flowhost: BUNDLE_INVALID: the bundle cannot be used: .*\n$")
        self.assertEqual(ask(host, "GET", f"/v1/runs/{run}").status, 404)

    def test_export_of_nothing(self):
        self.assert_problem(self.ask("GET", "/v1/runs/x/export"), 404, "NO_RUN")
        code, _, err = self.cli("export", "01M7Z18XHW0CSQKJKKDZCC1ZVV", self.file)
        self.assertEqual((code, err), (1, "flowhost: NO_RUN: no run 01M7Z18XHW0CSQKJKKDZCC1ZVV\n"))
        self.assertFalse(os.path.exists(self.file))

    def test_export_never_replaces(self):
        answer = self.start()
        self.export(answer)
        code, _, err = self.cli("export", answer.run, self.file)
        self.assertEqual(code, 1)
        self.assertIn("exists", err)

    def test_export_to_stdout_and_import(self):
        run = self.start().run
        code, out, err = self.cli("export", run)
        self.assertEqual((code, err), (0, ""))
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(out)
        host = self.elsewhere()
        self.assertEqual(self.cli("import", self.file, env={"FLOWHOST_HOST": host.url}),
                         (0, f"run {run} of add: succeeded\n", ""))

    # --- open

    def test_open(self):
        run = self.export(self.start(fail=True))
        code, out, err = self.cli("open", self.file)
        self.assertEqual((code, err), (0, ""))
        self.assertIn(f"run      {run}\nflow     add (", out)
        self.assertIn('input    {"a":1,"b":2,"big":9007199254740993,"fail":true}\n', out)
        self.assertRegex(out, r"(?m)^2\.2\.1 +component +double +add\.lua:6 +\d+ +succeeded$")
        self.assertEqual(sorted(os.listdir(self.folder)), ["run.json"], "it leaves nothing behind")
        code, out, _ = self.cli("open", self.file, "--json")
        run_line, steps_line = out.splitlines()
        self.assertEqual((json.loads(run_line)["id"], len(json.loads(steps_line)["items"])), (run, 4))

    def test_open_serves_on_request(self):
        run = self.export(self.start())
        with subprocess.Popen([binary(), "open", self.file, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "TMPDIR": self.folder}) as process:
            try:
                line = process.stderr.readline()
                port = int(line.split("127.0.0.1:")[1].split()[0])
                while process.stdout.readline() != "\n":
                    pass
                self.assertEqual(self.cli("why", "x", "--host", f"http://127.0.0.1:{port}")[0], 1)
                self.assertEqual(run_program("run-show", run, "--host", f"127.0.0.1:{port}")[0], 0)
            finally:
                process.terminate()
                process.communicate(timeout=SECONDS)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(sorted(os.listdir(self.folder)), ["run.json"])

    def test_open_of_nothing(self):
        code, out, err = self.cli("open", self.file)
        self.assertEqual((code, out, err), (1, "", f"flowhost: file {self.file} cannot be read: No such file or directory\n"))
        self.assertEqual(os.listdir(self.folder), [])

    # --- diff

    def diff(self, one, other):
        answer = self.ask("GET", f"/v1/runs/{one}/diff/{other}")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.body

    def test_diff_of_equal_runs(self):
        one, other = self.start().run, self.start().run
        answer = self.diff(one, other)
        self.assertEqual((answer["count"], answer["first"], answer["items"]), (0, None, []))
        # two runs may fall into the same millisecond
        self.assertIn([change["pointer"] for change in answer["changes"]],
                      (["/output/now", "/output/uuid"], ["/output/uuid"]),
                      "what is drawn by chance is no difference of a step, but it may change the output")
        answer = self.diff(one, one)
        self.assertEqual((answer["is_same"], answer["a"]), (True, answer["b"]))
        self.assertEqual(self.cli("diff", one, one)[0], 0)
        self.assertEqual(self.cli("diff", one, other)[0], 1)

    def test_diff_of_values(self):
        one, other = self.start().run, self.start_run("add", {"a": 1, "b": 3, "big": 9007199254740992, "fail": True}).run
        answer = self.diff(one, other)
        self.assertEqual([(item["path"], item["differs"]) for item in answer["items"]],
                         [("1", ["value"]), ("2.1.1", ["value"]), ("2.2.1", ["arguments", "value"]), ("3", ["step"]),
                          ("4", ["step"])])
        self.assertEqual(answer["first"], answer["items"][0])
        self.assertEqual(answer["items"][0]["changes"], [{"pointer": "", "a": 3, "b": 4}])
        self.assertEqual(answer["items"][1]["changes"], [{"pointer": "/big", "a": 9007199254740993, "b": 9007199254740992}])
        self.assertEqual((answer["items"][3]["b"], answer["items"][3]["a"]["kind"]), (None, "uuid"))
        self.assertEqual((answer["a"]["id"], answer["a"]["status"], answer["b"]["status"]), (one, "succeeded", "suspended"))
        self.assertEqual([change["pointer"] for change in answer["changes"]],
                         ["/status", "/input/b", "/input/big", "/input/fail", "/output", "/error"])
        code, out, _ = self.cli("diff", one, other)
        self.assertEqual(code, 1)
        self.assertIn("first difference at step 1: value\n  a  step 'add' at add.lua:3 succeeded: 3\n", out)

    def test_diff_of_flows(self):
        answer = self.diff(self.start().run, self.start_run("other").run)
        self.assertEqual((answer["first"]["path"], answer["first"]["differs"]), ("1", ["name", "value"]))
        self.assertEqual(answer["items"][1]["differs"], ["kind", "name", "status"])
        self.assertEqual([change["pointer"] for change in answer["changes"]][:2], ["/flow", "/version"])

    def test_diff_of_nothing(self):
        run = self.start().run
        for a, b in ((run, "x"), ("x", run), (run, "01M7Z18XHW0CSQKJKKDZCC1ZVV")):
            self.assert_problem(self.ask("GET", f"/v1/runs/{a}/diff/{b}"), 404, "NO_RUN")


if __name__ == "__main__":
    unittest.main()
