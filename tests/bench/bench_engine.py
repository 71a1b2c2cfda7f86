# SPDX-License-Identifier: MIT
"""The figures of the engine: parked runs, alarms, replay, wide groups. run.py calls measure(row).

FLOWHOST_BENCH_PARKED=N parks N runs instead of 1,000,000. One shard unless said; the clients share its processors.
"""
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import ROOT, Client, Host, Upstream, wait_until  # noqa: E402,F401

BINARY = os.path.join(ROOT, "build", "flowhost")
PARKED = int(os.environ.get("FLOWHOST_BENCH_PARKED", "1000000"))
STEPS, WIDTH = 10_000, 100

FLOWS = {
    "wait.lua": """return function(ctx, input) return ctx.wait "go" end""",
    "nap.lua": """return function(ctx, input)
        ctx.sleep(input.s)
        return ctx.now()
    end""",
    "long.lua": """return function(ctx, input)
        for i = 1, 10000 do ctx.step("s", function() return i end) end
        ctx.wait "go"
        return "done"
    end""",
    "echo.lua": """return { http = "GET /echo/{n}", durable = "never", run = function(ctx, input) return { n = input.params.n } end }""",
    "wide.lua": """return { http = "POST /wide", run = function(ctx, input)
        local list = {}
        for i = 1, 100 do list[i] = i end
        local out = ctx.map(list, function(i) return ctx.request { url = ctx.env.UPSTREAM .. "/echo/" .. i } end,
            { concurrency = 100 })
        return #out
    end }""",
    "host.lua": """return { env = { UPSTREAM = os.getenv "UPSTREAM" } }""",
}


def write_flows(folder):
    for name, text in FLOWS.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    return folder


def memory(pid):
    """Resident memory in MB: all, and without pages of files."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        text = file.read()
    value = {name: int(re.search(rf"{name}:\s+(\d+)", text).group(1)) / 1024 for name in ("VmRSS", "RssAnon")}
    return value["VmRSS"], value["RssAnon"]


def wakeups(pid):
    """Times any thread of the process went to sleep of its own will, so far."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
            total += int(re.search(r"voluntary_ctxt_switches:\s+(\d+)", file.read()).group(1))
    return total


