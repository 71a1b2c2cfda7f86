# SPDX-License-Identifier: MIT
"""Files that cannot be used: reported with file and line, left out, the others served; `flowhost check`."""
import os
import shutil
import unittest

from suite import SECONDS, FolderCase, Problems, ask, run_program, start_run, wait_until

GOOD = "return { http = 'GET /good', run = function() return 'good' end }"
# name -> (files, [(file, line, words of the message)])
BAD = {
    "syntax": ({"bad.lua": "return function(ctx)\n    local x = = 1\nend"}, [("bad.lua", 2, ["="])]),
    "unfinished": ({"bad.lua": "return function(ctx)\n    if ctx then\n"}, [("bad.lua", 3, ["end"])]),
    "not Lua": ({"bad.lua": "\x1bLJ\x02 bytecode"}, [("bad.lua", 1, [])]),
    "nothing": ({"bad.lua": ""}, [("bad.lua", 1, ["handler"])]),
    "no handler": ({"bad.lua": "return { description = 'x' }"}, [("bad.lua", 1, ["handler"])]),
    "a number": ({"bad.lua": "return 7"}, [("bad.lua", 1, ["handler"])]),
    "raises": ({"bad.lua": "local a\nreturn a.b"}, [("bad.lua", 2, ["index"])]),
    "never ends": ({"bad.lua": "while true do end"}, [("bad.lua", 1, ["CPU_LIMIT"])]),
    "loops when looked at": ({"bad.lua": "return setmetatable({}, { __index = function() while true do end end })"},
                             [("bad.lua", 1, ["handler"])]),
    "default": ({"bad.lua": "return { request = { body = { a = { default = { print } } } }, run = function() end }"},
                [("bad.lua", 1, ["request.body.a.default", "JSON"])]),
    "waits": ({"bad.lua": "coroutine.yield()"}, [("bad.lua", 1, [])]),
    "unknown field": ({"bad.lua": "return { htpp = 'GET /x', run = function() end }"}, [("bad.lua", 1, ["htpp"])]),
    "wrong field": ({"bad.lua": "return { http = 7, run = function() end }"}, [("bad.lua", 1, ["http", "string"])]),
    "wrong durable": ({"bad.lua": "return { durable = 'sometimes', run = function() end }"},
                      [("bad.lua", 1, ["durable", "sometimes", "always"])]),
    "wrong on_error": ({"bad.lua": "return { on_error = 'x', run = function() end }"}, [("bad.lua", 1, ["on_error", "suspend"])]),
    "wrong route": ({"bad.lua": "return { http = '/x', run = function() end }"}, [("bad.lua", 1, ["/x", "POST /path"])]),
    "wrong method": ({"bad.lua": "return { http = 'FETCH /x', run = function() end }"}, [("bad.lua", 1, ["FETCH"])]),
    "wrong rule": ({"bad.lua": "return { request = { body = { a = { type = 'strin' } } }, run = function() end }"},
                   [("bad.lua", 1, ["strin"])]),
    "wrong part": ({"bad.lua": "return { request = { boddy = {} }, run = function() end }"}, [("bad.lua", 1, ["boddy"])]),
    "unknown rule": ({"bad.lua": "return { request = { body = { a = { attribute = { b = { minlen = 6 } } } } }, run = function() end }"},
                     [("bad.lua", 1, ["request.body.a.attribute.b", "minlen"])]),
    **{f"reserved {path}": ({"bad.lua": f"return {{ http = 'GET {path}', run = function() end }}"},
                            [("bad.lua", 1, [path, "host's own"])])
       for path in ("/v1/x", "/v1", "/console/x", "/ps/x", "/healthz", "/readyz", "/metrics")},
    "taken route": ({"bad.lua": "return { http = 'POST /x', run = function() end }",
                     "also.lua": "return { http = 'POST /x', run = function() return 'also' end }"},
                    [("bad.lua", 1, ["POST /x", "also.lua"])]),
    "taken pattern": ({"bad.lua": "return { http = 'POST /x/{b}', run = function() end }",
                       "also.lua": "return { http = 'POST /x/{a}', run = function() return 'also' end }"},
                      [("bad.lua", 1, ["/x/{b}", "also.lua"])]),
    "name": ({"b d.lua": GOOD.replace("/good", "/bd")}, [("b d.lua", 1, ["name"])]),
    "component": ({"components/bad.lua": "return function( end"}, [("components/bad.lua", 1, [])]),
    "lib": ({"lib/bad.lua": "return }"}, [("lib/bad.lua", 1, [])]),
    "two": ({"bad.lua": "x x", "sub/worse.lua": "\n\ny y"}, [("bad.lua", 1, []), ("sub/worse.lua", 3, [])]),
}


