#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `cmake --install` puts down is enough: builds a program against it, runs it under valgrind, looks at the files.

    run_embed.py BUILD...     build folders; one that does not exist is passed over
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SECONDS = 300
RUNS = ["order", '{"cents":250,"to":"Ada"}', "poor", "null"]
OUTPUT = """flowhost %s
order: 200 {"parcel":"P-1","receipt":1}
poor: 200 {"code":"CARD_DECLINED","message":"there is not that much on the card","ok":false}
"""


def run(*words, env=None, code=0):
    """The standard output; fails with all output when the exit code is another."""
    result = subprocess.run(words, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    if result.returncode != code:
        raise AssertionError(f"{' '.join(words)}: exit code {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def read_cache(build):
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
        return dict(re.findall(r"^(\w+):\w+=(.*)$", file.read(), re.MULTILINE))


class InstalledCase(unittest.TestCase):
    """One build folder, installed into a prefix of its own. `BUILD` is set by main."""
    BUILD = None

    @classmethod
    def setUpClass(cls):
        if cls.BUILD is None:
            raise unittest.SkipTest("no build folder")
        cls.temp = tempfile.mkdtemp(prefix="fh_embed_")
        cls.addClassCleanup(shutil.rmtree, cls.temp)
        cls.prefix = os.path.join(cls.temp, "prefix")
        cls.cache = read_cache(cls.BUILD)
        cls.is_sanitized = cls.cache.get("FLOWHOST_SANITIZE") == "ON"
        run("cmake", "--install", cls.BUILD, "--prefix", cls.prefix)
        cls.program = os.path.join(cls.prefix, "bin", "flowhost")
        cls.pkg_config = cls.find_folder("flowhost.pc")
        cls.lib = cls.find_folder("libflowhost.so")

    @classmethod
    def find_folder(cls, name):
        for folder, _, names in os.walk(cls.prefix):
            if name in names:
                return folder
        raise AssertionError(f"{name} was not installed")

    def build_embed(self):
        """The program, built from copies: nothing of the source tree is at hand."""
        source, build = os.path.join(self.temp, "source"), os.path.join(self.temp, "build")
        shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        env = dict(os.environ, PKG_CONFIG_PATH=self.pkg_config)
        flags = "-fsanitize=address,undefined" if self.is_sanitized else ""
        run("cmake", "-S", source, "-B", build, f"-DCMAKE_C_FLAGS={flags}", env=env)
        run("cmake", "--build", build, env=env)
        return os.path.join(build, "embed"), os.path.join(source, "flows")

    def version(self):
        env = dict(os.environ, PKG_CONFIG_PATH=self.pkg_config)
        return run("pkg-config", "--modversion", "flowhost", env=env).strip()

    def test_program_embeds_it(self):
        program, flows = self.build_embed()
        data = os.path.join(self.temp, "data")
        words = [program, data, flows, *RUNS]
        if not self.is_sanitized:
            words = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", *words]
        env = dict(os.environ, LD_LIBRARY_PATH=self.lib, FLOWHOST_LOG_LEVEL="warn")
        self.assertEqual(run(*words, env=env), OUTPUT % self.version())
        # A second time, on the data of the first.
        self.assertEqual(run(*words, env=env), OUTPUT % self.version())

    def test_installed_program_runs(self):
        self.assertEqual(run(self.program, "version"), f"flowhost {self.version()}\n")
        flow = os.path.join(self.temp, "hello.lua")
        with open(flow, "w", encoding="utf-8") as file:
            file.write("return function(_, input) return { hello = input } end\n")
        self.assertIn('{"hello":7}', run(self.program, "run", flow, "--input", "7"))

    def test_header_is_c_and_cpp(self):
        for ending, compiler in (("c", "cc"), ("cpp", "c++")):
            if shutil.which(compiler):
                source = os.path.join(self.temp, f"header.{ending}")
                with open(source, "w", encoding="utf-8") as file:
                    file.write("#include <flowhost.h>\nint used(void);\nint used(void) { return FLOWHOST_E_USAGE; }\n")
                run(compiler, "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only",
                    "-I", os.path.join(self.prefix, "include"), source)

    def test_only_flowhost_is_exported(self):
        if self.is_sanitized:
            self.skipTest("the sanitizers export names of their own")
        table = run("nm", "-D", "--defined-only", os.path.join(self.lib, "libflowhost.so"))
        names = {line.split()[-1] for line in table.splitlines()}
        with open(os.path.join(self.prefix, "include", "flowhost.h"), encoding="utf-8") as file:
            declared = set(re.findall(r"^FLOWHOST_API .*?\b(flowhost_\w+)\(", file.read(), re.MULTILINE))
        self.assertEqual(names, declared)

    def test_no_path_of_the_build_is_left(self):
        if self.cache.get("CMAKE_BUILD_TYPE") != "Release" or self.cache.get("FLOWHOST_TREE") == "ON":
            self.skipTest("only a release build is free of them")
        for path in (self.program, os.path.join(self.lib, "libflowhost.so")):
            with open(path, "rb") as file:
                content = file.read()
            for folder in (ROOT, os.path.abspath(self.BUILD), self.prefix):
                self.assertNotIn(folder.encode() + b"/", content, f"{path} names {folder}")
            dynamic = run("readelf", "-d", path)
            self.assertNotRegex(dynamic, r"\((RPATH|RUNPATH)\)")


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite()
    for build in builds:
        name = f"Installed_{os.path.basename(os.path.abspath(build))}"
        suite.addTests(loader.loadTestsFromTestCase(type(name, (InstalledCase,), {"BUILD": build})))
    return suite


if __name__ == "__main__":
    builds = sorted({os.path.realpath(word) for word in sys.argv[1:]
                     if os.path.exists(os.path.join(word, "CMakeCache.txt"))})
    if not builds:
        sys.exit("usage: run_embed.py BUILD...")
    unittest.main(argv=sys.argv[:1], verbosity=2)
