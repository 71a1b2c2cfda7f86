# SPDX-License-Identifier: MIT
"""Each flow of flows/ but register (test_register.py), against an outside service."""
import os
import re
import subprocess
import threading
import unittest

from suite import (ROOT, SECONDS, Host, Problems, Upstream, ask, binary, get_run, get_steps, wait_for_run, wait_until)

FLOWS = os.path.join(ROOT, "flows")
PHONE = "13800000000"


class Examples(Problems, unittest.TestCase):

    def setUp(self):
        self.upstream = self.enterContext(Upstream())
        env = {name: f"{self.upstream.url}/{name.lower()}"
               for name in ("USER_URL", "COUPON_URL", "MESSAGE_URL", "CARD_URL")}
        self.host = self.enterContext(Host(FLOWS, env=env, args=["--shards", "2"]))

    def test_all_load(self):
        done = subprocess.run([binary(), "check", FLOWS], capture_output=True, text=True, timeout=SECONDS, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_welcome_uses_a_component(self):
        self.upstream.handler = lambda request: (200, {"sent": True})
        answer = ask(self.host, "POST", "/welcome", {"phone": PHONE})
        self.assertEqual((answer.status, answer.body), (200, {"sent": True}))
        self.assertEqual(self.upstream.requests[0].json, {"phone": PHONE, "text": "welcome"})
        steps = get_steps(self.host, answer.run)
        self.assertEqual([(path, step["kind"]) for path, step in steps.items()],
                         [("1", "component"), ("1.1", "request")])

    def test_coupons_are_granted_two_at_a_time(self):
        both, lock, counts = threading.Barrier(2), threading.Lock(), {"now": 0, "most": 0}

        def grant(request):
            with lock:
                counts["now"] += 1
                counts["most"] = max(counts["most"], counts["now"])
            both.wait(SECONDS)  # answers only when another call is under way
            with lock:
                counts["now"] -= 1
            return 200, {"code": f"C-{request.json['user_id']}"}
        self.upstream.handler = grant
        answer = ask(self.host, "POST", "/coupons", {"users": [3, 1, 2, 9]})
        self.assertEqual(answer.body, {"coupons": [{"code": f"C-{user}"} for user in (3, 1, 2, 9)]})
        self.assertEqual(counts, {"now": 0, "most": 2})

    def test_coupons_of_nobody(self):
        self.assertEqual(ask(self.host, "POST", "/coupons", {"users": []}).body, {"coupons": []})

    def test_reminder_survives_a_kill(self):
        self.upstream.handler = lambda request: (200, {"sent": True})
        answer = ask(self.host, "POST", "/reminder", {"phone": PHONE, "after": 1.5})
        self.assertEqual((answer.status, answer.body), (202, {"accepted": answer.run}))
        self.assertEqual(self.upstream.requests, [])
        wait_for_sleep(self.host, answer.run)
        self.host.kill()
        self.host.start()
        run = wait_for_run(self.host, answer.run)
        self.assertEqual((run["status"], run["output"]), ("succeeded", {"sent": True}))
        self.assertEqual([request.headers["Idempotency-Key"] for request in self.upstream.requests],
                         [f"{answer.run}/3.1"])

    def test_approval_by_the_link_in_the_message(self):
        self.upstream.handler = lambda request: (200, {"sent": True})
        answer = ask(self.host, "POST", "/approval", {"phone": PHONE, "amount": 70})
        self.assertEqual((answer.status, answer.body), (202, {"waiting": answer.run}))
        wait_until(lambda: self.upstream.requests, SECONDS, "the message")
        link = re.search(r"http://[^/ ]+(/\S+)", self.upstream.requests[0].json["text"])[1]
        self.assertEqual(ask(self.host, "POST", link).status // 100, 2)
        run = wait_for_run(self.host, answer.run)
        self.assertEqual((run["status"], run["output"]), ("succeeded", {"approved": True, "by": "link"}))

    def test_order_is_undone(self):
        def handle(request):
            return (400, {}) if "phone" in request.json else (200, {"receipt": "R-50"})
        self.upstream.handler = handle
        answer = ask(self.host, "POST", "/order", {"phone": PHONE, "amount": 50})
        self.assert_problem(answer, 502, "HTTP_STATUS")
        self.assertEqual(get_run(self.host, answer.run)["status"], "failed")
        self.assertEqual([request.json.get("amount") for request in self.upstream.requests], [50, None, -50])

    def test_campaign_runs_a_child_for_each(self):
        self.upstream.handler = lambda request: (200, {"sent": True})
        answer = ask(self.host, "POST", "/campaign", {"name": "spring", "phones": [PHONE, "13900000000"]})
        self.assertEqual((answer.status, answer.body), (200, {"reached": 2, "of": 2}))
        children = ask(self.host, "GET", "/v1/runs?flow=welcome").body["items"]
        self.assertEqual({(child["parent"]["run"], child["status"]) for child in children}, {(answer.run, "succeeded")})
        found = ask(self.host, "GET", "/v1/runs?tag=campaign:spring").body["items"]
        self.assertEqual([(run["id"], run["progress"]["done"]) for run in found], [(answer.run, 2)])

    def test_offer_with_a_coupon_in_time(self):
        self.upstream.handler = lambda request: (200, {"code": "C", "percent": 10})
        self.assertEqual(ask(self.host, "POST", "/offer", {"user_id": 3, "within": 60}).body, {"price": 90})

    def test_offer_without_a_coupon(self):
        self.upstream.handler = lambda request: (404, {})
        self.assertEqual(ask(self.host, "POST", "/offer", {"user_id": 3, "within": 0.01}).body, {"price": 100})

    def test_profile_is_kept_only_when_it_fails(self):
        self.upstream.handler = lambda request: (200, {"id": 17, "code": "C-17"})
        answer = ask(self.host, "GET", f"/profile?phone={PHONE}")
        self.assertEqual((answer.status, answer.body), (200, {"id": 17, "coupon": "C-17"}))
        self.assertEqual(ask(self.host, "GET", f"/v1/runs/{answer.run}").status, 404)
        self.upstream.handler = lambda request: (400, {}) if "user_id" in request.json else (200, {"id": 17})
        answer = ask(self.host, "GET", f"/profile?phone={PHONE}")
        self.assert_problem(answer, 502, "HTTP_STATUS")
        steps = get_steps(self.host, answer.run)
        self.assertEqual([(step["status"], step["output"]) for step in steps.values()],
                         [("succeeded", {"id": 17}), ("failed", None)])

    def test_payment(self):
        self.upstream.handler = lambda request: (200, {"receipt": "R-7"})
        self.assertEqual(ask(self.host, "POST", "/payment", {"amount": 7}).body, {"paid": 7, "receipt": "R-7"})

    def test_payment_declined(self):
        self.upstream.handler = lambda request: (402, {"reason": "too much"})
        answer = ask(self.host, "POST", "/payment", {"amount": 700})
        problem = self.assert_problem(answer, 500, "CARD_DECLINED")
        self.assertEqual(problem["detail"], "too much")
        self.assertEqual(get_run(self.host, answer.run)["status"], "failed")

    def test_payment_of_an_unknown_error_is_suspended(self):
        self.upstream.handler = lambda request: (500, {})
        answer = ask(self.host, "POST", "/payment", {"amount": 7})
        self.assert_problem(answer, 502, "HTTP_STATUS")
        self.assertEqual(get_run(self.host, answer.run)["status"], "suspended")


class DemoCards(Problems, unittest.TestCase):
    """The service that stands for a real one."""

    def setUp(self):
        self.host = self.enterContext(Host(FLOWS))

    def test_accepts_and_declines(self):
        answer = ask(self.host, "POST", "/demo/cards", {"amount": 100})
        self.assertEqual((answer.status, answer.body), (200, {"receipt": "R-100"}))
        answer = ask(self.host, "POST", "/demo/cards", {"amount": 101})
        self.assertEqual((answer.status, answer.body), (402, {"reason": "over the limit of 100"}))


def wait_for_sleep(host, run):
    """Until the run's sleep is on disk."""
    wait_until(lambda: "2" in get_steps(host, run), SECONDS, "the sleep to be recorded")


if __name__ == "__main__":
    unittest.main()
