#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""JSONata beside its reference in JavaScript, same expressions, input and machine: microseconds per evaluation (median
of five rounds, both warm) and how many times faster ours is. The reference is fetched by `npm pack` when it is not
there; without node, npm or network the bench says so and ends well."""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
PACKAGE = "jsonata@2.2.2"
CACHE = os.path.join(ROOT, "build", "bench")
REACH = 3

CASES = [
    ["path of names", "orders.customer.name"],
    ["deep path", "orders.lines.product.sku"],
    ["predicate", "orders[total > 150].id"],
    ["predicate, two conditions", "orders.lines[quantity > 3 and product.color = 'red'].product.sku"],
    ["index", "orders[17].lines[0].product.name"],
    ["sum of products", "$sum(orders.lines.(price * quantity))"],
    ["aggregation", "{'n': $count(orders), 'max': $max(orders.total), 'avg': $average(orders.total)}"],
    ["map", "$map(orders, function($o) { $o.total * 1.2 })"],
    ["filter", "$filter(orders, function($o) { $o.total > 100 }).id"],
    ["reduce", "$reduce(orders.total, function($a, $b) { $a + $b }, 0)"],
    ["string building", "orders.(id & ': ' & customer.name & ' <' & customer.email & '>')"],
    ["string functions", "orders.customer.($uppercase(name) & $substringBefore(email, '@'))"],
    ["sort", "orders^(>total).id"],
    ["sort by two", "orders^(customer.country, >total).id"],
    ["object construction", "orders.{'id': id, 'who': customer.name, 'sum': $sum(lines.(price * quantity))}"],
    ["group by", "orders{customer.country: $sum(total)}"],
    ["recursion", "($f := function($n) { $n < 2 ? $n : $f($n - 1) + $f($n - 2) }; $f(12))"],
    ["tail recursion", "($f := function($n, $a) { $n = 0 ? $a : $f($n - 1, $a + $n) }; $f(300, 0))"],
    ["range and map", "$sum([1..300].($ * $))"],
    ["regular expression", "orders.customer[$contains(email, /^a.*@example/)].name"],
    ["distinct", "$distinct(orders.customer.country)"],
    ["small object", "{'a': orders[0].id, 'b': orders[0].total > 10 ? 'big' : 'small'}"],
]


def make_input():
    """300 orders of three lines each, the same each time."""
    state = 42

    def rand(n):
        nonlocal state
        state = (state * 1103515245 + 12345) % 2147483648
        return state // 65536 % n
    names = ["Alice", "Bob", "Carol", "Dave", "Eve", "Frank", "Grace"]
    orders = []
    for i in range(300):
        lines = [{"price": rand(9000) / 100, "quantity": 1 + rand(6), "product": {
            "sku": f"sku-{rand(500)}", "name": f"product {rand(500)}", "color": ["red", "green", "blue"][rand(3)]}}
            for _ in range(3)]
        name = names[rand(7)]
        orders.append({"id": f"order-{i}", "total": rand(100000) / 100, "lines": lines, "customer": {
            "name": name, "email": f"{name.lower()}@example.com", "country": ["DE", "FR", "US", "CN", "IN"][rand(5)]}})
    return {"orders": orders}


def fetch_reference():
    """Path of jsonata.js, or None and why not."""
    path = os.path.join(CACHE, "package", "jsonata.js")
    if os.path.exists(path):
        return path, None
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            return None, f"{tool} is not there"
    os.makedirs(CACHE, exist_ok=True)
    done = subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=CACHE, capture_output=True, text=True)
    if done.returncode != 0:
        return None, f"npm pack {PACKAGE} failed; is there a network?"
    with tarfile.open(os.path.join(CACHE, done.stdout.split()[-1])) as archive:
        archive.extractall(CACHE, filter="data")
    return path, None


def lines_of(command, **how):
    return subprocess.run(command, capture_output=True, text=True, check=True, **how).stdout.splitlines()


def normal(value):
    """For the comparison of results: numbers to 12 digits."""
    if isinstance(value, dict):
        return {key: normal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [normal(inner) for inner in value]
    return float(f"{value:.12g}") if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def run_both(reference, file, *options):
    env = {**os.environ, "LUA_PATH": f"{ROOT}/lua/?.lua;{ROOT}/tests/lua/?.lua;;"}
    theirs = lines_of(["node", os.path.join(HERE, "bench_jsonata.js"), reference, file, *options])
    ours = lines_of(["luajit", os.path.join(HERE, "bench_jsonata.lua"), file, *options], env=env)
    return theirs, ours


def measure():
    """Rows (what, theirs in us, ours in us, ratio), or None when the reference cannot be had."""
    reference, reason = fetch_reference()
    if not reference:
        print(f"jsonata: left out, {reason}")
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump({"input": make_input(), "cases": CASES}, file)
    try:
        for case, theirs, ours in zip(CASES, *run_both(reference, file.name, "--results")):
            if theirs == "undefined" or normal(json.loads(theirs)) != normal(json.loads(ours)):
                raise SystemExit(f"jsonata: {case[0]} gives {ours[:200]}, not {theirs[:200]}")
        theirs, ours = run_both(reference, file.name)
    finally:
        os.unlink(file.name)
    return [(case[0], float(a), float(b), float(a) / float(b)) for case, a, b in zip(CASES, theirs, ours)]


def main():
    rows = measure()
    if rows is None:
        return 0
    print(f"{'what':<28}{'node, us':>12}{'ours, us':>12}{'ratio':>8}")
    for what, theirs, ours, ratio in rows:
        print(f"{what:<28}{theirs:>12.1f}{ours:>12.1f}{ratio:>8.1f}")
    ratios = [row[3] for row in rows]
    print(f"median {statistics.median(ratios):.1f} times as fast, least {min(ratios):.1f}; to reach: {REACH}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