def start_many(host, flow, count, body):
    """count runs of a flow, accepted and not waited for. `body` is Lua that gives each its input."""
    script = tempfile.NamedTemporaryFile("w", suffix=".lua")
    script.write("wrk.method = 'POST'\nwrk.headers['Prefer'] = 'respond-async'\n"
                 f"function request() return wrk.format(nil, '/v1/flows/{flow}/runs', nil, {body}) end\n")
    script.flush()
    done = 0
    while done < count:
        seconds = max(1, min(10, int((count - done) / 12000)))
        command = ["wrk", "-t1", "-c256", f"-d{seconds}", "-s", script.name, host.url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in text:
            raise SystemExit(f"bench: {flow} was not accepted:\n{text}\n{host.log_tail()}")
        done += int(re.search(r"(\d+) requests in", text).group(1))
    return done


def wait_for_parked(host):
    wait_until(lambda: not host.request("GET", "/v1/runs?status=running&limit=1")[2]["items"], 900, "all runs to park")


def some_runs(host, count):
    """Runs that are parked, from here and there."""
    items, cursor = [], ""
    for _ in range(count):
        _, _, page = host.request("GET", "/v1/runs?status=waiting&limit=1000" + (f"&cursor={cursor}" if cursor else ""))
        items += page["items"]
        cursor = page["next"]
        if not cursor:
            break
    return [item["id"] for item in items[::max(1, len(items) // count)]][:count]


def first_answer_s(folder, data):
    begin = time.monotonic()
    with Host(folder, data_dir=data, binary=BINARY, args=["--shards", "1"]) as host:
        host.request("GET", "/healthz")
        return time.monotonic() - begin


def signal_ms(client, run):
    """From sending the signal until the run has ended, as another call sees it."""
    begin = time.monotonic()
    status, _, body = client.request("POST", f"/v1/runs/{run}/signal/go", "1")
    assert status == 202, body
    while client.request("GET", f"/v1/runs/{run}")[2]["status"] != "succeeded":
        pass
    return (time.monotonic() - begin) * 1000


def measure_parked(row, folder):
    data = tempfile.mkdtemp(prefix="flowhost-bench-")
    args = ["--shards", "1", "--park-after", "0.2"]
    with Host(folder, data_dir=data, binary=BINARY, args=args) as host:
        before, before_anon = memory(host.process.pid)
        count = start_many(host, "wait", PARKED, "'{}'")
        wait_for_parked(host)
        time.sleep(3)
        after, after_anon = memory(host.process.pid)
        row(f"{count:,} runs parked on a signal: resident memory grows", "100 MB", f"{after - before:.0f} MB",
            runs=count, before=before, after=after, anon=after_anon - before_anon)
        took = sorted(signal_ms(Client(host.port), run) for run in some_runs(host, 50))
        row("a signal wakes one of them, p50 / worst of 50", "10 ms", f"{took[25]:.1f} / {took[-1]:.1f} ms",
            p50=took[25], worst=took[-1])
    took = statistics.median(first_answer_s(folder, data) for _ in range(3))
    row("restart with them to the first served request", "1 s", f"{took:.2f} s", seconds=took)
    shutil.rmtree(data)


def measure_alarms(row, folder):
    data = tempfile.mkdtemp(prefix="flowhost-bench-")
    with Host(folder, data_dir=data, binary=BINARY, args=["--shards", "1", "--park-after", "0.2"]) as host:
        # from 20 minutes on over an hour: none fires while the figure is taken
        count = start_many(host, "nap", PARKED, """string.format('{"s":%d}', 1200 + math.random(3600))""")
        wait_for_parked(host)
        time.sleep(2)
        before = wakeups(host.process.pid)
        time.sleep(10)
        rate = (wakeups(host.process.pid) - before) / 10
        row(f"{count:,} alarms over an hour: wakeups of an idle host", "5 /s", f"{rate:.1f} /s", rate=rate)
        late = []
        for _ in range(20):
            status, headers, output = host.request("POST", "/v1/flows/nap/runs", json.dumps({"s": 1.5}))
            _, _, steps = host.request("GET", f"/v1/runs/{headers['Flowhost-Run']}/steps")
            nap = steps["items"][0]
            assert status == 200, output
            late.append(nap["ms"] - 1500)
        late.sort()
        row("an alarm among them fires late by, p50 / worst of 20", "10 ms", f"{late[10]} / {late[-1]} ms",
            p50=late[10], worst=late[-1])
    shutil.rmtree(data)


def measure_replay(row, folder):
    with Host(folder, binary=BINARY, args=["--shards", "1", "--park-after", "0.2"]) as host:
        _, headers, _ = host.request("POST", "/v1/flows/long/runs", "{}", {"Prefer": "respond-async"})
        run = headers["Flowhost-Run"]
        wait_until(lambda: host.request("GET", f"/v1/runs/{run}")[2]["status"] == "waiting", 60, "the run to park")
        took = sorted(signal_once(host, run) for _ in range(5))
        row(f"a run of {STEPS:,} steps: woken by replay", "100 ms", f"{took[2]:.0f} ms", ms=took[2])


def signal_once(host, run):
    """A signal that the run does not wait for brings it back all the same; it is acknowledged after that."""
    wait_until(lambda: host.request("GET", f"/v1/runs/{run}")[2]["status"] == "waiting", 60, "the run to park")
    begin = time.monotonic()
    status, _, body = host.request("POST", f"/v1/runs/{run}/signal/other", "1")
    assert status == 202, body
    return (time.monotonic() - begin) * 1000


def measure_wide(row, folder):
    with Host(folder, binary=BINARY, args=["--shards", "1"]) as upstream:
        with Host(folder, binary=BINARY, args=["--shards", "1"], env={"UPSTREAM": upstream.url}) as host:
            client, took = Client(host.port), []
            for _ in range(30):
                begin = time.monotonic()
                status, _, body = client.request("POST", "/wide", "{}")
                took.append((time.monotonic() - begin) * 1000)
                assert (status, body) == (200, WIDTH), body
            took.sort()
            row(f"map of {WIDTH} requests, concurrency {WIDTH}, p50 of 30", "30 ms", f"{took[15]:.1f} ms", p50=took[15],
                worst=took[-1])


def measure(row):
    # the host looks at the folder around its own, too: in /tmp others would wake it
    scratch = tempfile.mkdtemp(prefix="flowhost-bench-")
    folder = os.path.join(scratch, "flows")
    os.mkdir(folder)
    write_flows(folder)
    for part in (measure_wide, measure_replay, measure_alarms, measure_parked):
        part(row, folder)
    shutil.rmtree(scratch)
