# SPDX-License-Identifier: MIT
"""`flowhost test`: the program runs the tests beside the flows. What a test can do is tried in tests/lua/testing."""
import os
import re
import unittest

from suite import FolderCase, run_program

HEAD = 'local test = require "flowhost.test"\n'


def case(text, name="c"):
    return f'test.case("{name}", function()\n{text}\nend)\n'


class FlowTests(FolderCase):

    def run_tests(self, files, *args, env=None):
        """Exit code and what was printed, times as "0 ms"; nothing on stderr."""
        self.write(files)
        code, out, err = run_program("test", self.folder, *args, env=env, cwd=self.scratch)
        self.assertEqual(err, "")
        return code, re.sub(r" +[\d.]+ ms", " 0 ms", out.replace(self.folder, "flows"))

    def assert_passes(self, flow, test, env=None):
        code, out = self.run_tests({"a.lua": flow, "a_test.lua": HEAD + test}, env=env)
        self.assertEqual(code, 0, out)
        return out

    def assert_fails(self, flow, test):
        code, out = self.run_tests({"a.lua": flow, "a_test.lua": HEAD + test})
        self.assertEqual(code, 1, out)
        return out

    # --- the command

    def test_passes(self):
        out = self.assert_passes("return function(ctx, n) return n * 2 end", case('test.equal(test.run("a", 4).output, 8)'))
        self.assertEqual(out, "flows/a_test.lua\n  ok    c 0 ms\n1 passed, 0 failed in 0 ms\n")

    def test_fails(self):
        out = self.assert_fails("return function() end", case("assert(1 > 2)"))
        self.assertIn("  FAIL  c 0 ms\n        flows/a_test.lua:3: assertion failed: assert(1 > 2)\n", out)

    def test_filter(self):
        files = {"a_test.lua": HEAD + case("", "one") + case('error("no")', "two")}
        self.assertEqual(self.run_tests(files, "one")[0], 0)
        self.assertEqual(self.run_tests(files, "two")[0], 1)
        self.assertEqual(self.run_tests(files, "a_test")[0], 1)
        self.assertEqual(self.run_tests(files, "three"), (1, "no test matches 'three'; 1 test file looked at\n"))

    def test_none(self):
        code, out = self.run_tests({"a.lua": "return print"})
        self.assertEqual(code, 1)
        self.assertIn("no tests found in flows: the tests of NAME.lua are in NAME_test.lua beside it", out)

    def test_no_folder(self):
        code, out, err = run_program("test", os.path.join(self.scratch, "none"))
        self.assertEqual((code, out), (3, ""))
        self.assertIn("cannot read the flows folder", err)

    def test_usage(self):
        code, _, err = run_program("test")
        self.assertEqual(code, 2)
        self.assertIn("missing argument 'dir'", err)

    def test_a_host_file_that_cannot_be(self):
        self.write({"host.lua": "return { shards = 'many' }", "a_test.lua": HEAD + case("")})
        code, out, err = run_program("test", self.folder)
        self.assertEqual((code, out), (2, ""))
        self.assertIn("host.lua", err)

    def test_nothing_is_left(self):
        self.assert_passes("return function(ctx) ctx.sleep(1) end", case('test.run("a"):finish()'))
        self.assertEqual(os.listdir(self.scratch), [os.path.basename(self.folder)])

    # --- what differs from the specs: the program's own codec and runner of flows

    def test_a_flow_that_does_not_end(self):
        self.write({"host.lua": "return { cpu_limit = 0.05 }"})
        self.assert_passes("return function() while true do end end",
                           case('test.equal(test.run("a").error.code, "CPU_LIMIT")'))

    def test_a_flow_that_takes_all_memory(self):
        self.write({"host.lua": "return { memory_limit = '32m' }"})
        self.assert_passes("return function() local t = {} for i = 1, 1e9 do t[i] = { i } end end",
                           case('test.equal(test.run("a").error.code, "MEMORY_LIMIT")'))

    def test_numbers_and_lists(self):
        self.assert_passes("return function(ctx, input) return input end", case("""
            local input = test.json.decode '{"a":[],"n":9007199254740993,"x":0.1,"o":{}}'
            test.equal(test.json.encode(test.run("a", input).output), test.json.encode(input))
        """))

    def test_a_year_takes_no_time(self):
        self.assert_passes("return function(ctx) for _ = 1, 365 do ctx.sleep(86400) end return ctx.now() end", case("""
            local start = test.now()
            test.equal(test.run("a"):finish().output, start + 365 * 86400)
        """))

    def test_the_machine_is_not_looked_at(self):
        self.write({"host.lua": "return { env = { NAME = os.getenv 'NAME' or 'nobody' } }"})
        self.assert_passes("return function(ctx) return ctx.env.NAME end",
                           case('test.equal(test.run("a").output, "nobody")'), env={"NAME": "somebody"})

    def test_crashes(self):
        out = self.assert_passes("""
            return function(ctx)
                local id = ctx.uuid()
                local list = ctx.map({ 1, 2, 3 }, function(i)
                    return ctx.request { url = "http://u/" .. i, json = { id = id } }.n
                end)
                ctx.sleep(3600)
                return { id, ctx.now(), list, ctx.request { url = "http://u/4", json = list } }
            end
        """, 'test.mock_request("*", "*", function(request) return { json = { n = request.path } } end)\n'
             'test.crash_at_each_step("a")\n')
        self.assertRegex(out, r"ok    a: crash at each step 0 ms\n +\d\d crashes, the same end after each\n")


if __name__ == "__main__":
    unittest.main()
