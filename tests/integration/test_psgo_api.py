# SPDX-License-Identifier: MIT
"""ps-go's API on two shards: documents and their versions, suspended runs, run logs, secrets (SEEDS 1.13 to 1.16)."""
import json
import tempfile
import unittest

from suite import Host, ask, in_threads

WHO = {"operator": "ann", "operator_id": 7}
RULE = {
    "record": True, "suspend": True, "request": {"type": "json"},
    "components": [[{"name": "s", "type": "script", "url": "lib/s.js", "input": {"n": "{request.body.n}"},
                     "outputName": "s"}]],
    "response": {"body": {"code": "{response.code}", "s": "{s}"}},
}


def handler(text):
    return f"function handler(ctx, input) {text} end"


class Case(unittest.TestCase):
    def setUp(self):
        self.host = self.enterContext(Host(self.enterContext(tempfile.TemporaryDirectory()), args=["--shards", "2"]))

    def call(self, method, path, body=None):
        answer = ask(self.host, method, path, body)
        self.assertEqual(answer.status, 200)
        return answer.body

    def good(self, method, path, body=None):
        answer = self.call(method, path, body)
        self.assertEqual((answer["code"], answer["msg"]), (200, "success"), answer)
        return answer["data"]

    def bad(self, code, method, path, body=None):
        answer = self.call(method, path, body)
        self.assertEqual((answer["code"], answer["data"]), (code, None), answer)
        return answer["msg"]

    def rule(self, name="t", rule=None, method="POST"):
        return self.good("POST", "/api/v1/rule", {"name": name, "method": method, **WHO,
                                                  "rule": json.dumps(RULE if rule is None else rule)})

    def script(self, text, name="lib/s.js"):
        return self.good("POST", "/api/v1/script", {"name": name, "script": handler(text), **WHO})

    def scripts(self):
        return self.good("GET", "/api/v1/script/page?page=1&count=50")["list"]


