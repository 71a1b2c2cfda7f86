#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the layers of DESIGN §2 and the shape of core/ and lua/; prints file:line for each violation.

    layers.py [--root DIR] [--objects BUILD_DIR]     exit code 1 when something is wrong
    layers.py --self-test                            breaks each rule in a small tree and expects to be told

With --objects the compiled objects are asked for writable file-scope variables; without, that rule is skipped.
A new directory, library or Lua layer is declared in the tables below, nowhere else.
"""
import argparse
import collections
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

# --- what is allowed --------------------------------------------------------------------------------------------

CORE_LAYERS = [("base",), ("loop", "crypto"), ("store", "http", "client", "process"), ("vm",), ("host",)]
CORE_LEVEL = {name: level for level, names in enumerate(CORE_LAYERS) for name in names}
PUBLIC_HEADER = "flowhost.h"  # for host, which implements it, and for main.c

HEADER_OWNER = [
    (r"ev(\+\+)?\.h", "loop"),
    (r"microhttpd\.h", "http"),
    (r"curl/.*", "client"),
    (r"lmdb\.h", "store"),
    (r"sodium(/.*)?\.h", "crypto"),
    (r"openssl/.*", "crypto"),
    (r"lua.*\.h|lauxlib\.h", "vm"),
]
STANDARD_HEADER = re.compile(r"""
    (assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdalign|stdarg|stdatomic
    |stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|time|uchar|wchar|wctype
    |dirent|dlfcn|endian|err|execinfo|fcntl|fnmatch|ftw|getopt|glob|grp|ifaddrs|immintrin|libgen|malloc|netdb|nmmintrin
    |poll|pthread|pwd|sched|semaphore|spawn|syslog|termios|ucontext|unistd|utime|x86intrin)\.h
    |(arpa|linux|net|netinet|sanitizer|sys|valgrind)/.*\.h""", re.VERBOSE)
PKG_CONFIG = ["luajit", "libmicrohttpd", "libcurl", "libsodium", "openssl"]
MAY_HOLD_STATE = {"core/main.c", "core/base/log.c", "core/base/fault.c"}

LUA_PURE = {"expr", "schema", "json", "codec"}
LUA_MAY_REQUIRE = {name: LUA_PURE for name in LUA_PURE}
LUA_MAY_REQUIRE["dialect"] = LUA_PURE
LUA_MAY_REQUIRE["flow"] = LUA_MAY_REQUIRE["dialect"] | {"dialect"}
LUA_MAY_REQUIRE["engine"] = LUA_MAY_REQUIRE["flow"] | {"flow"}
LUA_MAY_REQUIRE["ctx"] = LUA_MAY_REQUIRE["tasks"] = LUA_MAY_REQUIRE["engine"] | {"engine"}
LUA_MAY_REQUIRE["api"] = LUA_MAY_REQUIRE["cli"] = LUA_MAY_REQUIRE["ctx"] | {"ctx", "tasks"}
LUA_MAY_REQUIRE["testing"] = LUA_MAY_REQUIRE["api"]
LUA_MAY_WIRE = {"testing"}  # starts whole hosts of its own, in memory
LUA_WITHOUT_C = LUA_PURE | {"dialect"}
LUA_C_BINDING = re.compile(r"(host|flowhost\.core)(\..*)?$")

Violation = collections.namedtuple("Violation", "file line text")


def read_lines(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def find_files(root, folder, endings):
    for where, folders, names in os.walk(os.path.join(root, folder)):
        folders.sort()
        for name in sorted(names):
            if name.endswith(endings):
                yield os.path.relpath(os.path.join(where, name), root)


# --- core: includes ---------------------------------------------------------------------------------------------

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def check_own_include(directory, path):
    """What is wrong with `#include "path"` in core/<directory>/, or None."""
    if path == PUBLIC_HEADER:
        return None if directory == "host" else "flowhost.h is for host and main.c only"
    target = path.split("/")[0] if "/" in path else directory
    if target not in CORE_LEVEL:
        return f'"{path}" is in no declared layer'
    if target == directory or CORE_LEVEL[target] < CORE_LEVEL[directory]:
        return None
    if CORE_LEVEL[target] == CORE_LEVEL[directory]:
        return f'{directory} includes its sibling {target} ("{path}")'
    return f'{directory} includes {target} above it ("{path}")'


def check_foreign_include(directory, path):
    for pattern, owner in HEADER_OWNER:
        if re.fullmatch(pattern, path):
            return None if owner == directory else f"<{path}> belongs to {owner}, not to {directory}"
    if STANDARD_HEADER.fullmatch(path):
        return None
    return f"<{path}> has no owner: declare it in layers.py (and docs/decisions)"


def check_core_includes(root):
    for file in find_files(root, "core", (".c", ".h")):
        directory = file.split("/")[1]
        is_main = file == "core/main.c"
        if not is_main and directory not in CORE_LEVEL:
            yield Violation(file, 1, f"core/{directory} is no declared layer")
            continue
        for number, line in enumerate(read_lines(os.path.join(root, file)), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            form, path = match.groups()
            if is_main:
                allowed = path == PUBLIC_HEADER if form == '"' else STANDARD_HEADER.fullmatch(path)
                text = None if allowed else f"main.c includes {path}; only flowhost.h and standard headers"
            elif form == '"':
                text = check_own_include(directory, path)
            else:
                text = check_foreign_include(directory, path)
            if text:
                yield Violation(file, number, text)


def check_core_names(root):
    seen = {}
    for file in find_files(root, "core", (".c", ".h")):
        folder, stem = os.path.dirname(file), os.path.splitext(os.path.basename(file))[0]
        if seen.setdefault(stem, folder) != folder:
            yield Violation(file, 1, f"file name {stem} is already used in {seen[stem]}")


# --- core: headers ----------------------------------------------------------------------------------------------

def include_flags():
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-Icore", "-Iinclude", "-Wall", "-Werror"]
    for package in PKG_CONFIG:
        found = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True)
        flags += found.stdout.split() if found.returncode == 0 else []
    return flags


def compile_alone(root, file, flags):
    command = ["cc", "-fsyntax-only", "-x", "c", *flags, "-include", file, "/dev/null"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    reason = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
    return Violation(file, 1, f"does not compile alone: {reason}")


def check_headers(root):
    headers = [*find_files(root, "core", (".h",)), *find_files(root, "include", (".h",))]
    for file in headers:
        if not any(line.strip() == "#pragma once" for line in read_lines(os.path.join(root, file))):
            yield Violation(file, 1, "has no #pragma once")
    flags = include_flags()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        yield from filter(None, pool.map(lambda file: compile_alone(root, file, flags), headers))


# --- core: state ------------------------------------------------------------------------------------------------

# `objdump -t`: value, seven flags, section, size, name. Constants that hold addresses lie in .data.rel.ro*.
SYMBOL = re.compile(r"[0-9a-f]+ .{6}(?P<kind>[ O]) (?P<section>\S+)\s+[0-9a-f]+ (?:\.hidden )?(?P<name>\S+)$")
WRITABLE_SECTION = re.compile(r"(\.bss|\.data|\.tbss|\.tdata|\*COM\*)(\.(?!rel\.ro).*)?$")
SANITIZER_NAME = re.compile(r"__(asan|odr_asan|ubsan|sancov|start|stop)|\.L")


def writable_symbols(object_file):
    done = subprocess.run(["objdump", "-t", object_file], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        match = SYMBOL.match(line)
        if not match or not WRITABLE_SECTION.match(match["section"]) or SANITIZER_NAME.match(match["name"]):
            continue
        if match["kind"] == "O" or match["section"].startswith(".t"):
            yield match["name"]


def line_of(root, file, symbol):
    name = re.compile(rf"\b{re.escape(symbol.split('.')[0])}\b")
    lines = read_lines(os.path.join(root, file))
    return next((number for number, line in enumerate(lines, 1) if name.search(line)), 1)


def check_state(root, objects):
    for item in find_files(objects, ".", (".c.o",)):
        match = re.search(r"\.dir/(core/.*\.c)\.o$", item)
        if not match or match[1] in MAY_HOLD_STATE or not os.path.exists(os.path.join(root, match[1])):
            continue
        for symbol in sorted(set(writable_symbols(os.path.join(objects, item)))):
            yield Violation(match[1], line_of(root, match[1], symbol), f"writable file-scope variable {symbol}")


# --- lua --------------------------------------------------------------------------------------------------------

REQUIRE = re.compile(r"""\brequire\s*\(?\s*(["'])([\w.\-]+)\1""")
LUA_COMMENT = re.compile(r"--.*")


def requires_of(root, file):
    for number, line in enumerate(read_lines(os.path.join(root, file)), 1):
        for match in REQUIRE.finditer(LUA_COMMENT.sub("", line)):
            yield number, match[2]


def lua_place(file):
    """(layer or None, module) of lua/flowhost/...: a file directly there belongs to no layer unless it has its name."""
    parts = file[len("lua/flowhost/"):-len(".lua")].split("/")
    layer = parts[0] if len(parts) > 1 or parts[0] in LUA_MAY_REQUIRE else None
    return layer, "flowhost." + ".".join(parts)


def find_wiring(root, files):
    """Modules directly in lua/flowhost/ that reach beyond the pure layers: they see all, no layer sees them."""
    needs = {}
    for file in files:
        layer, module = lua_place(file)
        if layer is None:
            needs[module] = {name for _, name in requires_of(root, file)}
    wiring, before = set(), None
    while wiring != before:
        before = set(wiring)
        for module, names in needs.items():
            for name in names:
                top = name.split(".")[1] if name.startswith("flowhost.") else None
                above = top in LUA_MAY_REQUIRE and top not in LUA_PURE
                if above or name in wiring or LUA_C_BINDING.match(name):
                    wiring.add(module)
    return wiring


def check_require(layer, name, wiring):
    if LUA_C_BINDING.match(name):
        return f"{layer} is pure and requires the C binding {name}" if layer in LUA_WITHOUT_C else None
    if not name.startswith("flowhost."):
        return None
    target = name.split(".")[1]
    if target not in LUA_MAY_REQUIRE:
        is_refused = name in wiring and layer not in LUA_MAY_WIRE
        return f"{layer} requires {name}, which wires all layers together" if is_refused else None
    if target == layer or target in LUA_MAY_REQUIRE[layer]:
        return None
    return f"{layer} may not require {target} ({name})"


def check_lua(root):
    files = list(find_files(root, "lua/flowhost", (".lua",)))
    wiring = find_wiring(root, files)
    for file in files:
        layer, _ = lua_place(file)
        if layer is None:
            continue
        if layer not in LUA_MAY_REQUIRE:
            yield Violation(file, 1, f"lua/flowhost/{layer} is no declared layer")
            continue
        for number, name in requires_of(root, file):
            text = check_require(layer, name, wiring)
            if text:
                yield Violation(file, number, text)


# --- all together -----------------------------------------------------------------------------------------------

def check_all(root, objects=None):
    found = [*check_core_includes(root), *check_core_names(root), *check_headers(root), *check_lua(root)]
    if objects:
        found += check_state(root, objects)
    return sorted(set(found))


BAD_TREE = {
    "core/base/good.h": "#pragma once\n#include <stddef.h>\nstruct fh_good { size_t len; };\n",
    "core/base/up.c": '#include "vm/gate.h"\n',
    "core/base/good.c": '#include "base/good.h"\nconst char *const texts[] = {"a"};\n',
    "core/base/count.c": "int counter_of_calls;\nint next(void);\nint next(void) { static int last = 1;\n"
                         "static _Thread_local int mine; return last++ + mine++ + counter_of_calls; }\n",
    "core/http/side.c": '#include "base/good.h"\n#include "client/call.h"\n',
    "core/client/call.h": "#pragma once\n",
    "core/client/public.c": '#include "flowhost.h"\n',
    "core/store/foreign.c": "#include <lmdb.h>\n#include <curl/curl.h>\n",
    "core/store/unknown.c": "#include <zlib.h>\n",
    "core/vm/gate.h": "#pragma once\n",
    "core/vm/good.c": '#include "client/call.h"\n',
    "core/host/twice.h": "struct fh_twice { size_t len; };\n",
    "core/extra/x.c": "#include <stdio.h>\n",
    "core/main.c": '#include "flowhost.h"\n#include "base/good.h"\n',
    "include/flowhost.h": "#pragma once\n",
    "lua/flowhost/boot.lua": 'require "flowhost.api.runs"\nrequire("flowhost.engine.run")\n',
    "lua/flowhost/error.lua": "return {}\n",
    "lua/flowhost/expr/cel.lua": "local core = require 'flowhost.core.store'\n-- require 'flowhost.engine.run'\n",
    "lua/flowhost/flow/loader.lua": 'require "flowhost.dialect.asl"\nrequire "flowhost.engine.run"\n',
    "lua/flowhost/engine/run.lua": 'require "flowhost.core.store"\nrequire "flowhost.error"\nrequire "flowhost.boot"\n',
    "lua/flowhost/ctx/sleep.lua": 'require "flowhost.engine.run"\nrequire "flowhost.tasks.queue"\n',
    "lua/flowhost/misc/x.lua": "return 1\n",
}
EXPECTED = [
    ("core/base/up.c", 1, "base includes vm above it"),
    ("core/base/count.c", 1, "writable file-scope variable counter_of_calls"),
    ("core/base/count.c", 3, "writable file-scope variable last"),
    ("core/base/count.c", 4, "writable file-scope variable mine"),
    ("core/http/side.c", 2, "http includes its sibling client"),
    ("core/client/public.c", 1, "flowhost.h is for host"),
    ("core/store/foreign.c", 2, "<curl/curl.h> belongs to client"),
    ("core/store/unknown.c", 1, "<zlib.h> has no owner"),
    ("core/vm/good.c", 1, "file name good is already used"),
    ("core/host/twice.h", 1, "has no #pragma once"),
    ("core/host/twice.h", 1, "does not compile alone"),
    ("core/extra/x.c", 1, "core/extra is no declared layer"),
    ("core/main.c", 2, "main.c includes base/good.h"),
    ("lua/flowhost/expr/cel.lua", 1, "expr is pure and requires the C binding"),
    ("lua/flowhost/flow/loader.lua", 2, "flow may not require engine"),
    ("lua/flowhost/engine/run.lua", 3, "engine requires flowhost.boot, which wires"),
    ("lua/flowhost/ctx/sleep.lua", 2, "ctx may not require tasks"),
    ("lua/flowhost/misc/x.lua", 1, "lua/flowhost/misc is no declared layer"),
]


def self_test():
    """Each rule fires on its bad line, and nothing else does."""
    with tempfile.TemporaryDirectory(prefix="layers-") as root:
        for file, text in BAD_TREE.items():
            path = os.path.join(root, file)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        objects = os.path.join(root, "objects", "fh_base.dir", "core", "base")
        os.makedirs(objects)
        for name in ("good", "count"):
            source = os.path.join(root, "core", "base", name + ".c")
            subprocess.run(["cc", "-fPIC", "-Icore", "-c", source, "-o", os.path.join(objects, name + ".c.o")],
                           cwd=root, check=True)
        found = check_all(root, os.path.join(root, "objects"))
    failures = 0
    for file, line, text in EXPECTED:
        hits = [item for item in found if (item.file, item.line) == (file, line) and text in item.text]
        found = [item for item in found if item not in hits]
        if len(hits) != 1:
            failures += 1
            print(f"{file}:{line}: expected once, found {len(hits)} times: {text}")
    for item in found:
        failures += 1
        print(f"{item.file}:{item.line}: not expected: {item.text}")
    print(f"layers self-test: {len(EXPECTED)} rules tried, {failures} wrong")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    parser.add_argument("--objects", help="build folder whose objects are looked at for file-scope variables")
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    found = check_all(os.path.normpath(args.root), args.objects)
    for item in found:
        print(f"{item.file}:{item.line}: {item.text}")
    print(f"layers: {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
