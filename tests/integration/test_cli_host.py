# SPDX-License-Identifier: MIT
"""The commands against a real host: what an operator does from seeing that a run stands still to getting it going."""
import json
import os
import re
import tempfile
import unittest

from suite import HostCase, Host, get_run, get_steps, run_program, wait_for_run, write_files

FLOWS = {
    "order.lua": """
return {
    description = "Takes orders.",
    http = "POST /order",
    run = function(ctx, input)
        ctx.tag("city", input.city or "Oslo")
        local price = ctx.step("price", function() return input.price end)
        local paid = ctx.wait("paid", { timeout = 3600 })
        ctx.step("check", function()
            if price * 2 ~= paid.amount then error("paid " .. paid.amount .. ", not " .. price * 2) end
            return true
        end)
        return { price = price, paid = paid.amount }
    end,
}
""",
    "asks.lua": """
return function(ctx)
    local answer = ctx.suspend("APPROVAL", "who may do this?")
    return { answer = answer, more = ctx.data.load("more") }
end
""",
}


class Operator(HostCase):
    FLOWS = FLOWS
    SHARDS = 2

    def cli(self, *words, code=0):
        """What it prints; its exit code must be `code`."""
        got, out, err = run_program(*words, env={"FLOWHOST_HOST": self.host.url})
        self.assertEqual(got, code, out + err)
        return out if code == 0 else out + err

    def begin(self, flow, value=None, status="waiting"):
        answer = self.start_run(flow, value, prefer="respond-async")
        self.assertEqual(answer.status, 202)
        wait_for_run(self.host, answer.run, status, *(("running",) if status == "waiting" else ()))
        return answer.run

    def pay(self, run, amount, key="k"):
        return self.cli("signal", run, "paid", "--data", json.dumps({"amount": amount}), "--id", key)

    def test_a_run_that_waits(self):
        run = self.begin("order", {"price": 2})
        self.assertRegex(self.cli("why", run), r"^waiting for the signal 'paid' until .*\n$")
        self.assertRegex(self.cli("run-show", run), rf"(?m)^run +{run}$")
        self.assertEqual(self.pay(run, 4), "signal 'paid' is stored\n")
        self.assertEqual(wait_for_run(self.host, run)["output"], {"price": 2, "paid": 4})
        self.assertIn("it has ended as succeeded", self.cli("why", run))
        self.assertIn("WRONG_STATE", self.cli("signal", run, "paid", code=1))

    def test_a_wrong_step_is_put_right(self):
        run = self.begin("order", {"price": 2})
        self.pay(run, 10)
        wait_for_run(self.host, run, "suspended")
        self.assertIn("paid 10, not 4", self.cli("why", run))
        self.assertIn("paid 10, not 4", self.cli("runs", "--status", "suspended", "--flow", "order"))
        self.assertEqual(self.cli("recover", run, "--dry-run"), "it would go on: what it recorded fits the code\n")
        self.assertIn("no step", self.cli("recover", run, "--step", "77=1", code=1))
        self.cli("recover", run, "--step", "2=5", "--reason", "typing error")
        self.assertEqual(wait_for_run(self.host, run)["output"], {"price": 5, "paid": 10})
        self.assertTrue(get_steps(self.host, run)["2"]["edited"])

    def test_a_question_is_answered(self):
        run = self.begin("asks", status="suspended")
        self.assertIn("who may do this?", self.cli("why", run))
        self.cli("recover", run, "--value", '{"by":"Ada"}', "--data", '{"more":[1]}')
        self.assertEqual(wait_for_run(self.host, run)["output"], {"answer": {"by": "Ada"}, "more": [1]})

    def test_fork_and_diff(self):
        run = self.begin("order", {"price": 2})
        self.pay(run, 4)
        wait_for_run(self.host, run)
        out = self.cli("fork", run, "--step", "2=3", "--allow-effects")
        other = re.search(r"run (\w{26}) of order", out)[1]
        wait_for_run(self.host, other)
        out = self.cli("diff", run, other, code=1)
        self.assertIn("first difference at step 2: value", out)
        self.assertEqual(self.cli("diff", run, run).splitlines()[-1], "no step differs")

    def test_cancel(self):
        run = self.begin("order", {"price": 2})
        self.cli("cancel", run, "--reason", "changed their mind")
        self.assertEqual(wait_for_run(self.host, run)["status"], "cancelled")
        self.assertIn("WRONG_STATE", self.cli("cancel", run, code=1))

    def test_many(self):
        runs = [self.begin("order", {"price": 1, "city": "Bergen"}) for _ in range(3)]
        other = self.begin("order", {"price": 1})
        listed = json.loads(self.cli("runs", "--tag", "city=Bergen", "--json"))["items"]
        self.assertTrue({one["id"] for one in listed} >= set(runs))
        self.assertNotIn(other, {one["id"] for one in listed})
        out = self.cli("cancel", "--all", "--tag", "city=Bergen", "--flow", "order")
        wait_for_run(self.host, re.search(r"flowhost run-show (\w{26})", out)[1], "succeeded")
        self.assertEqual({wait_for_run(self.host, run)["status"] for run in runs}, {"cancelled"})
        self.assertNotEqual(get_run(self.host, other)["status"], "cancelled")

    def test_runs_of_a_time(self):
        run = self.begin("order", {"price": 1})
        self.assertIn(run, self.cli("runs", "--since", "1h"))
        self.assertEqual(self.cli("runs", "--until", "1h"), "no runs\n")
        self.assertEqual(self.cli("runs", "--since", "2100-01-01"), "no runs\n")
        first = json.loads(self.cli("runs", "--limit", "1", "--json"))
        self.assertEqual(len(first["items"]), 1)

    def test_replay(self):
        run = self.begin("order", {"price": 2})
        self.pay(run, 4)
        wait_for_run(self.host, run)
        out = self.cli("replay", run, "--locals")
        self.assertRegex(out, r"(?m)^2 +step +price +order\.lua:7$")
        self.assertRegex(out, r"(?m)^      price = 2$")
        self.assertTrue(out.endswith("end: succeeded\n"), out)

    def test_replay_on_other_code(self):
        with tempfile.TemporaryDirectory(prefix="flowhost-test-") as folder:
            flows = os.path.join(folder, "flows")
            write_files(flows, {"a.lua": "return function(ctx) ctx.step('one', function() return 1 end) ctx.suspend('A', 'b') end"})
            with Host(flows, data_dir=os.path.join(folder, "data")) as host:
                run = host.request("POST", "/v1/flows/a/runs")[1]["Flowhost-Run"]
            write_files(flows, {"a.lua": "return function(ctx) ctx.step('two', function() return 1 end) ctx.suspend('A', 'b') end"})
            with Host(flows, data_dir=os.path.join(folder, "data")) as host:
                for words in (["replay", run, "--release", "active"],
                              ["recover", run, "--release", "active", "--dry-run"]):
                    code, out, _ = run_program(*words, "--host", host.url)
                    self.assertEqual(code, 1)
                    self.assertIn("diverges at step 1", out)
                    self.assertRegex(out, r"recorded +step 'one' at a\.lua:1\n +asked +step 'two' at a\.lua:1\n")
                self.assertEqual(run_program("replay", run, "--host", host.url)[0], 0)

    def test_open_and_replay(self):
        run = self.begin("order", {"price": 2})
        self.pay(run, 4)
        wait_for_run(self.host, run)
        with tempfile.TemporaryDirectory(prefix="flowhost-test-") as folder:
            path = os.path.join(folder, "run.json")
            self.cli("export", run, path)
            out = self.cli("open", path, "--replay", "--locals")
        self.assertRegex(out, r"(?m)^tags +city=Oslo$")
        self.assertRegex(out, r"(?m)^      paid = \{\"amount\":4\}$")
        self.assertTrue(out.endswith("end: succeeded\n"), out)

    def test_flows(self):
        out = self.cli("flow-list")
        self.assertRegex(out, r"(?m)^order +\w{12} +POST /order +Takes orders\.$")


if __name__ == "__main__":
    unittest.main()
