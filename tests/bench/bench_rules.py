# SPDX-License-Identifier: MIT
"""The figures of rules and of access: the register story as a rule against the same in Lua, and what logins do to others.
run.py calls measure(row, wrk).
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import ROOT, Client, Host  # noqa: E402

BINARY = os.path.join(ROOT, "build", "flowhost")
ROUNDS, LOGINS_PER_S, LOGIN_SECONDS = 5, 50, 8
BODY = '{"phone":"13800000000"}'

LUA = """return { http = "POST /lua", durable = "never",
    request = { body = { phone = { type = "string", required = true, minLen = 6 } } },
    run = function(ctx, input)
        local phone = input.body.phone
        local user = ctx.request { url = ctx.env.USER_URL, json = { phone = phone } }
        local coupon, message = ctx.all {
            function() return ctx.request { url = ctx.env.COUPON_URL, json = { user_id = user.id } } end,
            function() return ctx.request { url = ctx.env.MESSAGE_URL, json = { phone = phone } } end,
        }
        return { code = 200, msg = "success", data = { user = user, coupon = coupon, message = message } }
    end }"""


def api(name, url, given):
    return {"name": name, "type": "api", "method": "POST", "url": url, "input": given, "outputName": name}


RULE = {
    "request": {"type": "json", "body": {"phone": {"type": "string", "required": True, "minLen": 6}}},
    "components": [
        [api("user", "{env.USER_URL}", {"phone": "{request.body.phone}"})],
        [api("coupon", "{env.COUPON_URL}", {"user_id": "{user.id}"}),
         api("message", "{env.MESSAGE_URL}", {"phone": "{request.body.phone}"})],
    ],
    "response": {"body": {"code": 200, "msg": "success",
                          "data": {"user": "{user}", "coupon": "{coupon}", "message": "{message}"}}},
}
PLAIN = {
    "plain.lua": 'return { http = "POST /plain", durable = "never", run = function() return { a = 1 } end }',
}


def write(folder, files):
    for name, text in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    return folder


def measure_pairs(folder, wrk):
    """Rates of the rule and of the Lua flow, each ROUNDS times in turn on one host."""
    with Host(os.path.join(ROOT, "flows"), binary=BINARY, args=["--shards", "1", "--log-level", "error"]) as upstream:
        env = {f"{name}_URL": f"{upstream.url}/demo/{path}" for name, path in
               (("USER", "users"), ("COUPON", "coupons"), ("MESSAGE", "messages"))}
        with Host(folder, binary=BINARY, args=["--shards", "1"], env=env) as host:
            rates = {"/lua": [], "/ps/rule": []}
            for path in rates:
                wrk(host, path, 64, method="POST", body=BODY, seconds=1)
            for _ in range(ROUNDS):
                for path, found in rates.items():
                    found.append(wrk(host, path, 64, method="POST", body=BODY, seconds=3)[0])
    return rates["/ps/rule"], rates["/lua"]


def log_in_for(client, seconds, statuses):
    """LOGINS_PER_S of them, half with a wrong password, on threads of their own."""
    def work(number):
        own = Client(client.port)
        password = "a good password" if number % 2 else "a wrong password"
        statuses.append(own.request("POST", "/v1/session", {"name": "ann", "password": password})[0])
        own.disconnect()
    begin, threads = time.monotonic(), []
    for number in range(int(seconds * LOGINS_PER_S)):
        time.sleep(max(0, begin + number / LOGINS_PER_S - time.monotonic()))
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def measure_logins(folder, wrk):
    """p99 of other requests (ms), one connection, without logins and during a storm of them; how many were answered."""
    data = os.path.join(folder, "data")
    subprocess.run([BINARY, "user", "create", "ann", "--role", "viewer", "--data", data], input="a good password\n",
                   text=True, check=True, capture_output=True)
    statuses = []
    with Host(folder, data_dir=data, binary=BINARY, args=["--shards", "1", "--log-level", "error"]) as host:
        quiet = wrk(host, "/plain", 1, method="POST", body="{}", seconds=3)[2]
        storm = threading.Thread(target=log_in_for, args=(host, LOGIN_SECONDS, statuses))
        storm.start()
        time.sleep(1)
        busy = wrk(host, "/plain", 1, method="POST", body="{}", seconds=LOGIN_SECONDS - 3)[2]
        storm.join()
    return quiet, busy, statuses


def measure(row, wrk):
    scratch = tempfile.mkdtemp(prefix="flowhost-bench-")
    try:
        folder = os.path.join(scratch, "flows")
        os.mkdir(folder)
        write(folder, {"lua.lua": LUA, "rule.rule.json": json.dumps(RULE), **PLAIN})
        rule, lua = measure_pairs(folder, wrk)
        ratio = statistics.median(a / b for a, b in zip(rule, lua))
        row("register as a rule against Lua, never, 64 connections", "0.8", f"{ratio:.2f} ({statistics.median(rule):,.0f} "
            f"and {statistics.median(lua):,.0f} runs/s)", ratio=ratio, rule=rule, lua=lua)
        quiet, busy, statuses = measure_logins(folder, wrk)
        row(f"p99 of other requests during {LOGINS_PER_S} logins a second", "20 ms", f"{busy:.1f} ms (quiet {quiet:.1f})",
            busy_ms=busy, quiet_ms=quiet, logins=len(statuses), good=statuses.count(200))
    finally:
        shutil.rmtree(scratch)
