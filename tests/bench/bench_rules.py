# SPDX-License-Identifier: MIT
"""The figure of rules: the register story as a rule against the same in Lua.
run.py calls measure(row, wrk).
"""
import json
import os
import shutil
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import ROOT, Host  # noqa: E402

BINARY = os.path.join(ROOT, "build", "flowhost")
ROUNDS = 5
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


HOST = """return { env = { USER_URL = os.getenv "USER_URL", COUPON_URL = os.getenv "COUPON_URL",
    MESSAGE_URL = os.getenv "MESSAGE_URL" } }"""

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


def write(folder, files):
    for name, text in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    return folder


def measure_pairs(folder, wrk):
    """Rates of the rule and of the Lua flow, each ROUNDS times in turn on one host."""
    with Host(os.path.join(ROOT, "flows"), binary=BINARY, args=["--shards", "1"]) as upstream:
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


def measure(row, wrk):
    scratch = tempfile.mkdtemp(prefix="flowhost-bench-")
    try:
        folder = os.path.join(scratch, "flows")
        os.mkdir(folder)
        write(folder, {"lua.lua": LUA, "rule.rule.json": json.dumps(RULE), "host.lua": HOST})
        rule, lua = measure_pairs(folder, wrk)
        ratio = statistics.median(a / b for a, b in zip(rule, lua))
        row("register as a rule against Lua, never, 64 connections", "0.8", f"{ratio:.2f} ({statistics.median(rule):,.0f} "
            f"and {statistics.median(lua):,.0f} runs/s)", ratio=ratio, rule=rule, lua=lua)
    finally:
        shutil.rmtree(scratch)
