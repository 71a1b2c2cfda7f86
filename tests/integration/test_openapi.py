# SPDX-License-Identifier: MIT
"""GET /v1/openapi.json: a document as OpenAPI 3.1 wants it, and real answers against the schemas in it."""
import json
import re
import unittest

from suite import HostCase

FLOWS = {
    "echo.lua": "return { http = 'POST /echo/{id}', run = function(ctx, input) return ctx.step('s', function() return 1 end) end }",
    "shop.rule.json": json.dumps({
        "method": "POST", "record": True, "suspend": True, "request": {"type": "json"},
        "components": [[{"name": "s", "type": "script", "url": "s", "outputName": "s"}],
                       [{"name": "t", "type": "script", "url": "t"}]], "response": {"body": {"n": "{s.n}"}}}),
    "components/s.lua": "function handler(ctx, input) return { n = 1 } end",
    "components/t.lua": "function handler(ctx, input) error('no') end",
}
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
SCHEMA_WORDS = {
    "$ref", "type", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf", "format",
    "pattern", "minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength", "minItems", "maxItems", "default",
    "description", "contentMediaType"}


def is_of_type(value, name):
    if name in ("integer", "number"):
        return not isinstance(value, bool) and isinstance(value, int if name == "integer" else (int, float))
    return isinstance(value, TYPES[name])


class Schemas:
    """Validates values against schemas of the document, in the words that it uses."""

    def __init__(self, document):
        self.named = document["components"]["schemas"]

    def find_problem(self, schema, value, where="answer"):
        """What is wrong, as a sentence; None when it fits."""
        if "$ref" in schema:
            return self.find_problem(self.named[schema["$ref"].rpartition("/")[2]], value, where)
        if "anyOf" in schema:
            found = [self.find_problem(one, value, where) for one in schema["anyOf"]]
            return None if None in found else f"{where}: {found}"
        types = schema.get("type", [])
        types = types if isinstance(types, list) else [types]
        if types and not any(is_of_type(value, name) for name in types):
            return f"{where}: {value!r} is no {types}"
        if "const" in schema and value != schema["const"] or value not in schema.get("enum", [value]):
            return f"{where}: {value!r} is not one of {schema}"
        if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
            return f"{where}: {value!r} has not the pattern"
        return self.find_problem_inside(schema, value, where)

    def find_problem_inside(self, schema, value, where):
        if isinstance(value, list) and "items" in schema:
            found = (self.find_problem(schema["items"], one, f"{where}[{i}]") for i, one in enumerate(value))
            return next((problem for problem in found if problem), None)
        if not isinstance(value, dict):
            return None
        for name in schema.get("required", []):
            if name not in value:
                return f"{where} has no {name}"
        others = schema.get("additionalProperties", True)
        for name, one in value.items():
            inner = schema.get("properties", {}).get(name, others)
            if inner is False:
                return f"{where} has an unknown {name}"
            problem = None if inner is True else self.find_problem(inner, one, f"{where}.{name}")
            if problem:
                return problem
        return None


