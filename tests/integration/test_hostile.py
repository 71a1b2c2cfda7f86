# SPDX-License-Identifier: MIT
"""Flows that try to keep their shard for themselves: each is ended, and the host goes on."""
import unittest

from suite import HostCase

READY = """
return { http = "POST /%(name)s", durable = "%(durable)s", on_error = "fail", run = function(ctx, input) %(body)s end }
"""
BODIES = {
    "responses": "while true do ctx.response('x') end",
    "groups": "while true do ctx.all { function() end } end",
    "branch": "while true do pcall(ctx.all, { function() while true do end end }) end",
    "branches": "return ctx.map({ 1, 2, 3, 4, 5, 6, 7, 8 }, function() for _ = 1, 4e7 do end return 1 end)",
    "values": "while true do ctx.now() end",
}
NEST = """
return function(ctx, input)
    local function nest(n)
        if n == 0 then return 0 end
        return (ctx.all { function() return 1 + nest(n - 1) end })
    end
    return nest(input)
end
"""


class Hostile(HostCase):
    FLOWS = {"nest.lua": NEST, **{
        f"{name}_{durable}.lua": READY % {"name": f"{name}-{durable}", "durable": durable, "body": body}
        for name, body in BODIES.items() for durable in ("never", "always")}}
    ARGS = ("--cpu-limit", "0.2", "--memory-limit", "100m")

    def test_what_never_waits_is_ended(self):
        for name in BODIES:
            for durable in ("never", "always"):
                with self.subTest(name, durable=durable):
                    answer = self.ask("POST", f"/{name}-{durable}", {})
                    if name == "responses":
                        self.assertIn(answer.status, (200, 500))
                    else:
                        self.assert_problem(answer, 500, answer.body["code"])
                        self.assertIn(answer.body["code"], ("CPU_LIMIT", "MEMORY_LIMIT"))
                    self.assertEqual(self.ask("GET", "/healthz").status, 200)

    def test_branches_in_branches(self):
        self.assertEqual(self.start_run("nest", 90).body, 90)
        problem = self.assert_problem(self.start_run("nest", 5000), 500, "INVALID")
        self.assertIn("nested too deep", problem["detail"])
        self.assertEqual(self.start_run("nest", 3).body, 3)


if __name__ == "__main__":
    unittest.main()
