#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hot reload of a large folder: one file of FILES is saved again and again while wrk asks for another flow.

`measure()` is called by run.py; alone it prints what it found. The time is from the save (rename of a written file,
as editors do) to the first answer of the new text, on a connection of its own.
"""
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import ROOT, Host  # noqa: E402

BINARY = os.path.join(ROOT, "build", "flowhost")
FILES, SAVES, SECONDS, LIMIT_S = 1000, 20, 8, 10

FLOW = """-- flow {number}
local rates = {{ [19] = "standard", [7] = "reduced" }}
local function price(net, rate)
    if not rates[rate] then error("unknown rate " .. tostring(rate)) end
    return net + net * rate / 100
end
return {{
    description = "Flow {number} of many",
    http = "POST /many/{number}",
    request = {{ body = {{ net = {{ type = "float", required = true }} }} }},
    durable = "never",
    run = function(ctx, input)
        local total = ctx.step("price", function() return price(input.body.net, 19) end)
        if total > 1000 then ctx.log.info("a large order") end
        return {{ total = total, number = {number} }}
    end,
}}
"""
SAVED = 'return {{ http = "GET /saved", durable = "never", run = function() return {number} end }}'
CONST = 'return { http = "GET /const", durable = "never", run = function() return { code = 200 } end }'


def write(path, text):
    with open(path + "~", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + "~", path)


def make_folder():
    folder = tempfile.mkdtemp(prefix="flowhost-bench-flows-")
    for number in range(FILES - 2):
        write(os.path.join(folder, f"f{number}.lua"), FLOW.format(number=number))
    write(os.path.join(folder, "const.lua"), CONST)
    write(os.path.join(folder, "saved.lua"), SAVED.format(number=0))
    return folder


def wait_for(host, number):
    deadline = time.monotonic() + LIMIT_S
    while host.request("GET", "/saved")[2] != number:
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: save {number} is not served after {LIMIT_S} s\n{host.log_tail()}")


def save_ms(host, folder, number):
    begin = time.monotonic()
    write(os.path.join(folder, "saved.lua"), SAVED.format(number=number))
    wait_for(host, number)
    return (time.monotonic() - begin) * 1000


def start_wrk(host, seconds):
    return subprocess.Popen(["wrk", "-t1", "-c32", f"-d{seconds}", "--latency", host.url + "/const"],
                            stdout=subprocess.PIPE, text=True)


def end_wrk(process):
    """(requests per second, slowest ms); a request that got no good answer ends the bench."""
    text = process.communicate()[0]
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"bench: requests were dropped during reloads:\n{text}")
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    slowest = re.search(r"Latency\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)", text)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), \
        float(slowest.group(1)) * unit[slowest.group(2)]


def touch_all(host, folder, number):
    """All files change at once; from the last rename to the first answer of the new text, and wrk's slowest."""
    load = start_wrk(host, 3)
    time.sleep(0.5)
    for other in range(FILES - 2):
        write(os.path.join(folder, f"f{other}.lua"), FLOW.format(number=other) + f"-- {number}\n")
    took = save_ms(host, folder, number)
    return took, end_wrk(load)[1]


def measure():
    folder = make_folder()
    try:
        with Host(folder, binary=BINARY, args=["--shards", "2"]) as host:
            quiet = [save_ms(host, folder, number + 1) for number in range(SAVES)]
            load = start_wrk(host, SECONDS)
            time.sleep(0.5)
            loaded = [save_ms(host, folder, SAVES + number + 1) for number in range(SAVES)]
            rate, slowest = end_wrk(load)
            all_ms, all_slowest = touch_all(host, folder, 2 * SAVES + 1)
    finally:
        shutil.rmtree(folder)
    return {"ms": statistics.median(loaded), "worst_ms": max(loaded), "quiet_ms": statistics.median(quiet),
            "rate": rate, "slowest_ms": slowest, "all_ms": all_ms, "all_slowest_ms": all_slowest}


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name:<16} {value:10.1f}")