class Documents(Case):
    def test_the_first_version_is_active_and_later_ones_wait(self):
        self.assertEqual(self.rule("pp/test"), "")
        self.script("return 1")
        self.script("return 2")
        self.assertEqual(self.call("POST", "/ps/pp/test", {})["s"], 1)
        newest, oldest = self.scripts()
        self.assertEqual((newest["status"], oldest["status"]), (False, True))
        self.assertRegex(newest["version"], "^[0-9A-F]{32}$")
        self.assertNotIn("script", newest)
        self.good("PUT", "/api/v1/script/switch_version", {"id": newest["id"]})
        for _ in range(8):  # whichever shard answers
            self.assertEqual(self.call("POST", "/ps/pp/test", {})["s"], 2)
        self.good("PUT", "/api/v1/script/switch_version", {"id": newest["id"]})

    def test_two_newest_and_the_active_version_are_kept(self):
        for number in range(1, 7):
            self.script(f"return {number}")
        rows = self.scripts()
        self.assertEqual([row["id"] for row in rows], [6, 5, 1])
        self.assertEqual([row["status"] for row in rows], [False, False, True])

    def test_the_active_version_cannot_be_deleted(self):
        self.script("return 1")
        self.script("return 2")
        self.assertEqual(self.bad(100001, "DELETE", "/api/v1/script", {"id": 1, **WHO}), "启用中的脚本不允许删除")
        self.good("DELETE", "/api/v1/script", {"id": 2, **WHO})
        self.bad(100006, "DELETE", "/api/v1/script", {"id": 2, **WHO})
        self.rule()
        self.assertEqual(self.bad(100001, "DELETE", "/api/v1/rule", {"id": 1, **WHO}), "启用中的规则不允许删除")

    def test_gets_by_id_name_and_version(self):
        self.rule("a")
        self.rule("a")
        active = self.good("GET", "/api/v1/rule?name=a&method=post")
        self.assertEqual((active["id"], active["method"], json.loads(active["rule"])), (1, "POST", RULE))
        self.assertEqual(self.good("GET", "/api/v1/rule?id=2")["id"], 2)
        version = self.good("GET", "/api/v1/rule?id=2")["version"]
        self.assertEqual(self.good("GET", f"/api/v1/rule?version={version}&name=a&id=1")["id"], 2)
        self.bad(100002, "GET", "/api/v1/rule")
        self.bad(100006, "GET", "/api/v1/rule?id=77")

    def test_pages(self):
        for name in ("a", "b", "c"):
            self.rule(name)
        page = self.good("GET", "/api/v1/rule/page?page=2&count=2")
        self.assertEqual((page["total"], page["page"], [row["name"] for row in page["list"]]), (3, 2, ["a"]))
        self.assertEqual(self.good("GET", "/api/v1/rule/page?page=1&count=2&name=b")["total"], 1)
        for query in ("page=1", "count=5", "page=0&count=5", "page=1&count=51", "page=x&count=1"):
            self.bad(100002, "GET", "/api/v1/rule/page?" + query)

    def test_what_cannot_work_is_refused_when_saved(self):
        def refused(code, rule):
            text = rule if isinstance(rule, str) else json.dumps(rule)
            return self.bad(code, "POST", "/api/v1/rule", {"name": "x", "method": "GET", "rule": text, **WHO})
        api = {"name": "a", "type": "api", "method": "GET", "url": "http://127.0.0.1"}
        self.assertIn("not JSON", refused(100004, "{"))
        self.assertIn("/components/0/0/condition", refused(110004, {"components": [[{**api, "condition": "1 +"}]]}))
        lost = refused(110004, {"components": [[{**api, "condition": "1 == {user.id}"}]]})
        self.assertIn("{user.id} refers to nothing: there is no 'user', at position 6 of", lost)
        self.assertIn("position 4", refused(110004, {"components": [[{**api, "condition": "1 +"}]]}))
        self.assertIn("/components/0/0/type", refused(100002, {"components": [[{**api, "type": "what"}]]}))
        self.assertIn("/components/0/1/name", refused(100002, {"components": [[api, api]]}))
        self.assertIn("/request/body/x/type", refused(100002, {"request": {"body": {"x": {"type": "money"}}}}))
        for code, text in ((110001, "function handler("), (110002, "x = 1")):
            self.bad(code, "POST", "/api/v1/script", {"name": "x", "script": text, **WHO})
        for body in ({}, {"name": "x"}, {"name": "x", "method": "GET", "rule": "{}"}, [], "x"):
            self.bad(100002, "POST", "/api/v1/rule", body)
        self.assertEqual(self.good("GET", "/api/v1/rule/page?page=1&count=5")["total"], 0)

    def test_survive_a_restart(self):
        self.rule()
        self.script("return 5")
        self.host.kill()
        self.host.start()
        self.assertEqual(self.call("POST", "/ps/t", {})["s"], 5)

    def test_publishing_at_the_same_time_numbers_all(self):
        in_threads(6, lambda i: self.script(f"return {i}", f"s{i}"))
        self.assertEqual(sorted(row["id"] for row in self.scripts()), [1, 2, 3, 4, 5, 6])

    def test_native_documents(self):
        made = ask(self.host, "POST", "/v1/documents/rule", {"name": "n", "method": "GET", "text": RULE})
        self.assertEqual((made.status, made.body["active"], made.body["name"]), (201, True, "n"))
        again = ask(self.host, "POST", "/v1/documents/rule", {"name": "n", "method": "GET", "text": RULE}).body
        self.assertFalse(again["active"])
        self.assertTrue(ask(self.host, "POST", f"/v1/documents/rule/{again['id']}/activate").body["active"])
        refused = ask(self.host, "POST", "/v1/documents/rule", {"name": "n", "method": "GET", "text": {"request": 5}})
        self.assertEqual((refused.status, refused.body["errors"][0]["pointer"]), (422, "/request"))
        self.assertEqual(ask(self.host, "DELETE", f"/v1/documents/rule/{again['id']}").status, 409)
        self.assertEqual(ask(self.host, "DELETE", f"/v1/documents/rule/{made.body['id']}").status, 204)
        self.assertEqual(len(ask(self.host, "GET", "/v1/documents/rule").body["items"]), 1)
        self.assertEqual(ask(self.host, "GET", "/v1/documents/what").status, 404)


