# SPDX-License-Identifier: MIT
"""What each command asks of a host, what it prints of the answer, and its exit code; the host is a stub."""
import json
import os
import unittest

from suite import Drop, Upstream, closed_port, run_program

ID, OTHER = "01M7Z18XHW0CSQKJKKDZCC1ZVV", "01M7Z18XHW0CSQKJKKDZCC1ZVW"
RUN = {
    "id": ID, "flow": "shop/order", "version": "8dd09d9000a9", "release": "f98dbd43652d3a2f", "status": "suspended",
    "durable": "always", "error": {"code": "NETWORK", "message": "refused\nby \x1b[31mit", "step": "2"},
    "created_at": "2026-11-21T12:29:36.285Z", "started_at": "2026-11-21T12:29:36.286Z", "ended_at": None,
    "trace_id": "abc", "attempt": 1, "reason": None, "input": {"n": 9007199254740993}, "output": None,
    "tags": {"city": "Bergen"}, "progress": {"done": 3, "total": 10, "text": "mails"},
}
STEP = {"path": "1", "kind": "request", "name": "GET /", "status": "failed", "line": "order.lua:3", "ms": 12,
        "attempts": 3, "error": {"code": "NETWORK", "message": "refused"}, "output": None}


class Cli(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.answers = {}
        self.stub = self.enterContext(Upstream(self.reply))

    def reply(self, request):
        path = request.path.split("?")[0]
        answer = self.answers.get((request.method, path))
        if answer is None:
            return 404, {"code": "NO_ROUTE", "detail": f"no route {path}", "status": 404, "title": "Not Found"}
        return answer

    def run_cli(self, *words, env=None):
        return run_program(*words, env={"FLOWHOST_HOST": self.stub.url, "LC_ALL": "C", **(env or {})})

    def does(self, words, method, path, answer, body=None, status=200, query="", code=0):
        """Runs it; checks the one request it makes; what it printed."""
        self.answers[method, path] = (status, answer)
        self.stub.forget()
        got, out, err = self.run_cli(*words)
        self.assertEqual(got, code, out + err)
        (request,) = self.stub.requests
        self.assertEqual((request.method, request.path), (method, path + query))
        self.assertEqual(json.loads(request.body) if request.body else None, body)
        return out

    # --- reading

    def test_runs(self):
        page = {"items": [RUN, {**RUN, "id": OTHER, "error": None, "tags": None}], "next": None}
        out = self.does(["runs"], "GET", "/v1/runs", page, query="?limit=50")
        self.assertEqual(out.splitlines(), [
            "run                         flow        status     created",
            f"{ID}  shop/order  suspended  2026-11-21T12:29:36Z  NETWORK: refused by ?[31mit",
            f"{OTHER}  shop/order  suspended  2026-11-21T12:29:36Z  3 of 10 mails"])
        out = self.does(["runs", "--flow", "shop/order", "--status", "suspended", "--tag", "city=Bergen", "--since",
                         "2026-11-21", "--until", "2026-11-22T10:00:00Z", "--limit", "7"], "GET", "/v1/runs",
                        {"items": [], "next": None},
                        query="?flow=shop%2Forder&limit=7&since=2026-11-21T00%3A00%3A00Z&status=suspended"
                              "&tag=city%3ABergen&until=2026-11-22T10%3A00%3A00Z")
        self.assertEqual(out, "no runs\n")

    def test_runs_over_several_pages(self):
        asked = []

        def pages(request):
            asked.append(request.path)
            first = len(asked) == 1
            count = 1000 if first else 500
            return 200, {"items": [RUN] * count, "next": "NEXT"}
        self.stub.handler = pages
        code, out, _ = self.run_cli("runs", "--limit", "1500")
        self.assertEqual((code, asked), (0, ["/v1/runs?limit=1000", "/v1/runs?cursor=NEXT&limit=500"]))
        self.assertEqual(len(out.splitlines()), 1502)
        self.assertEqual(out.splitlines()[-1], "there are more: --limit N, or --cursor NEXT")

    def test_how_long_ago(self):
        self.answers["GET", "/v1/runs"] = (200, {"items": [], "next": None})
        self.run_cli("runs", "--since", "2h")
        self.assertRegex(self.stub.requests[0].path, r"since=20\d\d-\d\d-\d\dT\d\d%3A\d\d%3A\d\dZ$")

    def test_run_show(self):
        self.answers["GET", f"/v1/runs/{ID}"] = (200, RUN)
        self.answers["GET", f"/v1/runs/{ID}/steps"] = (200, {"items": [STEP], "next": None})
        code, out, err = self.run_cli("run-show", ID)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out.splitlines(), [
            f"run       {ID}", "flow      shop/order (version 8dd09d9000a9, release f98dbd43652d...)",
            "status    suspended", "error     NETWORK: refused by ?[31mit (step 2)", "progress  3 of 10 mails",
            "tags      city=Bergen", "created   2026-11-21T12:29:36.285Z", "started   2026-11-21T12:29:36.286Z",
            "trace     abc", 'input     {"n":9007199254740993}', "",
            "path  kind     name   line         ms  status",
            "1     request  GET /  order.lua:3  12  failed  NETWORK: refused  (3 attempts)"])

    def test_why(self):
        out = self.does(["why", ID], "GET", f"/v1/runs/{ID}/why", {"sentence": "waits for signal 'paid'"})
        self.assertEqual(out, "waits for signal 'paid'\n")

    def test_json_is_the_answer_as_it_is(self):
        text = '{"sentence":  "x",\n"n": 1.0}\n'
        self.answers["GET", f"/v1/runs/{ID}/why"] = (200, text, {"Content-Type": "application/json"})
        self.assertEqual(self.run_cli("why", ID, "--json"), (0, text, ""))

    def test_replay(self):
        step = {"path": "1", "kind": "step", "name": "add", "line": "add.lua:2", "locals": {"b": [1], "a": "x"}}
        path = f"/v1/runs/{ID}/replay"
        out = self.does(["replay", ID, "--locals", "--release", "active"], "GET", path,
                        {"items": [step], "divergence": None, "end": "succeeded"},
                        query="?locals=true&release=active")
        self.assertEqual(out.splitlines(), ["1           step        add  add.lua:2", '      a = "x"', "      b = [1]",
                                            "end: succeeded"])
        divergence = {"step": "2", "why": "another name", "recorded": {"kind": "step", "name": "a", "line": "x.lua:1"},
                      "asked": {"kind": "step", "name": "b", "line": "x.lua:2"}}
        out = self.does(["replay", ID], "GET", path, {"items": [], "divergence": divergence, "end": None}, code=1)
        self.assertEqual(out.splitlines(), ["diverges at step 2: another name", "  recorded  step 'a' at x.lua:1",
                                            "  asked     step 'b' at x.lua:2"])

    def test_diff(self):
        side = {"id": ID, "flow": "f", "version": "v", "status": "succeeded", "ms": 1234, "steps": 2}
        first = {"path": "2", "differs": ["value"], "changes": [{"pointer": "/n", "a": 1, "b": 2}],
                 "a": {"kind": "step", "name": "n", "line": "f.lua:2", "status": "succeeded", "value": {"n": 1}, "ms": 3},
                 "b": {"kind": "step", "name": "n", "line": "f.lua:2", "status": "succeeded", "value": {"n": 2}, "ms": 5}}
        path = f"/v1/runs/{ID}/diff/{OTHER}"
        answer = {"is_same": False, "a": side, "b": {**side, "id": OTHER}, "first": first, "items": [first], "count": 1,
                  "changes": [{"pointer": "/input/x", "a": 1, "b": None}]}
        out = self.does(["diff", ID, OTHER], "GET", path, answer, code=1)
        self.assertIn("first difference at step 2: value\n  a  step 'n' at f.lua:2 succeeded: {\"n\":1}\n", out)
        self.assertIn("  /input/x: 1 -> null\n", out)
        self.assertIn("step 2\n  /n: 1 -> 2\n", out)
        answer = {**answer, "is_same": True, "first": None, "items": [], "count": 0, "changes": []}
        self.assertIn("no step differs\n", self.does(["diff", ID, OTHER], "GET", path, answer))

    def test_flow_list(self):
        flow = {"name": "shop/order", "version": "v1", "http": "POST /order", "description": "Takes orders.",
                "enabled": False}
        problem = {"file": "bad.lua", "line": 3, "message": "unexpected symbol"}
        out = self.does(["flow-list"], "GET", "/v1/flows", {"items": [flow], "problems": [problem], "next": None})
        self.assertEqual(out.splitlines(), [
            "flow        version  route                  description",
            "shop/order  v1       POST /order  disabled  Takes orders.", "bad.lua:3: unexpected symbol"])

    def test_flow_show(self):
        one = {"version": "8dd09d9000a9", "release": "f98dbd43652d3a2f", "activated_at": "2026-11-21T12:29:36.285Z",
               "weight": 90, "active": True}
        out = self.does(["flow-show", "shop/order"], "GET", "/v1/flows/shop/order/versions",
                        {"items": [one, {**one, "version": "9dd09d9000a9", "weight": 0}], "next": None})
        self.assertEqual(out.splitlines(), [
            "version       release       since                 new runs",
            "8dd09d9000a9  f98dbd43652d  2026-11-21T12:29:36Z  90 %",
            "9dd09d9000a9  f98dbd43652d  2026-11-21T12:29:36Z"])

    # --- changing

    def test_recover(self):
        path = f"/v1/runs/{ID}/recover"
        out = self.does(["recover", ID], "POST", path, {**RUN, "status": "running"}, body={}, status=202)
        self.assertEqual(out, f"run {ID} of shop/order: running\n")
        self.does(["recover", ID, "--value", "null", "--input", '{"n":9007199254740993}', "--data", "{}", "--step",
                   '2.1={"id":7}', "--step", "3=null", "--from", "4", "--release", "active"], "POST", path, RUN,
                  status=202, body={"value": None, "input": {"n": 9007199254740993}, "data": {}, "from": "4",
                                    "steps": {"2.1": {"output": {"id": 7}}, "3": {"output": None}},
                                    "release": "active"})

    def test_dry_run(self):
        path = f"/v1/runs/{ID}/recover"
        out = self.does(["recover", ID, "--dry-run"], "POST", path, {"divergence": None}, body={"dry_run": True})
        self.assertEqual(out, "it would go on: what it recorded fits the code\n")
        report = {"divergence": {"step": "1", "why": "gone", "recorded": {"kind": "step", "name": "a", "line": None},
                                 "asked": None}}
        out = self.does(["recover", ID, "--dry-run"], "POST", path, report, body={"dry_run": True}, code=1)
        self.assertEqual(out.splitlines(), ["diverges at step 1: gone", "  recorded  step 'a' at ?",
                                            "  asked     nothing"])

    def test_many(self):
        for verb, more, sent in (("recover", ["--release", "active"], {"release": "active"}),
                                 ("cancel", ["--reason", "over"], {"reason": "over"})):
            out = self.does([verb, "--all", "--flow", "order", "--tag", "a=b", *more], "POST", f"/v1/runs/{verb}",
                            {**RUN, "flow": "flowhost/bulk"}, status=202,
                            body={"filter": {"flow": "order", "tag": "a:b"}, **sent})
            self.assertIn(f"flowhost run-show {ID}", out)

    def test_cancel(self):
        self.does(["cancel", ID, "--reason", "wrong \"one\""], "POST", f"/v1/runs/{ID}/cancel", RUN, status=202,
                  body={"reason": "wrong \"one\""})

    def test_fork(self):
        out = self.does(["fork", ID, "--from", "3", "--input", "1", "--step", "1=2", "--allow-effects"], "POST",
                        f"/v1/runs/{ID}/fork", {**RUN, "id": OTHER, "status": "running"}, status=201,
                        body={"from": "3", "input": 1, "steps": {"1": {"output": 2}}, "allow_effects": True})
        self.assertEqual(out, f"run {OTHER} of shop/order: running\n")

    def test_signal(self):
        path = f"/v1/runs/{ID}/signal/paid%20in%2Ffull"
        self.does(["signal", ID, "paid in/full", "--data", '{"n":1}', "--id", "k1"], "POST", path, "", status=202,
                  body={"n": 1})
        self.assertEqual(self.stub.requests[0].headers["Idempotency-Key"], "k1")
        self.does(["signal", ID, "paid in/full"], "POST", path, "", status=202)

    def test_flows(self):
        for verb in ("enable", "disable"):
            out = self.does([verb, "shop/order"], "POST", f"/v1/flows/shop/order/{verb}", {})
            self.assertEqual(out, f"flow shop/order: {verb}d\n")
        self.does(["activate", "a", "--version", "v1", "--weight", "10"], "POST", "/v1/flows/a/activate", {},
                  body={"version": "v1", "weight": 10})
        self.does(["activate", "a", "--release", "r1"], "POST", "/v1/flows/a/activate", {}, body={"release": "r1"})

    # --- what goes wrong

    def test_problems(self):
        problem = {"type": "about:blank", "title": "Unprocessable Content", "status": 422, "code": "NO_STEP",
                   "detail": "no step 9\x1b", "errors": [{"pointer": "/steps/9", "message": "no such step"}]}
        self.answers["POST", f"/v1/runs/{ID}/recover"] = (422, problem, {"Content-Type": "application/problem+json"})
        self.assertEqual(self.run_cli("recover", ID),
                         (1, "", "flowhost: NO_STEP: no step 9?\n  /steps/9: no such step\n"))
        code, out, err = self.run_cli("recover", ID, "--json")
        self.assertEqual((code, json.loads(out), err), (1, problem, ""))
        for detail in ("/steps/9: no such step", "/steps/9 no such step"):
            self.answers["POST", f"/v1/runs/{ID}/recover"] = (422, {**problem, "detail": detail},
                                                              {"Content-Type": "application/problem+json"})
            self.assertEqual(self.run_cli("recover", ID), (1, "", f"flowhost: NO_STEP: {detail}\n"))
        self.assertEqual(self.run_cli("why", ID), (1, "", f"flowhost: NO_ROUTE: no route /v1/runs/{ID}/why; "
                                                          "is the host of another version?\n"))

    def test_no_host(self):
        port = closed_port()
        code, out, err = self.run_cli("why", ID, "--host", f"127.0.0.1:{port}")
        self.assertEqual((code, out), (4, ""))
        self.assertRegex(err, rf"^flowhost: cannot reach the host at http://127.0.0.1:{port}: .*; start one .*--host\n$")

        def drop(_):
            raise Drop
        self.stub.handler = drop
        self.assertEqual(self.run_cli("why", ID)[0], 4)

    def test_another_server(self):
        for answer in ((200, "<html>"), (500, "<html>"), (404, {"error": "x"}), (200, b"\xff")):
            self.answers["GET", "/v1/flows"] = answer
            code, out, err = self.run_cli("flow-list")
            self.assertEqual((code, out), (4, ""), answer)
            self.assertIn(f"what answers at {self.stub.url} is not a flowhost", err)

    def test_usage(self):
        for words, said in (
                (["recover"], "name a run, or --all"), (["cancel", ID, "--all"], "not both"), (["cancel", "--all"], "--all needs"),
                (["cancel", ID, "--flow", "x"], "not both"), (["recover", ID, "--value", "x"], "is not JSON"),
                (["recover", ID, "--step", "x"], "PATH=JSON"), (["recover", ID, "--step", "1=x"], "is not JSON"),
                (["recover", ID, "--release", "x"], "pinned"), (["runs", "--limit", "0"], "from 1 to"),
                (["runs", "--since", "yesterday"], "is not a time"), (["runs", "--tag", "x"], "NAME=VALUE"),
                (["activate", "x"], "--release and --version"), (["activate", "x", "--weight", "100"], "from 1 to 99"),
                (["why"], "id"), (["why", ID, "x"], "too many arguments"), (["wy", ID], ""),
                (["runs", "--host", "ftp://x"], "address of a host"), (["runs", "--host", "a b"], "address of a host")):
            code, out, err = self.run_cli(*words)
            self.assertEqual((code, out), (2, ""), (words, err))
            self.assertIn(said, err)
        self.assertEqual(self.stub.requests, [])

    def test_token(self):
        self.answers["GET", "/v1/flows"] = (200, {"items": [], "problems": [], "next": None})
        for words, env, sent in (([], {}, None), (["--token", "t1"], {}, "Bearer t1"),
                                 ([], {"FLOWHOST_TOKEN": "t2"}, "Bearer t2"),
                                 (["--token", "t1"], {"FLOWHOST_TOKEN": "t2"}, "Bearer t1")):
            self.stub.forget()
            self.assertEqual(self.run_cli("flow-list", *words, env=env)[0], 0)
            self.assertEqual(self.stub.requests[0].headers["Authorization"], sent)

    @unittest.skipUnless(os.path.exists("/dev/full"), "there is no /dev/full")
    def test_output_that_cannot_be_written(self):
        import subprocess  # pylint: disable=import-outside-toplevel
        from suite import binary  # pylint: disable=import-outside-toplevel
        self.answers["GET", "/v1/flows"] = (200, {"items": [], "problems": [], "next": None})
        with open("/dev/full", "wb") as full:
            done = subprocess.run([binary(), "flow-list", "--host", self.stub.url], stdout=full,
                                  stderr=subprocess.PIPE, check=False, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"could not be written", done.stderr)


if __name__ == "__main__":
    unittest.main()
