# SPDX-License-Identifier: MIT
"""What the tests of ps-go's API share: its envelope, and what is published and checked over and over."""
import json
import re

from suite import HostCase

WHO = {"operator": "ada", "operator_id": 7}
VERSION = re.compile(r"[0-9A-F]{32}")


def rule_text(number, **more):
    """A rule that answers with a number."""
    return json.dumps({"components": [[{"name": "s", "type": "script", "url": "one", "outputName": "s"}]],
                       "response": {"body": {"rule": number, "script": "{s.n}"}}, **more})


def script_text(number):
    return f"function handler(ctx, input) return {{ n = {number} }} end"


class PsgoCase(HostCase):
    FLOWS = {"components/one.lua": script_text(0)}
    SHARDS = 2

    def get(self, resource, **query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return self.send("GET", f"{resource}?{text}")

    def send(self, method, path, body=None):
        """The envelope: HTTP 200 with code, msg, data and nothing else."""
        answer = self.ask(method, path, None if body is None else json.dumps(body))
        self.assertEqual((answer.status, answer.headers["Content-Type"], set(answer.body)),
                         (200, "application/json", {"code", "msg", "data"}), answer.body)
        self.assertIsInstance(answer.body["code"], int)
        return answer.body

    def write_ok(self, method, path, body):
        self.assertEqual(self.send(method, path, body), {"code": 200, "msg": "success", "data": ""})

    def assert_refused(self, answer, code, text=""):
        self.assertEqual((answer["code"], answer["data"]), (code, None), answer)
        self.assertTrue(answer["msg"])
        self.assertIn(text, answer["msg"])

    def page(self, resource, **query):
        data = self.get(resource + "/page", **{"page": 1, "count": 50, **query})["data"]
        self.assertEqual(set(data), {"page", "count", "total", "list"})
        return data

    def publish_rule(self, name, text, method="POST"):
        """The row of the new version."""
        self.write_ok("POST", "/api/v1/rule", {"name": name, "method": method, "rule": text, **WHO})
        return self.page("/api/v1/rule", name=name, method=method)["list"][0]

    def publish_script(self, name, text):
        self.write_ok("POST", "/api/v1/script", {"name": name, "script": text, **WHO})
        return self.page("/api/v1/script", name=name)["list"][0]

    def call(self, name, body=None, method="POST"):
        return self.ask(method, "/ps/" + name, json.dumps(body or {}))

    def check_needed(self, method, path, whole, types):
        """Without a field, or with one of another type or empty, it is refused and nothing else happens."""
        for name in types:
            for wrong in ("absent", None, [], "" if types[name] is str else "7"):
                body = {key: value for key, value in whole.items() if key != name}
                if wrong != "absent":
                    body[name] = wrong
                self.assert_refused(self.send(method, path, body), 100002, name)

    def check_paging(self, path):
        for query in ({}, {"page": 1}, {"count": 1}, {"page": 0, "count": 1}, {"page": 1, "count": 0},
                      {"page": 1, "count": 51}, {"page": "x", "count": 1}, {"page": 1, "count": "1.5"},
                      {"page": -1, "count": 1}, {"page": 1, "count": 1, "start": "x"},
                      {"page": 1, "count": 1, "end": "-1"}):
            self.assert_refused(self.get(path, **query), 100002)
