# SPDX-License-Identifier: MIT
"""ps-go's own API, row by row (SEEDS 1.15, 1.16): parameters, codes, pages, versions of rules and scripts, secrets."""
import json
import unittest

from psgo_case import VERSION, WHO, PsgoCase, rule_text, script_text
from suite import in_threads


class Documents(PsgoCase):

    # --- the seed's rows

    def test_check_healthy(self):
        self.assertEqual(self.send("GET", "/check_healthy"), {"code": 200, "msg": "success", "data": ""})

    def test_a_body_must_be_an_object(self):
        for method, path in (("POST", "rule"), ("DELETE", "rule"), ("PUT", "rule/switch_version"), ("POST", "script"),
                             ("POST", "secret"), ("PUT", "secret"), ("DELETE", "secret"), ("PUT", "suspend"),
                             ("POST", "suspend/recover")):
            for text in ("", "{", "[]", "1", "null"):
                answer = self.ask(method, "/api/v1/" + path, text)
                self.assertEqual((answer.status, answer.body["code"]), (200, 100002), (path, text))

    def test_rule_is_created_and_served(self):
        row = self.publish_rule("shop/make", rule_text(1))
        self.assertEqual((row["name"], row["method"], row["status"], row["operator"], row["operator_id"]),
                         ("shop/make", "POST", True, "ada", 7))
        self.assertRegex(row["version"], VERSION)
        self.assertIsInstance(row["created_at"], int)
        self.assertNotIn("rule", row)
        answer = self.call("shop/make")
        self.assertEqual(answer.body, {"rule": 1, "script": 0})
        self.assertEqual(answer.headers["Trx"], answer.run)

    def test_rule_needs_its_parameters(self):
        whole = {"name": "needs", "method": "GET", "rule": rule_text(1), **WHO}
        self.check_needed("POST", "/api/v1/rule", whole, {
            "name": str, "method": str, "rule": str, "operator": str, "operator_id": int})
        self.assert_refused(self.send("POST", "/api/v1/rule", {**whole, "method": "BREW"}), 100002, "method")
        for name in ("a//b", "../a", "x" * 300):
            self.assert_refused(self.send("POST", "/api/v1/rule", {**whole, "name": name}), 100002, "name")
        self.assertEqual(self.page("/api/v1/rule", name="needs")["total"], 0)

    def test_rule_that_cannot_work_is_refused_with_the_place(self):
        for text, code, place in (
                ("{", 100004, "JSON"), ('{"components":{"a":1}}', 100002, "/components"),
                (json.dumps({"components": [[{"name": "a", "type": "api", "method": "GET", "url": "http://h/",
                                              "condition": "1 =="}]]}), 110004, "/components/0/0/condition")):
            body = {"name": "bad", "method": "GET", "rule": text, **WHO}
            self.assert_refused(self.send("POST", "/api/v1/rule", body), code, place)
        self.assertEqual(self.page("/api/v1/rule", name="bad")["total"], 0)

    def test_methods_are_upper_case_and_names_have_no_slash_before(self):
        self.write_ok("POST", "/api/v1/rule", {"name": "/psps/x", "method": "get", "rule": rule_text(3), **WHO})
        self.assertEqual(self.call("psps/x", method="GET").body["rule"], 3)
        self.assertEqual(self.get("/api/v1/rule", name="psps/x", method="get")["data"]["method"], "GET")

    def test_rule_is_found_by_version_then_name_then_id(self):
        first = self.publish_rule("found", rule_text(1))
        second = self.publish_rule("found", rule_text(2))
        other = self.publish_rule("found", rule_text(3), "GET")
        for query, row in (
                ({"id": second["id"]}, second), ({"name": "found", "method": "POST"}, first),
                ({"name": "found", "method": "GET"}, other),
                ({"version": second["version"]}, second), ({"version": second["version"], "name": "found"}, second),
                ({"name": "found", "method": "POST", "id": second["id"]}, first)):
            found = self.get("/api/v1/rule", **query)["data"]
            self.assertEqual((found["id"], found["version"]), (row["id"], row["version"]), query)
            self.assertIsInstance(json.loads(found["rule"]), dict)
        self.assert_refused(self.get("/api/v1/rule"), 100002)
        self.assert_refused(self.get("/api/v1/rule", method="GET"), 100002)
        self.assert_refused(self.get("/api/v1/rule", id="x"), 100002)
        for query in ({"id": 999999}, {"name": "nobody"}, {"version": "0" * 32}):
            self.assert_refused(self.get("/api/v1/rule", **query), 100006)

    def test_pages_of_rules(self):
        rows = [self.publish_rule(f"paged/{i}", rule_text(i)) for i in range(3)]
        self.write_ok("POST", "/api/v1/rule", {"name": "paged/0", "method": "POST", "rule": rule_text(9), "operator": "bob",
                                               "operator_id": 4711})
        self.assertEqual(self.page("/api/v1/rule", operator_id=4711)["total"], 1)
        everything = self.page("/api/v1/rule")
        ids = [row["id"] for row in everything["list"]]
        self.assertEqual(ids, sorted(ids, reverse=True))
        self.assertEqual((everything["page"], everything["count"], everything["total"]), (1, 50, len(ids)))
        self.assertEqual([row["id"] for row in self.page("/api/v1/rule", page=2, count=2)["list"]], ids[2:4])
        self.assertEqual(self.page("/api/v1/rule", page=99)["list"], [])
        self.assertEqual(self.page("/api/v1/rule", name="paged/1")["list"], [rows[1]])
        self.assertEqual(self.page("/api/v1/rule", name="paged")["total"], 0)
        self.assertEqual([row["id"] for row in self.page("/api/v1/rule", name="paged/0", status="false")["list"]], ids[:1])
        self.assertEqual(self.page("/api/v1/rule", name="paged/0", status="true")["list"], [rows[0]])
        self.assertEqual(self.page("/api/v1/rule", name="", method="", status="")["total"], len(ids))
        at = rows[0]["created_at"]
        self.assertEqual(self.page("/api/v1/rule", start=at - 1)["total"] > 0, True)
        self.assertEqual(self.page("/api/v1/rule", start=at + 3600)["total"], 0)
        self.assertEqual(self.page("/api/v1/rule", name="paged/0", end=at)["total"], 0)
        self.check_paging("/api/v1/rule/page")
        self.assert_refused(self.get("/api/v1/rule/page", page=1, count=1, status="perhaps"), 100002, "status")

    # --- versions (SEEDS 1.15)

    def test_first_version_is_active_later_ones_once_they_are_switched_to(self):
        self.publish_rule("v", rule_text(1))
        second = self.publish_rule("v", rule_text(2))
        self.assertFalse(second["status"])
        self.assertEqual(self.call("v").body["rule"], 1)
        for _ in range(2):  # the second time it is active already
            self.write_ok("PUT", "/api/v1/rule/switch_version", {"id": second["id"], **WHO})
            self.assertEqual(self.call("v").body["rule"], 2)
        self.assertEqual([row["status"] for row in self.page("/api/v1/rule", name="v")["list"]], [True, False])

    def test_switch_without_an_operator(self):
        self.publish_rule("w", rule_text(1))
        second = self.publish_rule("w", rule_text(2))
        self.write_ok("PUT", "/api/v1/rule/switch_version", {"id": second["id"]})
        self.assertEqual(self.get("/api/v1/rule", id=second["id"])["data"]["operator"], "ada")

    def test_switch_refuses(self):
        for kind in ("rule", "script"):
            path = f"/api/v1/{kind}/switch_version"
            for wrong in ({}, {"id": None}, {"id": "1"}):
                self.assert_refused(self.send("PUT", path, wrong), 100002, "id")
            for wrong in (999999, -1, 0, 1.5):
                self.assert_refused(self.send("PUT", path, {"id": wrong}), 100006)

    def test_two_newest_and_the_active_one_are_kept(self):
        rows = [self.publish_rule("h", rule_text(i)) for i in range(5)]
        kept = [row["id"] for row in self.page("/api/v1/rule", name="h")["list"]]
        self.assertEqual(kept, [rows[4]["id"], rows[3]["id"], rows[0]["id"]])
        self.assert_refused(self.get("/api/v1/rule", id=rows[1]["id"]), 100006)
        self.assertEqual(self.call("h").body["rule"], 0)

    def test_families_of_other_methods_are_others(self):
        get, post = self.publish_rule("f", rule_text(1), "GET"), self.publish_rule("f", rule_text(2), "POST")
        self.assertTrue(get["status"] and post["status"])
        self.assertEqual([self.call("f", method=method).body["rule"] for method in ("GET", "POST")], [1, 2])
        self.assert_refused(self.call("f", method="PUT").body, 100001, "不存在流程：PUT->f")

    def test_active_version_cannot_be_removed(self):
        for kind, text, publish in (("rule", "启用中的规则不允许删除", lambda i: self.publish_rule("r", rule_text(i))),
                                    ("script", "启用中的脚本不允许删除", lambda i: self.publish_script("r", script_text(i)))):
            first, second = publish(1), publish(2)
            path = "/api/v1/" + kind
            self.check_needed("DELETE", path, {"id": second["id"], **WHO}, {"id": int, "operator": str, "operator_id": int})
            self.assert_refused(self.send("DELETE", path, {"id": first["id"], **WHO}), 100001, text)
            self.write_ok("DELETE", path, {"id": second["id"], **WHO})
            self.assert_refused(self.get(path, id=second["id"]), 100006)
            self.assert_refused(self.send("DELETE", path, {"id": second["id"], **WHO}), 100006)
            self.assertEqual(self.page(path, name="r")["list"], [first])

    def test_scripts(self):
        first = self.publish_script("one", script_text(1))
        second = self.publish_script("one", script_text(2))
        self.assertNotIn("method", first)
        self.publish_rule("scripted", rule_text(0))
        self.assertEqual(self.call("scripted").body["script"], 1)
        self.write_ok("PUT", "/api/v1/script/switch_version", {"id": second["id"], **WHO})
        self.assertEqual(self.call("scripted").body["script"], 2)
        for query in ({"id": second["id"]}, {"name": "one"}, {"name": "one", "id": first["id"]}):
            found = self.get("/api/v1/script", **query)["data"]
            self.assertEqual((found["id"], found["script"]), (second["id"], script_text(2)))
        self.assert_refused(self.get("/api/v1/script"), 100002)
        self.assert_refused(self.get("/api/v1/script", version=first["version"]), 100002)
        self.assert_refused(self.get("/api/v1/script", name="nobody"), 100006)
        self.check_paging("/api/v1/script/page")

    def test_script_that_cannot_work_is_refused(self):
        whole = {"name": "bad.lua", "script": script_text(1), **WHO}
        self.check_needed("POST", "/api/v1/script", whole, {"name": str, "script": str, "operator": str, "operator_id": int})
        self.assert_refused(self.send("POST", "/api/v1/script", {**whole, "script": "function handler("}), 110001)
        self.assert_refused(self.send("POST", "/api/v1/script", {**whole, "script": "local x = 1"}), 110002)
        self.assertEqual(self.page("/api/v1/script", name="bad.lua")["total"], 0)

    def test_own_headers_of_an_answer(self):
        self.publish_rule("headers", json.dumps({"response": {"type": "text", "body": "a;b", "header": {
            "content-type": "text/csv", "X-Name": "of {request.query.n}", "X-None": "{none}", "Trx": "mine",
            "Flowhost-Run": "mine", "Content-Length": "1"}}}), "GET")
        answer = self.ask("GET", "/ps/headers?n=1")
        self.assertEqual((answer.body, answer.headers["X-Name"], answer.headers["X-None"]), (b"a;b", "of 1", None))
        for name, value in (("Content-Type", "text/csv"), ("Trx", answer.run), ("Content-Length", "3")):
            self.assertEqual(answer.headers.get_all(name), [value])
        self.assertEqual(len(answer.headers.get_all("Flowhost-Run")), 1)

    def test_unknown_rule(self):
        self.assert_refused(self.call("nobody/here").body, 100001, "不存在流程：POST->nobody/here")

    def test_versions_made_at_the_same_time(self):
        in_threads(6, lambda i: self.ask_anew("/api/v1/rule", {"name": "many", "method": "POST", "rule": rule_text(i), **WHO}))
        rows = self.page("/api/v1/rule", name="many")["list"]
        self.assertEqual([sum(row["status"] for row in rows), len({row["id"] for row in rows})], [1, 3])

    def ask_anew(self, path, body):
        """On a connection of its own."""
        client = type(self.host).__mro__[1](self.host.port)
        try:
            self.assertEqual(client.request("POST", path, json.dumps(body))[0], 200)
        finally:
            client.disconnect()


