#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The figures of the spine and of the engine: `./dev bench` on a release build. Prints a table, writes build/bench.json.

Each load figure is the median of three wrk runs; one shard unless said. The services that `register` calls are a
second host on the same machine, so the figure holds client, upstream and host on its processors together.
"""
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bench_engine  # noqa: E402
import bench_jsonata  # noqa: E402
import bench_login  # noqa: E402
import bench_machines  # noqa: E402
import bench_reload  # noqa: E402
import bench_rules  # noqa: E402
from harness import ROOT, Host  # noqa: E402

BINARY = os.path.join(ROOT, "build", "flowhost")
SECONDS = int(os.environ.get("FLOWHOST_BENCH_SECONDS", "5"))
ROUNDS = 3
FINISHED_RUNS = 100_000

FLOWS = {
    "const.lua": """return { http = "GET /const", durable = "never",
        run = function() return { code = 200, msg = "success" } end }""",
    "steps.lua": """return { http = "POST /steps", run = function(ctx)
        local sum = 0
        for i = 1, 5 do sum = sum + ctx.step("add", function() return i end) end
        return { sum = sum }
    end }""",
}

UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def wrk(host, path, connections, method="GET", body=None, seconds=SECONDS, headers=None):
    """(requests per second, p50 ms, p99 ms); any answer that is not 2xx ends the bench."""
    script = tempfile.NamedTemporaryFile("w", suffix=".lua")
    lines = [f"wrk.method = '{method}'", *[f"wrk.headers['{name}'] = '{text}'" for name, text in (headers or {}).items()]]
    script.write("\n".join([*lines, f"wrk.body = [==[{body}]==]" if body else "", ""]))
    script.flush()
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", script.name, host.url + path]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"bench: {path} did not answer well:\n{text}\n{host.log_tail()}")

    def latency(percent):
        number, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text).groups()
        return float(number) * UNITS[unit]
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), latency(50), latency(99)


def load(host, path, connections, **how):
    """Median round by rate, after a short warm-up."""
    wrk(host, path, connections, seconds=1, **how)
    rounds = sorted(wrk(host, path, connections, **how) for _ in range(ROUNDS))
    return rounds[ROUNDS // 2]


def write_flows(folder):
    for name, text in FLOWS.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    return folder


def status_of(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(rf"{field}:\s+(\d+)", file.read()).group(1))


def wakeups_of(pid):
    """Times any thread of the process went to sleep of its own will, so far."""
    return sum(status_of(f"{pid}/task/{thread}", "voluntary_ctxt_switches") for thread in os.listdir(f"/proc/{pid}/task"))


def private_rss_mb(pid):
    """Resident memory without the pages of the data file, which the kernel may drop at will; and with them."""
    return (status_of(pid, "RssAnon") + status_of(pid, "RssShmem")) / 1024, status_of(pid, "VmRSS") / 1024


def measure_idle(folder):
    with Host(folder, binary=BINARY, args=["--shards", "1"]) as host:
        host.request("GET", "/const")
        time.sleep(2)
        before = wakeups_of(host.process.pid)
        time.sleep(10)
        wakeups = (wakeups_of(host.process.pid) - before) / 10
        private, total = private_rss_mb(host.process.pid)
    return {"rss_mb": total, "private_mb": private, "wakeups_per_s": wakeups}


def fill(host):
    """At least FINISHED_RUNS runs that have ended."""
    done = 0
    while done < FINISHED_RUNS:
        rate, _, _ = wrk(host, "/steps", 256, method="POST", body="{}", seconds=3)
        done += int(rate * 3)
    return done


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def first_answer_ms(folder, data):
    """From exec to the first answer, asked for as tightly as it goes."""
    port = free_port()
    begin = time.monotonic()
    process = subprocess.Popen([BINARY, folder, "--listen", f"127.0.0.1:{port}", "--data", data, "--shards", "1",
                                "--log-level", "error"])
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.sendall(b"GET /const HTTP/1.1\r\nHost: bench\r\n\r\n")
                answer = sock.recv(100)
                break
        except ConnectionRefusedError:
            time.sleep(0.0005)
    took = (time.monotonic() - begin) * 1000
    process.terminate()
    process.wait()
    assert answer.startswith(b"HTTP/1.1 200"), answer
    return took


def measure_start(folder):
    data = tempfile.mkdtemp(prefix="flowhost-bench-")
    with Host(folder, data_dir=data, binary=BINARY, args=["--shards", "1"]) as host:
        count = fill(host)
    result = statistics.median(first_answer_ms(folder, data) for _ in range(5))
    shutil.rmtree(data)
    return {"runs": count, "ms": result}


def measure_register():
    flows = os.path.join(ROOT, "flows")
    with Host(flows, binary=BINARY, args=["--shards", "1", "--log-level", "info"]) as upstream:
        env = {name: f"{upstream.url}/demo/{path}" for name, path in
               (("USER_URL", "users"), ("COUPON_URL", "coupons"), ("MESSAGE_URL", "messages"))}
        with Host(flows, binary=BINARY, args=["--shards", "1"], env=env) as host:
            return load(host, "/register", 64, method="POST", body='{"phone":"13800000000"}')


EXPRESSIONS_US = {"condition": 1, "template": 10, "request": 10, "check": 1000}  # by the first word of a figure


def measure_expressions(row):
    """What conditions, templates and request blocks of rules take by themselves."""
    env = {**os.environ, "LUA_PATH": f"{ROOT}/lua/?.lua;{ROOT}/tests/lua/?.lua;;"}
    done = subprocess.run(["luajit", os.path.join(ROOT, "tests", "bench", "bench_expr.lua")], env=env,
                          capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        name, compiled, interpreted = line.split("\t")
        row(name, f"{EXPRESSIONS_US[name.split()[0]]} us", f"{compiled} us ({interpreted} interpreted)",
            us=float(compiled), interpreted_us=float(interpreted))


def measure_jsonata(row):
    """JSONata beside its reference in JavaScript."""
    for what, theirs, ours, ratio in bench_jsonata.measure() or []:
        row(f"jsonata: {what}", f"{bench_jsonata.REACH} x node", f"{ratio:.1f} x ({ours:.1f} us)",
            us=ours, node_us=theirs, ratio=ratio)


def main():
    # the host looks at the folder around its own, too: in /tmp others would wake it
    scratch = tempfile.mkdtemp(prefix="flowhost-bench-")
    folder = os.path.join(scratch, "flows")
    os.mkdir(folder)
    write_flows(folder)
    rows = []

    def row(what, reach, got, **figures):
        rows.append({"what": what, "reach": reach, "got": got, **figures})
        print(f"{what:<62} {reach:>22} {got:>30}", flush=True)

    print(f"{'what':<62} {'reach':>22} {'got':>30}")
    with Host(folder, binary=BINARY, args=["--shards", "1"]) as host:
        rate, p50, p99 = load(host, "/const", 64)
        row("constant flow, never, 64 connections", "60,000 req/s", f"{rate:,.0f} req/s", rate=rate, p50=p50, p99=p99)
        rate, p50, p99 = load(host, "/steps", 256, method="POST", body="{}")
        row("5 pure steps, always, 256 connections", "25,000 runs/s", f"{rate:,.0f} runs/s", rate=rate, p50=p50, p99=p99)
        rate, p50, p99 = load(host, "/steps", 1, method="POST", body="{}")
        row("5 pure steps, always, 1 connection, p50", "0.6 ms", f"{p50:.2f} ms", rate=rate, p50=p50, p99=p99)
    rate, p50, p99 = measure_register()
    row("register, always, 3 upstream calls, 64 connections", "4,000 runs/s", f"{rate:,.0f} runs/s",
        rate=rate, p50=p50, p99=p99)
    idle = measure_idle(folder)
    row("idle: resident memory", "30 MB", f"{idle['rss_mb']:.1f} MB", **idle)
    row("idle: wakeups", "5 /s", f"{idle['wakeups_per_s']:.1f} /s")
    start = measure_start(folder)
    row(f"start to first answer, {start['runs']:,} finished runs", "100 ms", f"{start['ms']:.0f} ms", **start)
    bench_engine.measure(row)
    reload = bench_reload.measure()
    row(f"hot reload of {bench_reload.FILES:,} files, one saved under load", "200 ms", f"{reload['ms']:.0f} ms", **reload)
    login = bench_login.measure()
    row(f"p99 of other requests while {bench_login.RATE}/s log in", "20 ms", f"{login['p99']:.1f} ms", **login)
    measure_expressions(row)
    measure_jsonata(row)
    bench_rules.measure(row, wrk)
    bench_machines.measure(row, wrk)
    shutil.rmtree(scratch)
    with open(os.path.join(ROOT, "build", "bench.json"), "w", encoding="utf-8") as file:
        json.dump({"processors": os.cpu_count(), "rows": rows}, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main()
