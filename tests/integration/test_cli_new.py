# SPDX-License-Identifier: MIT
"""flowhost new and completion; backup and restore as a person uses them."""
import os
import shutil
import subprocess
import tempfile
import unittest

from suite import FolderCase, Host, ask, run_program, start_run


class New(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="flowhost-test-"))

    def new(self, *words):
        return run_program("new", *words, cwd=self.folder)

    def test_what_it_writes_works(self):
        code, out, err = self.new("greet")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out.splitlines(), ["wrote flows/greet.lua and flows/greet_test.lua", "next:",
                                            "  flowhost test flows", "  flowhost flows/",
                                            "  curl -X POST localhost:8080/greet -d '{\"name\":\"Ada\"}'"])
        self.assertEqual(run_program("check", "flows", cwd=self.folder), (0, "flows: no problems found\n", ""))
        code, out, err = run_program("test", "flows", cwd=self.folder)
        self.assertEqual((code, err), (0, ""), out)
        with Host(os.path.join(self.folder, "flows")) as host:
            answer = ask(host, "POST", "/greet", {"name": "Ada"})
            self.assertEqual((answer.status, answer.body), (200, {"greeting": "Hello, Ada!"}))

    def test_in_a_folder_of_its_own(self):
        code, out, _ = self.new("shop/order", "--dir", "my/flows/")
        self.assertEqual(code, 0)
        self.assertIn("wrote my/flows/shop/order.lua and my/flows/shop/order_test.lua\n", out)
        code, out, err = run_program("test", "my/flows", cwd=self.folder)
        self.assertEqual((code, err), (0, ""), out)

    def test_it_replaces_nothing(self):
        for there in ("greet.lua", "greet_test.lua"):
            with self.subTest(there):
                flows = os.path.join(self.folder, "flows")
                os.makedirs(flows)
                with open(os.path.join(flows, there), "w", encoding="utf-8") as file:
                    file.write("mine")
                code, out, err = self.new("greet")
                self.assertEqual((code, out), (1, ""))
                self.assertEqual(err, f"flowhost: file flows/{there} exists; give the flow another name, or remove it\n")
                self.assertEqual(os.listdir(flows), [there])
                shutil.rmtree(flows)

    def test_names_that_are_none(self):
        for name in ("", "../x", "a b", "a/", "a//b", ".x", "-x", "a.lua", "flowhost/x", "lib/x", "a/_b", "x_test",
                     "host", "v1/x", "healthz"):
            code, out, _ = self.new(name)
            self.assertEqual((code, out), (2, ""), name)
        self.assertEqual(os.listdir(self.folder), [])


class Completion(unittest.TestCase):

    @unittest.skipUnless(shutil.which("bash"), "there is no bash")
    def test_bash(self):
        code, out, err = run_program("completion", "bash")
        self.assertEqual((code, err), (0, ""))
        script = out + """
            COMP_WORDS=(flowhost run-s); COMP_CWORD=1; _flowhost; echo "${COMPREPLY[@]}"
            COMP_WORDS=(flowhost recover --dr); COMP_CWORD=2; _flowhost; echo "${COMPREPLY[@]}"
        """
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.split(), ["run-show", "--dry-run"])

    def test_others(self):
        for shell, word in (("zsh", "#compdef flowhost"), ("fish", "complete -c flowhost")):
            code, out, _ = run_program("completion", shell)
            self.assertEqual(code, 0)
            self.assertIn(word, out)
        self.assertEqual(run_program("completion", "csh")[0], 2)


class Backup(FolderCase):
    FLOWS = {"add.lua": "return function(ctx, input) return ctx.step('add', function() return input.a + 1 end) end"}

    def setUp(self):
        super().setUp()
        self.data, self.file = os.path.join(self.scratch, "data"), os.path.join(self.scratch, "backup.mdb")

    def test_a_host_on_what_was_restored(self):
        host = self.serve(data_dir=self.data)
        run = start_run(host, "add", {"a": 1}).run
        self.assertEqual(run_program("backup", self.file, "--data", self.data),
                         (0, f"backed up {self.data} to {self.file}\n", ""))
        later = start_run(host, "add", {"a": 2}).run
        other = os.path.join(self.scratch, "other")
        self.assertEqual(run_program("restore", self.file, env={"FLOWHOST_DATA": other}),
                         (0, f"restored {self.file} to {other}\n", ""))
        host = self.serve(data_dir=other)
        self.assertEqual(ask(host, "GET", f"/v1/runs/{run}").body["output"], 2)
        self.assertEqual(ask(host, "GET", f"/v1/runs/{later}").status, 404)

    def test_what_they_refuse(self):
        code, out, err = run_program("backup", self.file, "--data", self.data)
        self.assertEqual((code, out), (1, ""))
        self.assertEqual(err, f"flowhost: there is no file {self.data}/data.mdb; name the right one\n")
        code, out, err = run_program("restore", self.file, "--data", self.data)
        self.assertEqual((code, err), (1, f"flowhost: there is no file {self.file}; name the right one\n"))
        with open(self.file, "w", encoding="utf-8") as file:
            file.write("not a backup")
        code, out, err = run_program("restore", self.file, "--data", self.data)
        self.assertEqual(code, 1)
        self.assertIn(f"file {self.file} is damaged or not a store", err)
        self.serve(data_dir=self.data)
        code, out, err = run_program("backup", self.file, "--data", self.data)
        self.assertEqual((code, err), (1, f"flowhost: file {self.file} exists; name another file, or remove it\n"))


if __name__ == "__main__":
    unittest.main()