class Secrets(PsgoCase):

    def create(self, name, **more):
        self.write_ok("POST", "/api/v1/secret", {"name": name, "description": "d", "context": "value of " + name, **WHO,
                                                 **more})
        return self.page("/api/v1/secret", name=name)["list"][0]

    def test_the_value_is_never_given_back(self):
        row = self.create("quiet")
        self.assertEqual(set(row), {"id", "name", "description", "operator", "operator_id", "created_at", "updated_at",
                                    "deleted_at"})
        for query in ({"id": row["id"]}, {"name": "quiet"}):
            found = self.get("/api/v1/secret", **query)["data"]
            self.assertEqual((found["context"], found["description"], found["operator"]), ("", "d", "ada"))
        self.assertNotIn("value of", self.host.log)

    def test_parameters(self):
        whole = {"name": "p", "description": "d", "context": "c", **WHO}
        needed = {"name": str, "description": str, "context": str, "operator": str, "operator_id": int}
        self.check_needed("POST", "/api/v1/secret", whole, needed)
        self.check_needed("PUT", "/api/v1/secret", {"id": 1, **whole}, {"id": int, **needed})
        self.check_needed("DELETE", "/api/v1/secret", {"id": 1, **WHO}, {"id": int, "operator": str, "operator_id": int})
        self.assert_refused(self.send("POST", "/api/v1/secret", {**whole, "name": "a b"}), 100002)
        self.assert_refused(self.get("/api/v1/secret"), 100002)
        self.assert_refused(self.get("/api/v1/secret", id="x"), 100002)
        self.assert_refused(self.get("/api/v1/secret", id=999), 100006)
        self.assert_refused(self.get("/api/v1/secret", name="nobody"), 100006)
        self.check_paging("/api/v1/secret/page")

    def test_a_name_is_there_once(self):
        self.create("twice")
        body = {"name": "twice", "description": "d", "context": "other", **WHO}
        self.assert_refused(self.send("POST", "/api/v1/secret", body), 100005)

    def test_change_and_rename(self):
        row, _ = self.create("before"), self.create("taken")
        body = {"id": row["id"], "name": "before", "description": "new", "context": "new", **WHO, "operator": "bob"}
        self.write_ok("PUT", "/api/v1/secret", body)
        found = self.get("/api/v1/secret", id=row["id"])["data"]
        self.assertEqual((found["description"], found["operator"], found["created_at"]), ("new", "bob", row["created_at"]))
        self.assert_refused(self.send("PUT", "/api/v1/secret", {**body, "name": "taken"}), 100005)
        self.write_ok("PUT", "/api/v1/secret", {**body, "name": "after"})
        self.assertEqual(self.get("/api/v1/secret", id=row["id"])["data"]["name"], "after")
        self.assert_refused(self.get("/api/v1/secret", name="before"), 100006)
        self.assert_refused(self.send("PUT", "/api/v1/secret", {**body, "id": 9999}), 100006)

    def test_remove(self):
        row = self.create("gone")
        self.write_ok("DELETE", "/api/v1/secret", {"id": row["id"], **WHO})
        self.assert_refused(self.get("/api/v1/secret", id=row["id"]), 100006)
        self.assert_refused(self.send("DELETE", "/api/v1/secret", {"id": row["id"], **WHO}), 100006)

    def test_pages(self):
        rows = [self.create(f"page{i}") for i in range(3)]
        found = self.page("/api/v1/secret")
        self.assertEqual([row["id"] for row in found["list"]], sorted((row["id"] for row in found["list"]), reverse=True))
        self.assertEqual(self.page("/api/v1/secret", page=2, count=1)["list"], found["list"][1:2])
        self.assertEqual(self.page("/api/v1/secret", name="page1")["list"], [rows[1]])
        at = rows[0]["created_at"]
        self.assertEqual(self.page("/api/v1/secret", start=at + 3600)["total"], 0)
        self.assertEqual(self.page("/api/v1/secret", end=at - 3600)["total"], 0)


if __name__ == "__main__":
    unittest.main()
