# SPDX-License-Identifier: MIT
"""/v1/documents: publishing rules and scripts, versions, refusals; and what is published through a restart."""
import json
import unittest

from suite import FolderCase, HostCase, ask, wait_until

ONE = "function handler(ctx, input) return { n = %d } end"


def rule(number):
    return {"components": [[{"name": "s", "type": "script", "url": "one", "outputName": "s"}]],
            "response": {"body": {"rule": number, "script": "{s.n}"}}}


class Documents(HostCase):
    FLOWS = {"components/one.lua": ONE % 0, "mine.rule.json": json.dumps({**rule(0), "method": "GET"})}
    SHARDS = 2

    def send(self, method, path, body=None):
        return self.ask(method, "/v1/documents" + path, None if body is None else json.dumps(body))

    def publish(self, kind, name, text, **more):
        answer = self.send("POST", "/" + kind, {"name": name, "text": text, **more})
        self.assertEqual(answer.status, 201, answer.body)
        return answer.body

    def names(self, **query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        answer = self.send("GET", "/rule?" + text)
        self.assertEqual(answer.status, 200, answer.body)
        return [(one["name"], one["method"], one["id"]) for one in answer.body["items"]], answer.body["next"]

    def test_a_document_has_its_text(self):
        made = self.publish("rule", "doc/a", rule(1), method="put")
        self.assertEqual((made["kind"], made["name"], made["method"], made["active"], made["operator"]),
                         ("rule", "doc/a", "PUT", True, "admin"))
        self.assertNotIn("text", made)
        found = self.send("GET", f"/rule/{made['id']}").body
        self.assertEqual(json.loads(found.pop("text")), rule(1))
        self.assertEqual(found, made)
        self.assertEqual(self.ask("PUT", "/ps/doc/a", "{}").body, {"rule": 1, "script": 0})

    def test_text_may_be_text(self):
        self.publish("rule", "doc/text", json.dumps(rule(2)), method="POST")
        self.assertEqual(self.ask("POST", "/ps/doc/text").body["rule"], 2)

    def test_later_versions_wait_until_they_are_activated(self):
        first, second = (self.publish("rule", "doc/v", rule(i), method="GET") for i in (1, 2))
        self.assertEqual((first["active"], second["active"], self.ask("GET", "/ps/doc/v").body["rule"]), (True, False, 1))
        for _ in range(2):
            answer = self.send("POST", f"/rule/{second['id']}/activate")
            self.assertEqual((answer.status, answer.body["active"]), (200, True))
        self.assertEqual(self.ask("GET", "/ps/doc/v").body["rule"], 2)
        self.assert_problem(self.send("DELETE", f"/rule/{second['id']}"), 409, "ACTIVE")
        self.assertEqual(self.send("DELETE", f"/rule/{first['id']}").status, 204)
        self.assert_problem(self.send("DELETE", f"/rule/{first['id']}"), 404, "NO_DOCUMENT")

    def test_a_document_beats_the_folder(self):
        self.assertEqual(self.ask("GET", "/ps/mine").body["rule"], 0)
        self.publish("rule", "mine", rule(5), method="GET")
        self.assertEqual(self.ask("GET", "/ps/mine").body["rule"], 5)

    def test_pages(self):
        made = [self.publish("rule", f"page/{i % 2}", rule(i), method=method) for i, method in
                enumerate(("GET", "POST", "GET"))]
        self.assertEqual(self.names(name="page/0")[0], [("page/0", "GET", made[2]["id"]), ("page/0", "GET", made[0]["id"])])
        self.assertEqual(self.names(name="page/1", method="post")[0], [("page/1", "POST", made[1]["id"])])
        self.assertEqual(self.names(name="page/1", method="GET")[0], [])
        everything, cursor, found = self.names()[0], "1", []
        while cursor:
            items, cursor = self.names(limit=2, cursor=cursor)
            found += items
        self.assertEqual(found, everything)
        self.assertNotIn("text", self.send("GET", "/rule").body["items"][0])

    def test_pages_refuse(self):
        for query in ("limit=0", "limit=201", "limit=x", "limit=1.5", "limit=-1", "cursor=0", "cursor=x", "cursor=1.5"):
            self.assert_problem(self.send("GET", "/rule?" + query), 422, "QUERY_INVALID")

    def test_there_is_no_other_kind(self):
        problem = self.assert_problem(self.send("GET", "/graph"), 404, "NO_DOCUMENT")
        self.assertEqual(problem["detail"], "there are no documents of the kind 'graph': rule, script")
        self.assertNotIn("handler of 'http' failed", self.host.log)

    def test_refusals_name_the_place(self):
        def refused(kind, body, code="DOCUMENT_INVALID", status=422):
            return self.assert_problem(self.send("POST", "/" + kind, body), status, code)
        component = {"name": "a", "type": "script", "url": "one"}
        for text, pointer in (({"components": [[{**component, "condition": "1 =="}]]}, "/components/0/0/condition"),
                              ({"components": [[{**component, "type": "x"}]]}, "/components/0/0/type"),
                              ({"request": {"body": {"x": {"type": "money"}}}}, "/request/body/x/type")):
            problem = refused("rule", {"name": "bad", "method": "GET", "text": text})
            self.assertEqual(problem["errors"][0]["pointer"], pointer)
            self.assertTrue(problem["errors"][0]["message"])
        refused("rule", {"name": "bad", "method": "GET", "text": "{"})
        for body in ({}, {"name": "bad"}, {"name": "", "text": "{}", "method": "GET"}, {"name": "bad", "text": "{}"},
                     {"name": 7, "text": "{}", "method": "GET"}, {"name": "bad", "text": 7, "method": "GET"},
                     {"name": "bad", "text": "{}", "method": 7}, {"name": "../x", "text": "{}", "method": "GET"}):
            refused("rule", body)
        for text in ("function handler(", "local x = 1", "error('x')", ""):
            refused("script", {"name": "bad", "text": text})
        self.assertEqual(self.names(name="bad")[0], [])

    def test_bodies(self):
        for body, code in (("{", "BODY_NOT_JSON"), ("", "BODY_NOT_JSON"), ("[]", "BODY_NOT_OBJECT"), ("1", "BODY_NOT_OBJECT")):
            self.assert_problem(self.ask("POST", "/v1/documents/rule", body), 400, code)

    def test_no_such_document(self):
        for method, path in (("GET", "/rule/0"), ("GET", "/rule/99999"), ("GET", "/rule/x"), ("GET", "/rule/1.5"),
                             ("GET", "/rule/-1"), ("GET", "/rule/1e300"), ("DELETE", "/rule/x"), ("DELETE", "/rule/1.5"),
                             ("POST", "/rule/x/activate"), ("POST", "/rule/1.5/activate"), ("GET", "/book"),
                             ("GET", "/book/1"), ("DELETE", "/book/1"), ("POST", "/book/1/activate")):
            self.assert_problem(self.send(method, path), 404, "NO_DOCUMENT")
        self.assert_problem(self.send("POST", "/book", {"name": "a", "text": "b"}), 404, "NO_DOCUMENT")

    def test_the_audit_says_who(self):
        made = self.publish("script", "audited", ONE % 1)
        entry = self.ask("GET", "/v1/audit?limit=1").body["items"][0]
        self.assertEqual((entry["action"], entry["actor"], entry["after"]["kind"], entry["after"]["version"]),
                         ("publish", "admin", "script", made["version"]))


class Restart(FolderCase):
    FLOWS = {"components/one.lua": ONE % 0}

    def test_what_is_published_is_there_after_a_kill(self):
        host = self.serve(args=["--shards", "2"])
        for name, kind, text in (("one", "script", ONE % 3), ("kept", "rule", rule(4)), ("kept", "rule", rule(5))):
            body = json.dumps({"name": name, "method": "GET", "text": text})
            self.assertEqual(ask(host, "POST", "/v1/documents/" + kind, body).status, 201)
        before = ask(host, "GET", "/v1/documents/rule").body
        host.kill()
        host.start()
        wait_until(lambda: ask(host, "GET", "/ps/kept").body == {"rule": 4, "script": 3}, 10, "the rule")
        self.assertEqual(ask(host, "GET", "/v1/documents/rule").body, before)


if __name__ == "__main__":
    unittest.main()