class OpenApi(HostCase):
    FLOWS = FLOWS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.document = cls.host.request("GET", "/v1/openapi.json")[2]
        cls.schemas = Schemas(cls.document)

    def answer(self, method, path, body=None, headers=None):
        """An answer that must fit what the document says of the operation; `path` may have {} filled in."""
        template = self.template_of(path.partition("?")[0], method)
        operation = self.document["paths"][template][method.lower()]
        answer = self.ask(method, path, None if body is None else json.dumps(body), headers)
        response = operation["responses"].get(str(answer.status)) or operation["responses"]["default"]
        content = response.get("content")
        if content is None:
            self.assertEqual(answer.body or b"", b"")
            return answer
        kind = answer.headers["Content-Type"].partition(";")[0]
        self.assertIn(kind, content, path)
        value = answer.body.decode() if isinstance(answer.body, bytes) else answer.body
        self.assertIsNone(self.schemas.find_problem(content[kind]["schema"], value), path)
        return answer

    def template_of(self, path, method):
        """The document's path: one without parameters wins."""
        def fits(template):
            parts = re.split(r"\{\w+\}", template)
            return re.fullmatch("[^/]+".join(map(re.escape, parts)), path) and method.lower() in self.document["paths"][template]
        found = sorted(filter(fits, self.document["paths"]), key=lambda template: template.count("{"))
        self.assertTrue(found, f"{method} {path} is not documented")
        return found[0]

    # --- the document

    def test_structure(self):
        document = self.document
        self.assertEqual(document["openapi"], "3.1.0")
        self.assertEqual(set(document["info"]), {"title", "version", "description"})
        tags = {tag["name"] for tag in document["tags"]}
        for path, item in document["paths"].items():
            self.assertTrue(path.startswith("/"))
            self.assertLessEqual(set(item), METHODS)
            for operation in item.values():
                self.check_operation(path, operation, tags)
        for name, scheme in document["components"]["securitySchemes"].items():
            self.assertIn(scheme["type"], ("http", "apiKey"), name)
        for requirement in document["security"]:
            self.assertLessEqual(set(requirement), set(document["components"]["securitySchemes"]))

    def check_operation(self, path, operation, tags):
        self.assertLessEqual(set(operation["tags"]), tags)
        self.assertTrue(operation["responses"])
        for status, response in operation["responses"].items():
            self.assertRegex(status, r"^([1-5]\d\d|default)$")
            self.assertTrue(response["description"])
            for content in response.get("content", {}).values():
                self.check_schema(content["schema"])
        seen = set()
        for parameter in operation.get("parameters", []):
            self.assertIn(parameter["in"], ("path", "query", "header"))
            self.assertNotIn((parameter["in"], parameter["name"]), seen)
            seen.add((parameter["in"], parameter["name"]))
            self.check_schema(parameter["schema"])
        self.assertEqual({name for place, name in seen if place == "path"}, set(re.findall(r"\{(\w+)\}", path)))
        for content in operation.get("requestBody", {"content": {}})["content"].values():
            self.check_schema(content["schema"])

    def check_schema(self, schema):
        self.assertIsInstance(schema, dict)
        self.assertLessEqual(set(schema), SCHEMA_WORDS)
        for inner in [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]:
            self.check_schema(inner)
        if "items" in schema:
            self.check_schema(schema["items"])
        if isinstance(schema.get("additionalProperties"), dict):
            self.check_schema(schema["additionalProperties"])

    def test_all_schemas_are_well_formed(self):
        for schema in self.document["components"]["schemas"].values():
            self.check_schema(schema)

    def test_no_two_paths_differ_in_names_of_parameters_only(self):
        forms = [re.sub(r"\{\w+\}", "{}", path) for path in self.document["paths"]]
        self.assertEqual(len(forms), len(set(forms)))

    # --- real answers

    def test_answers_of_runs_and_flows(self):
        run = self.ask("POST", "/echo/1", "{}").run
        for path in ("/v1/flows", "/v1/flows/echo", "/v1/flows/echo/versions", "/v1/runs", f"/v1/runs/{run}", f"/v1/runs/{run}/steps",
                     f"/v1/runs/{run}/journal", f"/v1/runs/{run}/why", f"/v1/runs/{run}/replay", f"/v1/runs/{run}/log",
                     f"/v1/runs/{run}/export", f"/v1/runs/{run}/diff/{run}", "/v1/audit", "/v1/me", "/v1/openapi.json",
                     "/healthz", "/readyz"):
            self.assertEqual(self.answer("GET", path).status, 200, path)
        self.assertEqual(self.answer("POST", f"/v1/runs/{run}/fork", {"allow_effects": True}).status, 201)
        self.assertEqual(self.answer("POST", f"/v1/runs/{run}/cancel", {}).status, 409)
        self.assertEqual(self.answer("GET", "/v1/runs/1").status, 404)
        self.assertEqual(self.answer("GET", "/v1/runs?status=dead").status, 422)
        self.assertEqual(self.answer("POST", "/v1/flows/echo/disable").status, 200)
        self.assertEqual(self.answer("POST", "/v1/flows/echo/runs", {}).status, 409)
        self.assertEqual(self.answer("POST", "/v1/flows/echo/enable").status, 200)
        self.assertEqual(self.answer("POST", "/v1/flows/echo/runs", {}, {"Prefer": "respond-async"}).status, 202)

    def test_answers_of_a_suspended_rule(self):
        run = self.ask("POST", "/ps/shop", "{}").run
        for path in (f"/v1/runs/{run}", f"/v1/runs/{run}/snapshot", f"/v1/runs/{run}/log", f"/v1/runs/{run}/why",
                     "/api/v1/suspend?trx=" + run, "/api/v1/suspend/page?page=1&count=5",
                     "/api/v1/run_log?trx=" + run, "/api/v1/run_log"):
            self.assertEqual(self.answer("GET", path).status, 200, path)
        self.assertEqual(self.answer("PUT", f"/v1/runs/{run}/snapshot", {"layer": 1}).status, 200)
        self.assertEqual(self.answer("POST", f"/v1/runs/{run}/recover", {"data": {"x": 1}}).status, 202)

    def test_answers_of_documents(self):
        script = {"name": "d", "text": "function handler(ctx, input) return 1 end"}
        made = self.answer("POST", "/v1/documents/script", script)
        second = self.answer("POST", "/v1/documents/script", script)
        self.assertEqual((made.status, second.status), (201, 201))
        path = "/v1/documents/script"
        for one in (path, f"{path}/{made.body['id']}"):
            self.assertEqual(self.answer("GET", one).status, 200)
        self.assertEqual(self.answer("POST", f"{path}/{second.body['id']}/activate").status, 200)
        self.assertEqual(self.answer("DELETE", f"{path}/{second.body['id']}").status, 409)
        self.assertEqual(self.answer("DELETE", f"{path}/{made.body['id']}").status, 204)
        self.assertEqual(self.answer("POST", path, {"name": "d", "text": "x("}).status, 422)

    def test_answers_of_psgo(self):
        who = {"operator": "ada", "operator_id": 1}
        self.answer("GET", "/check_healthy")
        self.answer("POST", "/api/v1/script", {"name": "p", "script": "function handler() end", **who})
        self.answer("POST", "/api/v1/secret", {"name": "p", "description": "d", "context": "v", **who})
        for path in ("/api/v1/script?name=p", "/api/v1/script/page?page=1&count=1", "/api/v1/rule?id=7",
                     "/api/v1/rule/page?page=1&count=1", "/api/v1/secret?name=p", "/api/v1/secret/page?page=1&count=1"):
            self.assertEqual(self.answer("GET", path).status, 200, path)
        self.assertEqual(self.answer("GET", "/v1/secrets").status, 200)

    def test_answers_of_access(self):
        self.assertEqual(self.answer("GET", "/v1/users").body["items"], [])
        self.assertEqual(self.answer("GET", "/v1/tokens").body["items"], [])
        made = self.answer("POST", "/v1/apps", {"name": "shop"})
        self.assertEqual(made.status, 201)
        self.assertEqual(self.answer("PATCH", "/v1/apps/shop", {"state": "accepted"}).status, 200)
        self.assertEqual(self.answer("GET", "/v1/apps").status, 200)
        self.assertEqual(self.answer("POST", "/v1/apps", {"eps": 1}).status, 422)
        self.assertEqual(self.answer("DELETE", "/v1/apps/shop").status, 204)

    def test_the_checker_finds_what_is_wrong(self):
        run = {"$ref": "#/components/schemas/Run"}
        self.assertIsNotNone(self.schemas.find_problem(run, {"id": "1"}))
        good = self.ask("GET", "/v1/runs/" + self.ask("POST", "/echo/1", "{}").run).body
        self.assertIsNone(self.schemas.find_problem(run, good))
        for change in ({"status": "dead"}, {"attempt": "1"}, {"error": {"code": 1}}, {"tags": []}, {"id": "x"}):
            self.assertIsNotNone(self.schemas.find_problem(run, {**good, **change}), change)


if __name__ == "__main__":
    unittest.main()
