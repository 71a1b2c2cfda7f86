#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the documentation: README.md, docs/guide and docs/reference. A fenced block is one of

    lua       first line "-- flows/x.lua": written to the document's folder; else compiled, in ctx.md run as a flow
    console   "$ command" and what it prints, run in order; "$ flowhost flows/" (or ./dev run) starts the host anew
    json, c   parsed; compiled with -fsyntax-only against include/
    js        a program for node; without node or build/node its commands are left out
    text      not run

A json or js block below a line such as "`flows/x.asl.json`:" is written to that file in the document's folder.

In the output, run ids, times, hashes and durations of the document stand for any other, "..." for any text, and a
line of only "..." for any lines. A run id of the document that an output showed may be used in later commands.
Port 8080 stands for a free one.

    run_docs.py [DOCUMENT...]
"""
import glob
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from harness import ROOT, HarnessError, wait_until  # noqa: E402  pylint: disable=wrong-import-position

SECONDS, READ_SECONDS = 30, 10
KINDS = ("lua", "console", "json", "c", "js", "text")
NODE = os.path.join(ROOT, "build", "node", "node_modules")
WITH_EXAMPLES = {"README.md", "docs/reference/ctx.md", "docs/reference/http.md"}  # begin with a copy of flows/
SERVED = {"docs/reference/ctx.md"}  # ... and a host that serves it; their lua blocks run as flows


def binary():
    return os.environ.get("FLOWHOST_BINARY") or os.path.join(ROOT, "build", "debug", "flowhost")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def free_port():
    """A free port of four digits, so that lines are as long as those with 8080."""
    for port in random.sample(range(6100, 8000), 500):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free")


def documents():
    found = ["README.md"]
    for folder in ("docs/guide", "docs/reference"):
        found += sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, folder, "*.md")))
    return found


class Block:
    def __init__(self, kind, line, before):
        self.kind, self.line, self.lines = kind, line, []
        named = re.search(r"`([\w./-]+\.(?:json|mjs))`[^`]*:$", before)
        self.file = named and named[1]

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"


def find_blocks(text):
    blocks, current, before = [], None, ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            if current:
                blocks.append(current)
                current = None
            else:
                current = Block(line[3:].strip(), number, before)
                before = ""
        elif current:
            current.lines.append(line)
        else:
            before = line.strip() or before
    assert current is None, "the last block is not closed"
    return blocks


# --- comparing output ---------------------------------------------------------------------------------------------

VARIES = re.compile(r"""
    (?P<id>\b0[0-9A-HJKMNP-TV-Z]{25}\b)
  | (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|\w{3},\ \d\d\ \w{3}\ \d{4}\ \d\d:\d\d:\d\d\ GMT)
  | (?P<hex>\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{12,64}\b|\b[0-9A-F]{32}\b)
  | (?P<ms>"ms":\ ?\d+|\ +\d+(?=\ \ (?:yes|no)\b))
  | (?P<length>Content-Length:\ \d+)
  | (?P<any>\.\.\.)""", re.VERBOSE)
ANY_OF = {
    "time": r"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)",
    "hex": "[0-9a-fA-F]{12,64}", "ms": r'(?:"ms": ?\d+| +\d+)', "length": r"Content-Length: \d+", "any": ".*",
}
RUN_ID = "0[0-9A-HJKMNP-TV-Z]{25}"


def pattern_of(lines, known):
    """The lines as a regular expression; groups named after run ids not in `known` catch what they stand for."""
    parts, caught = [], set()
    for line in lines:
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
            continue
        at = 0
        for match in VARIES.finditer(line):
            parts.append(re.escape(line[at:match.start()]))
            at, kind, text = match.end(), match.lastgroup, match[0]
            if kind != "id":
                parts.append(ANY_OF[kind])
            elif text in known:
                parts.append(re.escape(known[text]))
            else:
                parts.append(f"(?P=r{text})" if text in caught else f"(?P<r{text}>{RUN_ID})")
                caught.add(text)
        parts.append(re.escape(line[at:]) + r"\n")
    return re.compile("".join(parts))


def clean(text):
    lines = [line.rstrip() for line in text.replace("\r", "").splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return lines


# --- running ------------------------------------------------------------------------------------------------------

# What only looks may be looked at again until it shows what is expected: the reader's machine is not in a hurry.
READS = re.compile(r"(sleep [\d.]+; )?curl (?!.* (-X|-d|-i)\b)|sh sfn (Describe|GetExecution)|flowhost (runs|run-show|why|replay|diff|flow-list)\b")
SERVES = re.compile(r"(\./dev run|flowhost flows/?)( --(park-after|max-running|public-url|shards) \S+)*$")


def split_commands(block):
    """[(line number, command, expected lines)]"""
    found = []
    for number, line in enumerate(block.lines, block.line + 1):
        if line.startswith("$ "):
            found.append((number, line[2:], []))
        elif found and found[-1][1].endswith("\\") and not found[-1][2]:
            number_, command, _ = found[-1]
            found[-1] = (number_, command + "\n" + line, [])
        else:
            assert found, f"line {number}: output before the first command"
            found[-1][2].append(line)
    return found


class Session:
    """The folder, the port and the host that one document works with."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.host, self.log_path = None, os.path.join(folder, ".log")
        self.ids, self.last_code = {}, 0
        for place in ("bin", "build", "flows"):
            os.makedirs(os.path.join(folder, place), exist_ok=True)
        for place in ("bin", "build"):
            os.symlink(binary(), os.path.join(folder, place, "flowhost"))
        os.symlink(NODE, os.path.join(folder, "node_modules"))
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FLOWHOST_")},
            "PATH": os.path.join(folder, "bin") + ":" + os.environ.get("PATH", "/usr/bin:/bin"),
            "FLOWHOST_LISTEN": f"127.0.0.1:{self.port}", "FLOWHOST_HOST": f"http://127.0.0.1:{self.port}",
            "FLOWHOST_SHARDS": "2", "LC_ALL": "C", "COLUMNS": "80", "NODE_NO_WARNINGS": "1",
        }

    def to_test(self, text):
        text = text.replace("8080", str(self.port))
        for written, actual in self.ids.items():
            text = text.replace(written, actual)
        return text

    def to_document(self, text):
        return text.replace(str(self.port), "8080")

    def write(self, path, text):
        full = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text.replace("8080", str(self.port)))

    def copy_examples(self):
        for path in glob.glob(os.path.join(ROOT, "flows", "**", "*.*"), recursive=True):
            self.write(os.path.join("flows", os.path.relpath(path, os.path.join(ROOT, "flows"))), read(path))

    def check_output(self, expected, actual):
        match = pattern_of(expected, self.ids).fullmatch("".join(line + "\n" for line in actual))
        if match:
            self.ids.update({name[1:]: value for name, value in match.groupdict().items()})
        return match is not None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return clean(self.to_document(log.read()))

    def serve(self, command, expected):
        self.stop()
        words = self.to_test(command.replace("./dev run", "flowhost flows/")).split()
        with open(self.log_path, "wb") as log:
            self.host = subprocess.Popen(words, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                         stderr=log, executable=binary())

        def is_there():
            if self.host.poll() is not None:
                raise HarnessError(f"the host ended with {self.host.returncode}")
            return any("listening" in line for line in self.log()) and self.check_output(
                expected or ["..."], self.log())
        try:
            wait_until(is_there, SECONDS, "the host to say what the document shows")
        except HarnessError as error:
            raise AssertionError(f"{error}; it said\n" + "\n".join(self.log())) from None

    def run(self, command, expected):
        if SERVES.match(command):
            return self.serve(command, expected)
        if command.startswith("node ") and not has_node():
            return None
        expected = clean("\n".join(expected))
        actual = self.run_once(command)
        deadline = time.monotonic() + (READ_SECONDS if READS.match(command) else 0)
        while not self.check_output(expected, actual):
            if time.monotonic() > deadline:
                raise AssertionError("\n".join(["expected", *expected, "--- but it printed", *actual]))
            time.sleep(0.05)
            actual = self.run_once(command)
        return None

    def run_once(self, command):
        """The lines it prints."""
        done = subprocess.run(["bash", "-c", f"(exit {self.last_code}); {self.to_test(command)}"], cwd=self.folder,
                              env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
        self.last_code = done.returncode
        if command.startswith("kill "):
            self.host.wait(SECONDS)
        return clean(self.to_document(done.stdout.decode("utf-8", "replace")))

    def run_as_flow(self, name, text):
        self.write(f"flows/{name}.lua", f"return function(ctx, input) {text} end\n")
        done = subprocess.run([binary(), "run", f"flows/{name}.lua"], cwd=self.folder, env=self.env, text=True,
                              capture_output=True, timeout=SECONDS, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)

    def stop(self):
        if self.host and self.host.poll() is None:
            self.host.kill()
        if self.host:
            self.host.wait(SECONDS)


def has_node():
    return shutil.which("node") is not None and os.path.isdir(NODE)


def compile_lua(text):
    program = 'local ok, why = loadstring(io.read("*a"), "=block"); if not ok then io.stderr:write(why); os.exit(1) end'
    done = subprocess.run(["luajit", "-e", program], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def compile_c(text):
    done = subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                           "-I", os.path.join(ROOT, "include"), "-x", "c", "-"],
                          input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


class Document:
    def __init__(self, path, folder):
        self.path, self.session = path, Session(folder)

    def begin(self):
        if self.path in WITH_EXAMPLES:
            self.session.copy_examples()
        if self.path in SERVED:
            self.session.serve("flowhost flows/", [])

    def run_block(self, block):
        named = re.match(r"-- (flows/[\w./-]+\.lua)$", block.lines[0]) if block.lines else None
        if block.kind == "lua" and named:
            self.session.write(named[1], block.text)
        elif block.kind == "lua" and self.path in SERVED:
            self.session.run_as_flow(f"example_{block.line}", block.text)
        elif block.kind == "lua":
            compile_lua(block.text)
        elif block.kind in ("json", "js"):
            if block.kind == "json":
                json.loads(block.text)
            if block.file:
                self.session.write(block.file, block.text)
        elif block.kind == "c":
            compile_c(block.text)
        elif block.kind == "console":
            for line, command, expected in split_commands(block):
                try:
                    self.session.run(command, expected)
                except AssertionError as error:
                    raise AssertionError(f"line {line}: $ {command}\n{error}") from None
        else:
            assert block.kind == "text", f"a block is one of {', '.join(KINDS)}, not '{block.kind}'"


class Documents(unittest.TestCase):
    """One test a document is added below."""

    def run_document(self, path):
        with tempfile.TemporaryDirectory(prefix="flowhost-docs-") as folder:
            document = Document(path, folder)
            try:
                document.begin()
                for block in find_blocks(read(path)):
                    self.run_block(document, block)
            finally:
                document.session.stop()

    def run_block(self, document, block):
        failure = None
        try:
            document.run_block(block)
        except AssertionError as error:
            failure = f"{document.path}:{block.line}: {error}"
        if failure:
            self.fail(failure)


def add_document(path):
    setattr(Documents, "test_" + re.sub(r"\W", "_", path), lambda self: self.run_document(path))


# --- whether anything is left out -----------------------------------------------------------------------------------

def keys_of_return(text):
    """Names in the table that a Lua module of ctx returns last."""
    body, depth, names = text.rpartition("\nreturn {")[2], 0, []
    for match in re.finditer(r'[{}]|(?:\["(\w+)"\]|\b(\w+)) = ', body):
        if match[0] in "{}":
            depth += 1 if match[0] == "{" else -1
        elif depth == 0:
            names.append(match[1] or match[2])
    return names


class Complete(unittest.TestCase):

    def assert_names(self, document, names):
        text = read(document)
        missing = sorted(name for name in set(names)
                         if not re.search(r"(?<![\w.])" + re.escape(name) + r"(?!\w)", text))
        self.assertEqual(missing, [], f"missing in {document}")

    def test_settings(self):
        rows = re.findall(r'^    \{ "(\w+)", "([^"]*)", "(\w+)"', read("lua/flowhost/cli/settings.lua"), re.M)
        rows = [(name, f"`{default}`" if default else "none", kind) for name, default, kind in rows]
        self.assertGreater(len(rows), 10)
        table = read("docs/guide/operating.md")
        self.assertEqual([row for row in rows if f"| `{row[0]}` | {row[1]} | {row[2]} |" not in table], [])
        self.assertEqual(sorted(re.findall(r"^\| `(\w+)` \| (?:`[^`]+`|none) \| \w+ \|", table, re.M)),
                         sorted(name for name, _, _ in rows))
        man = read("docs/flowhost.1")
        self.assertEqual([name for name, _, _ in rows if not re.search(rf"^\.It {name}$", man, re.M)], [])

    def test_error_codes(self):
        codes = re.findall(r'X\(FH_E_\w+, -\d+, "(\w+)"', read("core/base/error.h"))
        self.assertGreater(len(codes), 20)
        for path in glob.glob(os.path.join(ROOT, "lua", "flowhost", "**", "*.lua"), recursive=True):
            text = read(path)
            codes += re.findall(r'(?:error_object\.(?:new|raise)|error_new|raise)\(\s*"([A-Z_]+)"', text)
            codes += re.findall(r'problem\.send\(\w+, \d+, "([A-Z_]+)"', text)
            codes += re.findall(r'code = "([A-Z_]+)"', text)
        for path in glob.glob(os.path.join(ROOT, "core", "http", "*.c")):
            codes += re.findall(r', [45]\d\d, "([A-Z_]+)"', read(path))
        self.assert_names("docs/reference/errors.md", codes)

    def test_routes(self):
        routes = re.findall(r'router\.add\("([A-Z]+)", "([^"]+)"', read("lua/flowhost/api/init.lua"))
        self.assertGreater(len(routes), 8)
        text = read("docs/reference/http.md") + read("docs/reference/cli.md")
        wanted = {f"{method} {path.replace('+}', '}')}" for method, path in routes}
        self.assertEqual(sorted(route for route in wanted if route not in text), [])

    def test_ctx(self):
        names = []
        for path in glob.glob(os.path.join(ROOT, "lua", "flowhost", "ctx", "*.lua")):
            if "\nreturn {" in read(path):  # else it has no verbs
                names += keys_of_return(read(path))
        self.assertGreater(len(names), 20)
        self.assert_names("docs/reference/ctx.md", ["ctx." + name for name in names])

    def test_tables(self):
        names = re.findall(r'X\(FH_TABLE_\w+, "(\w+)"\)', read("core/store/tables.h"))
        self.assertGreater(len(names), 8)
        self.assert_names("docs/formats.md", names)

    def test_header(self):
        names = re.findall(r"^FLOWHOST_API .*?(flowhost_\w+)\(", read("include/flowhost.h"), re.M)
        self.assert_names("docs/reference/embedding.md", names)

    def test_links(self):
        for path in ["README.md", *(os.path.relpath(p, ROOT) for p in
                                    glob.glob(os.path.join(ROOT, "docs", "**", "*.md"), recursive=True))]:
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(path)):
                target = os.path.normpath(os.path.join(ROOT, os.path.dirname(path), link))
                self.assertTrue(os.path.exists(target), f"{path} links to {link}")

    def test_man_page(self):
        if not shutil.which("man"):
            self.skipTest("there is no man")
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z",
                               os.path.join(ROOT, "docs", "flowhost.1")], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, check=False, env={**os.environ, "MANWIDTH": "80"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        names = re.findall(r'parser:command\("(\w+)"', read("lua/flowhost/cli/arguments.lua"))
        names += [re.search(r'name = "([\w-]+)"|new\("(\w+)"', read(path)).group(1, 2)[0] or os.path.basename(path)[:-4]
                  for path in glob.glob(os.path.join(ROOT, "lua/flowhost/cli/commands/*.lua"))
                  if not path.endswith("init.lua")]
        for name in names:
            self.assertRegex(read("docs/flowhost.1"), rf"\b{name}\b")
            self.assertRegex(read("docs/reference/cli.md"), rf"\b{name}\b")


if __name__ == "__main__":
    chosen = [word for word in sys.argv[1:] if not word.startswith("-")]
    for one in chosen or documents():
        add_document(one)
    if chosen:
        del Complete
    unittest.main(argv=[sys.argv[0], *(word for word in sys.argv[1:] if word.startswith("-"))])
