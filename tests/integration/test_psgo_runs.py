# SPDX-License-Identifier: MIT
"""ps-go's own API: suspended runs and run logs (SEEDS 1.13, 1.14, 1.16)."""
import json
import re
import unittest

from psgo_case import WHO, PsgoCase
from suite import ask, clients_by_shard

DATETIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")
DURATION = re.compile(r"\d+\.\d{3}s")

STANDING = json.dumps({
    "suspend": True, "record": True, "request": {"type": "json"},
    "components": [
        [{"name": "a", "type": "script", "url": "copy", "input": {"n": "{request.body.n}"}, "outputName": "a"}],
        [{"name": "b", "type": "api", "method": "POST", "url": "{env.UPSTREAM}/b", "input": {"n": "{a.n}"}, "outputName": "b",
          "requestType": "json", "responseType": "json", "responseCondition": "{code} == 200", "errorMsg": "{why}"},
         {"name": "c", "type": "script", "url": "copy", "input": {"n": 3}, "outputName": "c"}],
        [{"name": "d", "type": "script", "url": "copy", "input": {"n": "{b.id}"}, "outputName": "d"}]],
    "response": {"body": {"code": "{response.code}", "msg": "{response.msg}", "d": "{d.n}", "extra": "{extra}"}}})


class Runs(PsgoCase):
    FLOWS = {
        "echo.lua": "return function(ctx, input) return input end",
        "components/copy.lua": "function handler(ctx, input) return { n = input.n } end",
        "components/halts.lua": "function handler(ctx, input) ctx.suspend('4711', 'look at it') end",
        "components/breaks.lua": "function handler(ctx, input) ctx.break('enough') end",
        "components/spins.lua": "function handler(ctx, input) while true do end end",
        "components/fails.lua": "function handler(ctx, input) error('no') end",
        "components/tells.lua": """function handler(ctx, input)
            return ctx.request { method = "POST", url = ctx.env.UPSTREAM .. "/echo", bearer = ctx.secret("partner"), json = { q = 1 } }
        end""",
        "components/asks.lua": """function handler(ctx, input)
            return ctx.request { method = "POST", url = ctx.env.UPSTREAM .. "/asked", body = { q = 1 }, requestType = "json",
                responseType = "json", onlyData = false }
        end""",
    }

    def setUp(self):
        super().setUp()
        self.is_mended = False

    def handle(self, request):
        if request.path == "/echo":
            return 200, {"you sent": dict(request.headers)["Authorization"], "asked": request.body.decode()}
        return 200, ({"code": 200, "id": 9} if self.is_mended else {"code": 5, "why": "not yet"})

    def serve_rule(self, name, text):
        if self.page("/api/v1/rule", name=name)["total"] == 0:
            self.publish_rule(name, text)

    def stand(self, **body):
        """The trx of a run that stands in layer 2."""
        self.serve_rule("standing", STANDING)
        answer = self.call("standing", {"n": 1, **body})
        self.assertEqual(answer.body, {"code": 100001, "msg": "not yet", "d": None, "extra": None})
        return answer.headers["Trx"]

    def suspended(self, trx):
        return self.get("/api/v1/suspend", trx=trx)["data"]

    # --- suspended runs

    def test_row_of_a_suspended_run(self):
        trx = self.stand()
        row = self.suspended(trx)
        version = self.get("/api/v1/rule", name="standing")["data"]["version"]
        self.assertEqual({name: row[name] for name in ("trx", "method", "path", "version", "step", "cur_step", "err_code",
                                                       "err_msg")},
                         {"trx": trx, "method": "POST", "path": "standing", "version": version, "step": 3, "cur_step": 2,
                          "err_code": "100001", "err_msg": "not yet"})
        self.assertEqual(json.loads(row["err_component"]), ["b"])
        self.assertEqual(json.loads(row["rule"])["components"], json.loads(STANDING)["components"])
        data = json.loads(row["data"])
        self.assertEqual((data["a"], data["c"], data["request"]["body"]), ({"n": 1}, {"n": 3}, {"n": 1}))
        self.assertNotIn("b", data)
        self.assertEqual(self.get("/api/v1/suspend", id=row["id"])["data"], row)

    def test_row_of_a_run_that_met_a_limit(self):
        self.serve_rule("limit", json.dumps({
            "suspend": True, "components": [[{"name": "a", "type": "script", "url": "copy", "input": {"n": 1}, "outputName": "a"}],
                                            [{"name": "x", "type": "script", "url": "spins"}]],
            "response": {"body": {"code": "{response.code}", "n": "{a.n}"}}}))
        answer = self.call("limit")
        self.assertEqual(answer.body, {"code": "110000", "n": 1})
        row = self.suspended(answer.headers["Trx"])
        self.assertEqual((row["err_code"], row["cur_step"], json.loads(row["err_component"])), ("110000", 2, ["x"]))

    def test_no_such_suspended_run(self):
        self.assert_refused(self.get("/api/v1/suspend"), 100002)
        for query in ({"id": "x"}, {"trx": "x"}, {"trx": "01M8AHY0K3018YX2H3KR2AMV4T"}):
            self.assert_refused(self.get("/api/v1/suspend", **query), 100006)

    def test_pages_of_suspended_runs(self):
        trx = [self.stand() for _ in range(3)]
        row = self.page("/api/v1/suspend", trx=trx[1])["list"]
        self.assertEqual([one["trx"] for one in row], [trx[1]])
        self.assertFalse({"rule", "data"} & set(row[0]))
        found = [one["trx"] for one in self.page("/api/v1/suspend")["list"]]
        self.assertEqual([one for one in found if one in trx], trx[::-1])
        self.assertEqual([one["trx"] for one in self.page("/api/v1/suspend", page=2, count=1)["list"]], found[1:2])
        for filters, total in (({"method": "POST", "path": "standing"}, None), ({"method": "GET"}, 0), ({"path": "other"}, 0),
                               ({"version": row[0]["version"], "trx": trx[1]}, 1), ({"version": "0" * 32}, 0),
                               ({"log_id": row[0]["log_id"]}, 1), ({"start": row[0]["created_at"] + 3600}, 0),
                               ({"end": row[0]["created_at"] - 3600}, 0), ({"start": row[0]["created_at"] - 1}, None)):
            answer = self.page("/api/v1/suspend", **filters)
            self.assertEqual(answer["total"], total) if total is not None else self.assertGreaterEqual(answer["total"], 3)
        self.check_paging("/api/v1/suspend/page")

    def test_recover_answers_as_the_rule_does(self):
        trx = self.stand()
        self.is_mended = True
        answer = self.ask("POST", "/api/v1/suspend/recover", json.dumps({"trx": trx, "data": {"extra": [1]}}))
        self.assertEqual((answer.status, answer.body), (200, {"code": None, "msg": None, "d": 9, "extra": [1]}))
        self.assertEqual(answer.headers["Trx"], trx)
        self.assertEqual([request.path for request in self.upstream.requests], ["/b", "/b"])
        self.assert_refused(self.get("/api/v1/suspend", trx=trx), 100006)
        self.assert_refused(self.send("POST", "/api/v1/suspend/recover", {"trx": trx, "data": {}}), 100001)

    def test_recover_that_fails_again_stands_again(self):
        trx = self.stand()
        answer = self.ask("POST", "/api/v1/suspend/recover", json.dumps({"trx": trx}))
        self.assertEqual(answer.body["code"], 100001)
        row = self.suspended(trx)
        self.assertEqual((row["trx"], row["cur_step"], json.loads(row["err_component"])), (trx, 2, ["b"]))

    def test_recover_refuses(self):
        for body, code in (({}, 100002), ({"trx": ""}, 100006), ({"trx": "x"}, 100006), ({"trx": 7}, 100006),
                           ({"trx": self.stand(), "data": [1]}, 100002), ({"trx": self.stand(), "data": "x"}, 100002)):
            self.assert_refused(self.send("POST", "/api/v1/suspend/recover", body), code)

    def test_edit_then_recover(self):
        trx = self.stand()
        row = self.suspended(trx)
        rule = json.loads(row["rule"])
        rule["components"][1][0].update({"type": "script", "url": "copy", "input": {"n": 1}})
        del rule["components"][1][0]["responseCondition"]
        rule["components"][2][0]["input"] = {"n": "{mine}"}
        self.write_ok("PUT", "/api/v1/suspend", {"id": row["id"], "data": {"mine": 42}, "rule": rule, "cur_step": 2,
                                                 "err_names": ["b"]})
        edited = self.suspended(trx)
        self.assertEqual(json.loads(edited["data"]), {"mine": 42})
        self.assertEqual(json.loads(edited["rule"])["components"], rule["components"])
        answer = self.ask("POST", "/api/v1/suspend/recover", json.dumps({"trx": trx}))
        self.assertEqual(answer.body["d"], 42)

    def test_edit_of_the_layer(self):
        trx = self.stand()
        self.write_ok("PUT", "/api/v1/suspend", {"id": trx, "cur_step": 3, "data": {"b": {"id": "given"}}})
        self.assertEqual(json.loads(self.suspended(trx)["err_component"]), ["d"])
        answer = self.ask("POST", "/api/v1/suspend/recover", json.dumps({"trx": trx}))
        self.assertEqual(answer.body["d"], "given")
        self.assertEqual(len(self.upstream.requests), 1)

    def test_edit_refuses(self):
        trx = self.stand()
        before = self.suspended(trx)
        for wrong in ({"cur_step": 4}, {"cur_step": 0}, {"cur_step": "2"}, {"err_names": ["nobody"]}, {"err_names": "b"},
                      {"data": [1]}, {"data": 7}, {"rule": {"components": 1}}, {"rule": "{"}, {"rule": 7}):
            self.assert_refused(self.send("PUT", "/api/v1/suspend", {"id": trx, **wrong}), 100002, "/" + next(iter(wrong)))
        rule = json.loads(before["rule"])
        rule["components"][1][0]["condition"] = "{a.n} =="
        self.assert_refused(self.send("PUT", "/api/v1/suspend", {"id": trx, "rule": rule}), 110004,
                            '/rule/components/1/0/condition expected an operand, not the end, at position 9 of "{a.n} =="')
        rule["components"][1][0].update({"name": "renamed", "condition": ""})
        self.assert_refused(self.send("PUT", "/api/v1/suspend", {"id": trx, "rule": rule}), 100002, "/err_names/0 'b'")
        for wrong, code in (({}, 100002), ({"id": "x"}, 100006), ({"id": 7}, 100006)):
            self.assert_refused(self.send("PUT", "/api/v1/suspend", {"cur_step": 1, **wrong}), code)
        self.assertEqual(self.suspended(trx), before)

    # --- cached components

    def test_cached_component_is_known_to_all_shards(self):
        self.publish_rule("cached", json.dumps({
            "components": [[{"name": "c", "type": "api", "method": "GET", "url": "{env.UPSTREAM}/cached", "isCache": True,
                             "outputName": "c"}]], "response": {"body": "{c.code}"}}))
        clients = clients_by_shard(self.host, 2, "echo")
        self.assertEqual(ask(clients[0], "POST", "/ps/cached", "{}").body, 5)
        # shard 0 asks the other one about this and waits: what it had told it before has come there
        self.write_ok("POST", "/api/v1/secret", {"name": "barrier", "description": "d", "context": "c", **WHO})
        self.assertEqual(ask(clients[1], "POST", "/ps/cached", "{}").body, 5)
        self.assertEqual([request.path for request in self.upstream.requests], ["/cached"])
        for client in clients.values():
            client.disconnect()

    # --- run log

    def log_of(self, trx):
        row = self.get("/api/v1/run_log", trx=trx)["data"]
        log = json.loads(row["msg"])
        self.assertEqual(self.ask("GET", f"/v1/runs/{trx}/log").body, log)
        self.assertEqual((row["trx"], row["status"], row["step"], row["cur_step"]),
                         (trx, log["status"], log["step"], log["cur_step"]))
        return log

    def test_log_is_a_tree(self):
        self.is_mended = True
        self.serve_rule("standing", STANDING)
        log = self.log_of(self.call("standing", {"n": 1}).headers["Trx"])
        self.assertEqual((log["step"], log["cur_step"], log["status"], log["error"]), (3, 4, "成功执行", None))
        self.assertEqual(log["request"]["body"], {"n": 1})
        self.assertEqual(log["response"]["d"], 9)
        for name in ("start_datetime", "end_datetime", "resp_datetime"):
            self.assertRegex(log[name], DATETIME)
        for name in ("run_time", "resp_time"):
            self.assertRegex(log[name], DURATION)
        self.assertEqual([(layer["step"], layer["action_count"]) for layer in log["step_logs"]], [(1, 1), (2, 2), (3, 1)])
        by_name = {one["name"]: one for one in log["step_logs"][1]["component_logs"]}
        b = by_name["b"]
        self.assertEqual((b["step"], b["action"], b["type"], b["method"], b["input"], b["response"], b["output_name"]),
                         (2, 1, "api", "POST", {"n": 1}, {"code": 200, "id": 9}, "b"))
        self.assertEqual((by_name["c"]["action"], by_name["c"]["request_logs"]), (2, []))
        self.assertEqual([(one["method"], one["url"], one["body"], one["resp_body"]) for one in b["request_logs"]],
                         [("POST", self.upstream.url + "/b", {"n": 1}, {"code": 200, "id": 9})])

    def test_log_of_a_request_of_a_script(self):
        self.serve_rule("asking", json.dumps({"record": True, "components": [[{"name": "x", "type": "script", "url": "asks"}]]}))
        log = self.log_of(self.call("asking").headers["Trx"])
        request = log["step_logs"][0]["component_logs"][0]["request_logs"][0]
        self.assertEqual((request["url"], request["body"], request["resp_code"]), (self.upstream.url + "/asked", {"q": 1}, 200))
        self.assertEqual(request["resp_body"], {"code": 5, "why": "not yet"})

    def test_secrets_are_not_in_the_log(self):
        value = "9f4c-very-secret"
        self.write_ok("POST", "/api/v1/secret", {"name": "partner", "description": "d", "context": value, **WHO})
        self.serve_rule("telling", json.dumps({"record": True, "suspend": True, "components": [
            [{"name": "tell", "type": "script", "url": "tells"}], [{"name": "no", "type": "script", "url": "fails"}]]}))
        trx = self.call("telling").headers["Trx"]
        self.assertEqual(dict(self.upstream.requests[-1].headers)["Authorization"], "Bearer " + value)
        self.log_of(trx)
        for path in (f"/v1/runs/{trx}/log", f"/v1/runs/{trx}/journal", f"/api/v1/run_log?trx={trx}",
                     f"/api/v1/suspend?trx={trx}", "/api/v1/secret?name=partner", "/v1/audit"):
            text = self.ask("GET", path, raw=True).body
            self.assertNotIn(value.encode(), text, path)
        self.assertIn(b"you sent", self.ask("GET", f"/v1/runs/{trx}/log", raw=True).body)
        self.assertNotIn(value, self.host.log)

    def test_five_statuses(self):
        for name, script, o, status in (
                ("st/ok", "copy", {}, "成功执行"), ("st/fail", "fails", {}, "错误中断"), ("st/break", "breaks", {}, "主动中断"),
                ("st/break2", "breaks", {"suspend": True}, "主动中断"), ("st/stand", "fails", {"suspend": True}, "错误挂起"),
                ("st/halt", "halts", {"suspend": True}, "主动挂起")):
            self.serve_rule(name, json.dumps({"record": True, **o, "components": [[{"name": "x", "type": "script", "url": script,
                                                                                   "input": {"n": 1}}]]}))
            log = self.log_of(self.call(name).headers["Trx"])
            self.assertEqual(log["status"], status, name)
            self.assertEqual(log["error"] is None, name == "st/ok")

    def test_no_log(self):
        self.assert_refused(self.get("/api/v1/run_log"), 100002, "trx")
        for trx in ("x", "01M8AHY0K3018YX2H3KR2AMV4T"):
            self.assert_refused(self.get("/api/v1/run_log", trx=trx), 100006)
        self.assert_problem(self.ask("GET", "/v1/runs/01M8AHY0K3018YX2H3KR2AMV4T/log"), 404, "NO_RUN")


if __name__ == "__main__":
    unittest.main()