class Suspended(Case):
    def setUp(self):
        super().setUp()
        self.rule()
        self.script("if input.n > 5 then ctx.suspend('BIG', 'too big') end return input.n")
        self.assertEqual(self.call("POST", "/ps/t", {"n": 9}), {"code": "BIG", "s": None})
        self.trx = self.good("GET", "/api/v1/suspend/page?page=1&count=5")["list"][0]["trx"]

    def row(self):
        return self.good("GET", f"/api/v1/suspend?trx={self.trx}")

    def test_has_rule_data_layer_names_code_and_message(self):
        row = self.row()
        self.assertEqual((row["step"], row["cur_step"], row["err_code"], row["err_msg"], json.loads(row["err_component"])),
                         (1, 1, "BIG", "too big", ["s"]))
        self.assertEqual((row["method"], row["path"]), ("POST", "t"))
        self.assertEqual(json.loads(row["data"])["request"]["body"], {"n": 9})
        self.assertEqual(json.loads(row["rule"])["components"], RULE["components"])
        self.assertEqual(self.good("GET", "/api/v1/suspend/page?page=1&count=5&path=other")["total"], 0)
        self.bad(100006, "GET", "/api/v1/suspend?trx=none")
        self.bad(100002, "GET", "/api/v1/suspend")

    def test_recovers_with_other_data_and_answers_as_the_rule_does(self):
        answer = self.call("POST", "/api/v1/suspend/recover", {"trx": self.trx, "data": {"request": {"body": {"n": 2}}}})
        self.assertEqual(answer, {"code": None, "s": 2})
        self.bad(100001, "POST", "/api/v1/suspend/recover", {"trx": self.trx})
        log = json.loads(self.good("GET", f"/api/v1/run_log?trx={self.trx}")["msg"])
        self.assertEqual((log["status"], log["cur_step"]), ("成功执行", 2))

    def test_that_fails_again_is_suspended_again(self):
        self.assertEqual(self.call("POST", "/api/v1/suspend/recover", {"trx": self.trx}), {"code": "BIG", "s": None})
        self.assertEqual(self.row()["cur_step"], 1)

    def test_is_edited_and_stays(self):
        self.good("PUT", "/api/v1/suspend", {"id": self.trx, "data": {"request": {"body": {"n": 3}}}})
        self.assertEqual(json.loads(self.row()["data"]), {"request": {"body": {"n": 3}}})
        for wrong in ({"cur_step": 2}, {"err_names": ["other"]}, {"rule": {"components": 5}}, {"data": [1]}):
            self.bad(100002, "PUT", "/api/v1/suspend", {"id": self.trx, **wrong})
        self.assertEqual(self.call("POST", "/api/v1/suspend/recover", {"trx": self.trx})["s"], 3)

    def test_takes_a_mended_script_and_keeps_its_rule(self):
        self.script("return input.n * 100")
        self.good("PUT", "/api/v1/script/switch_version", {"id": 2})
        self.assertEqual(self.call("POST", "/api/v1/suspend/recover", {"trx": self.trx}), {"code": None, "s": 900})

    def test_survives_a_restart(self):
        self.host.kill()
        self.host.start()
        self.assertEqual(self.row()["err_code"], "BIG")

    def test_run_log_is_a_tree(self):
        log = json.loads(self.good("GET", f"/api/v1/run_log?trx={self.trx}")["msg"])
        self.assertEqual((log["trx"], log["status"], log["step"]), (self.trx, "主动挂起", 1))
        component = log["step_logs"][0]["component_logs"][0]
        self.assertEqual((component["name"], component["type"], component["input"], component["error"]),
                         ("s", "script", {"n": 9}, "BIG: too big"))
        self.assertRegex(component["version"], "^[0-9A-F]{32}$")
        self.assertRegex(log["start_datetime"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$")
        self.assertRegex(component["run_time"], r"^\d+\.\d{3}s$")
        self.assertEqual(ask(self.host, "GET", f"/v1/runs/{self.trx}/log").body["trx"], self.trx)


class Statuses(Case):
    def status(self, text, **rule):
        self.script(text, "x")
        self.rule("x", {**RULE, **rule, "components": [[{"name": "x", "type": "script", "url": "x"}]]})
        answer = ask(self.host, "POST", "/ps/x", {})
        log = self.good("GET", f"/api/v1/run_log?trx={answer.headers['Trx']}")
        return log["status"]

    def test_success(self):
        self.assertEqual(self.status("return 1"), "成功执行")

    def test_error_without_suspend(self):
        self.assertEqual(self.status("error('x')", suspend=False), "错误中断")

    def test_error_with_suspend(self):
        self.assertEqual(self.status("error('x')"), "错误挂起")

    def test_break(self):
        self.assertEqual(self.status("ctx.break('enough')"), "主动中断")

    def test_suspend(self):
        self.assertEqual(self.status("ctx.suspend('A', 'b')"), "主动挂起")


class Secrets(Case):
    def test_are_never_given_back(self):
        body = {"name": "KEY", "description": "d", "context": "very-secret-value", **WHO}
        self.good("POST", "/api/v1/secret", body)
        self.bad(100005, "POST", "/api/v1/secret", body)
        row = self.good("GET", "/api/v1/secret?name=KEY")
        self.assertEqual((row["context"], row["description"], row["operator"]), ("", "d", "ann"))
        self.good("PUT", "/api/v1/secret", {**body, "id": row["id"], "context": "other-secret-value"})
        self.good("PUT", "/api/v1/secret", {**body, "id": row["id"], "name": "NEW"})
        self.bad(100006, "GET", "/api/v1/secret?name=KEY")
        self.good("PUT", "/api/v1/secret", {**body, "id": row["id"]})
        page = self.good("GET", "/api/v1/secret/page?page=1&count=5")
        self.assertEqual((page["total"], "context" in page["list"][0]), (1, False))
        self.good("DELETE", "/api/v1/secret", {"id": row["id"], **WHO})
        self.bad(100006, "GET", "/api/v1/secret?name=KEY")
        for missing in body:
            self.bad(100002, "POST", "/api/v1/secret", {k: v for k, v in body.items() if k != missing})

    def test_health(self):
        self.assertEqual(self.good("GET", "/check_healthy"), "")
        self.assertEqual(self.bad(100001, "PUT", "/ps/none"), "不存在流程：PUT->none")


if __name__ == "__main__":
    unittest.main()