class BadFlows(Problems, FolderCase):
    FLOWS = {"good.lua": GOOD}

    def check(self, *args):
        return run_program("check", self.folder, *args)

    def assert_reported(self, lines, expected):
        """Each expected problem in a line of its own, `file:line: message`."""
        self.assertEqual(len(lines), len(expected), lines)
        for line, (file, number, words) in zip(lines, expected):
            self.assertIn(f"{file}:{number}: ", line)
            for word in words:
                self.assertIn(word, line)

    def reset(self, files):
        shutil.rmtree(self.folder)
        os.makedirs(self.folder)
        self.write({"good.lua": GOOD, **files})

    def test_check(self):
        for name, (files, expected) in BAD.items():
            with self.subTest(name):
                self.reset(files)
                code, out, err = self.check()
                self.assertEqual((code, err), (1, ""), out)
                self.assert_reported(out.splitlines(), expected)
                for line in out.splitlines():
                    self.assertTrue(line.startswith(self.folder + "/"), line)

    def test_faults_of_documents_have_their_line(self):
        self.reset({"bad.rule.json": '{\n  "components": [\n    [ { "name": "a", "type": "script", "url": "x" },\n'
                                     '      { "name": "b",\n        "type": "scrpt", "url": "x" } ] ],\n  "method": "GO" }',
                    "bad.asl.json": '{ "StartAt": "A", "States": {\n  "A": { "Type": "Pass",\n    "Next": "B" } } }'})
        code, out, _ = self.check()
        self.assertEqual(code, 1)
        self.assert_reported(out.splitlines(), [("bad.asl.json", 3, ["/States/A/Next"]), ("bad.asl.json", 1, ["terminal"]),
                                                ("bad.rule.json", 6, ["/method"]),
                                                ("bad.rule.json", 5, ["/components/0/1/type", "scrpt"])])

    def test_what_is_hardly_meant_is_said_and_served(self):
        self.reset({"odd.rule.json": '{ "components": [],\n  "suspnd": true, "response": { "defaultBody": "odd" } }',
                    "dull.asl.json": '{ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true,\n'
                                    '  "Parameters": { "x": "$.x" } } } }'})
        said = ["odd.rule.json:2: /suspnd: is not known and ignored",
                "dull.asl.json:2: /States/A/Parameters/x: NO_DOLLAR: "]
        code, out, err = self.check()
        self.assertEqual((code, out), (0, f"{self.folder}: no problems found\n"))
        host = self.serve()
        for words in said:
            self.assertIn(words, err)
            self.assertIn(words, host.log)
        self.assertEqual(ask(host, "POST", "/ps/odd", "{}").body, "odd")
        self.write({"odd.rule.json": '{ "components": [], "durble": 1 }'})
        wait_until(lambda: "odd.rule.json:1: /durble: is not known and ignored" in host.log, SECONDS,
                   "the warning")
        self.assertEqual(host.log.count("NO_DOLLAR"), 1)

    def test_check_finds_nothing(self):
        for folder in (self.folder, self.folder + "/"):
            code, out, err = run_program("check", folder)
            self.assertEqual((code, err), (0, ""), out)
            self.assertIn("no problems", out)
        self.assertEqual(sorted(os.listdir(self.folder)), ["good.lua"], "nothing is left behind")

    def test_check_of_host_lua(self):
        for text, line, word in (("return {\n  a = = 1 }", 2, "="), ("return 7", 1, "table"), ("\nerror('no')", 2, "no"),
                                 ("return { listne = 1 }", 1, "listne"), ("return { shards = 'x' }", 1, "shards"),
                                 ("return { env = { a = {} } }", 1, "env.a"), ("\nwhile true do end", 2, "CPU_LIMIT")):
            self.reset({"host.lua": text})
            code, out, _ = self.check()
            self.assertEqual(code, 1, out)
            self.assertIn(f"{self.folder}/host.lua:{line}: ", out)
            self.assertIn(word, out)

    def test_the_others_are_served(self):
        for name, (files, expected) in BAD.items():
            with self.subTest(name):
                self.reset(files)
                host = self.serve()
                self.assertEqual(ask(host, "GET", "/good").body, "good")
                listed = ask(host, "GET", "/v1/flows").body
                self.assertIn("good", [flow["name"] for flow in listed["items"]])
                self.assertEqual([(p["file"], p["line"]) for p in listed["problems"]],
                                 [(file, line) for file, line, _ in expected])
                for (file, line, _), problem in zip(expected, listed["problems"]):
                    self.assertIn(f"{file}:{line}: {problem['message']}", host.log)
                    if "/" not in file and " " not in file:
                        refused = self.assert_problem(start_run(host, file[:-4]), 404, "NO_FLOW")
                        self.assertIn(f"does not load: {file}:", refused["detail"])
                self.assertEqual(host.stop(), 0)

    def test_the_first_of_two_has_the_route(self):
        files, _ = BAD["taken route"]
        self.write(files)
        self.assertEqual(ask(self.serve(), "POST", "/x").body, "also")

    def test_what_is_no_flow(self):
        self.write({"_draft.lua": "not lua", ".hidden.lua": "not lua", "some_test.lua": "describe(", "notes.txt": "x",
                    "_drafts/a.lua": "not lua", "data.json": "{", ".git/hooks/x.lua": "not lua",
                    "sub/components.lua": "return function() return 'fine' end"})
        self.assertEqual(self.check()[0], 0)
        host = self.serve()
        self.assertEqual([flow["name"] for flow in ask(host, "GET", "/v1/flows").body["items"]], ["good", "sub/components"])

    def test_an_empty_folder(self):
        os.remove(os.path.join(self.folder, "good.lua"))
        self.assertEqual(self.check()[0], 0)
        self.assertEqual(ask(self.serve(), "GET", "/v1/flows").body["items"], [])

    def test_a_missing_folder(self):
        code, out, err = run_program("check", os.path.join(self.scratch, "nowhere"))
        self.assertEqual((code, out), (3, ""))
        self.assertIn("nowhere", err)


if __name__ == "__main__":
    unittest.main()
