# SPDX-License-Identifier: MIT
"""Saved files are served, by every way of saving; overrides; what a signal does. See docs/guide/versions.md."""
import os
import shutil
import signal
import threading
import unittest

from suite import (SECONDS, Background, Client, FolderCase, Host, Problems, Upstream, ask, clients_by_shard, get_run,
                   start_run, wait_for_run, wait_until, write_files)


def returns(word, head=""):
    return f"return {{ {head} run = function() return '{word}' end }}\n"


class ReloadCase(Problems, FolderCase):
    FLOWS = {"a.lua": returns("one"), "b.lua": returns("b", "http = 'GET /b',")}

    def path(self, name):
        return os.path.join(self.folder, name)

    def save(self, name, text):
        """As many editors do: a new file takes the place of the old one."""
        write_files(self.folder, {name + ".new~": text})
        os.rename(self.path(name + ".new~"), self.path(name))

    def answer(self, client, flow):
        return start_run(client, flow).body

    def wait_for(self, client, flow, word):
        wait_until(lambda: self.answer(client, flow) == word, SECONDS, f"{flow} to answer {word}")

    def wait_for_problem(self, client, status, code, flow):
        def look():
            answer = start_run(client, flow)
            return answer.status == status and answer.body["code"] == code
        wait_until(look, SECONDS, f"{flow} to answer {code}")

    def wait_for_log(self, host, text):
        wait_until(lambda: text in host.log, SECONDS, f"'{text}' in the log")

    def problems(self, client):
        return ask(client, "GET", "/v1/flows").body["problems"]


class Saves(ReloadCase):

    def test_written_in_place(self):
        host = self.serve()
        self.assertEqual(self.answer(host, "a"), "one")
        self.write({"a.lua": returns("two")})
        self.wait_for(host, "a", "two")
        self.assertEqual(self.answer(host, "b"), "b")

    def test_renamed_over(self):
        host = self.serve()
        for word in ("two", "three", "four"):
            self.save("a.lua", returns(word))
            self.wait_for(host, "a", word)

    def test_moved_aside_and_written_anew(self):
        host = self.serve()
        os.rename(self.path("a.lua"), self.path("a.lua~"))
        self.write({"a.lua": returns("two")})
        self.wait_for(host, "a", "two")
        os.remove(self.path("a.lua~"))
        self.save("a.lua", returns("three"))
        self.wait_for(host, "a", "three")

    def test_same_length_at_the_same_time(self):
        host = self.serve()
        for word in ("abc", "abd", "abe", "abf"):
            self.write({"a.lua": returns(word)})
            self.wait_for(host, "a", word)

    def test_new_folders(self):
        host = self.serve()
        self.write({"x/y/c.lua": returns("c")})
        self.wait_for(host, "x/y/c", "c")
        self.save("x/y/c.lua", returns("c2"))
        self.wait_for(host, "x/y/c", "c2")
        os.rename(self.path("x"), self.path("z"))
        self.wait_for(host, "z/y/c", "c2")
        self.wait_for_problem(host, 404, "NO_FLOW", "x/y/c")
        self.save("z/y/c.lua", returns("c3"))
        self.wait_for(host, "z/y/c", "c3")
        shutil.rmtree(self.path("z"))
        self.wait_for_problem(host, 404, "NO_FLOW", "z/y/c")

    def test_a_linked_folder(self):
        write_files(self.scratch, {"v1/c.lua": returns("c1"), "v2/c.lua": returns("c2")})
        os.symlink("../v1", self.path("linked"))
        host = self.serve()
        self.assertEqual(self.answer(host, "linked/c"), "c1")
        os.symlink("../v2", self.path("next"))
        os.rename(self.path("next"), self.path("linked"))
        self.wait_for(host, "linked/c", "c2")

    def test_the_folder_itself_is_replaced(self):
        host = self.serve()
        write_files(self.scratch, {"next/a.lua": returns("next")})
        os.rename(self.folder, os.path.join(self.scratch, "before"))
        os.rename(os.path.join(self.scratch, "next"), self.folder)
        self.wait_for(host, "a", "next")
        self.wait_for_problem(host, 404, "NO_FLOW", "b")
        self.save("a.lua", returns("later"))
        self.wait_for(host, "a", "later")

    def test_the_folder_is_gone(self):
        host = self.serve()
        os.rename(self.folder, os.path.join(self.scratch, "away"))
        self.wait_for_log(host, "what was loaded before stays")
        self.assertEqual(self.answer(host, "a"), "one")
        os.rename(os.path.join(self.scratch, "away"), self.folder)
        self.save("a.lua", returns("two"))
        self.wait_for(host, "a", "two")

    def test_many_at_once(self):
        host = self.serve()
        self.write({f"many/f{i}.lua": returns(f"f{i}") for i in range(300)})
        self.wait_for(host, "many/f299", "f299")
        self.assertEqual(self.answer(host, "many/f0"), "f0")
        self.write({f"many/f{i}.lua": returns(f"g{i}") for i in range(300)})
        for i in range(300):
            self.wait_for(host, f"many/f{i}", f"g{i}")

    def test_all_shards(self):
        with Host(self.folder, args=["--shards", "4"]) as host:
            clients = clients_by_shard(host, 4, "a")
            self.save("a.lua", returns("two"))
            for client in clients.values():
                self.wait_for(client, "a", "two")
                client.disconnect()

    def test_routes_follow(self):
        host = self.serve()
        self.assertEqual(ask(host, "GET", "/b").body, "b")
        self.save("b.lua", returns("b2", "http = 'GET /b/new',"))
        wait_until(lambda: ask(host, "GET", "/b/new").body == "b2", SECONDS, "the new route")
        self.assert_problem(ask(host, "GET", "/b"), 404, "NO_ROUTE")

    def test_env_of_host_lua(self):
        self.write({"host.lua": "return { env = { WHO = 'old' } }", "a.lua": "return function(ctx) return ctx.env.WHO end"})
        host = self.serve()
        self.assertEqual(self.answer(host, "a"), "old")
        self.save("host.lua", "return { env = { WHO = 'new' }, max_body = '1k' }")
        self.wait_for(host, "a", "new")
        self.wait_for_log(host, "host.lua: a change of 'max_body' takes a restart")
        self.save("host.lua", "return { env = {")
        self.wait_for_log(host, "host.lua:1: ")
        self.assertEqual(self.answer(host, "a"), "new")
        self.assertEqual(self.problems(host)[0]["file"], "host.lua")


class Refused(ReloadCase):

    def test_a_broken_file(self):
        host = self.serve()
        self.save("a.lua", "\nreturn function(ctx) x = = 1 end")
        self.wait_for_log(host, "a.lua:2: unexpected symbol near '=' (what it was before stays)")
        self.assertEqual(self.answer(host, "a"), "one")
        wait_until(lambda: self.problems(host) == [
            {"file": "a.lua", "line": 2, "message": "unexpected symbol near '='"}], SECONDS, "the problem to be shown")
        self.save("b.lua", returns("b2"))
        self.wait_for(host, "b", "b2")
        self.assertEqual(host.log.count("unexpected symbol"), 1)
        self.save("a.lua", returns("mended"))
        self.wait_for(host, "a", "mended")
        self.assertEqual(self.problems(host), [])

    def test_a_file_that_cannot_be_read(self):
        host = self.serve()
        with open(self.path("a.lua"), "w", encoding="utf-8") as file:
            file.truncate((16 << 20) + 1)
        self.wait_for_log(host, "a.lua:1: the file is larger than 16 MiB (what it was before stays)")
        self.assertEqual(self.answer(host, "a"), "one")
        self.save("a.lua", returns("two"))
        self.wait_for(host, "a", "two")


class Runs(ReloadCase):
    FLOWS = {
        "a.lua": "return function(ctx) ctx.request { url = ctx.env.UPSTREAM } return require 'word' end",
        "lib/word.lua": "return 'old'",
        "host.lua": "return { env = { UPSTREAM = os.getenv 'UPSTREAM' } }",
    }

    def setUp(self):
        super().setUp()
        self.gate = threading.Event()
        self.upstream = self.enterContext(Upstream(self.reply))
        self.env = {"UPSTREAM": self.upstream.url}

    def reply(self, _):
        self.gate.wait(SECONDS)
        return 200, {}

    def start(self, host):
        run = start_run(host, "a", prefer="respond-async").run
        wait_until(lambda: self.upstream.requests, SECONDS, "the request of the run")
        return run

    def change(self, host, files):
        """Writes (None: removes) files and waits until that is served. No run is started: it would wait."""
        before = ask(host, "GET", "/v1/flows").body["release"]
        self.write(files)
        wait_until(lambda: ask(host, "GET", "/v1/flows").body["release"] != before, SECONDS, "the change to be served")

    NEW = {"lib/word.lua": "return 'new'", "a.lua": "return function() return require 'word' end"}

    def test_a_run_goes_on_with_its_code(self):
        host = self.serve(env=self.env)
        run = self.start(host)
        self.change(host, self.NEW)
        self.wait_for(host, "a", "new")
        self.gate.set()
        self.assertEqual(wait_for_run(host, run)["output"], "old")

    def test_also_behind_a_crash(self):
        host = self.serve(env=self.env)
        run = self.start(host)
        self.change(host, self.NEW)
        self.wait_for(host, "a", "new")
        host.kill()
        self.gate.set()
        host.start()
        self.assertEqual(wait_for_run(host, run)["output"], "old")
        self.assertEqual(self.answer(host, "a"), "new")

    def test_a_deleted_flow(self):
        host = self.serve(env=self.env)
        run = self.start(host)
        self.change(host, {"a.lua": None})
        self.assert_problem(start_run(host, "a"), 404, "NO_FLOW")
        self.gate.set()
        self.assertEqual(wait_for_run(host, run)["output"], "old")

    def test_old_releases_go_when_nobody_needs_them(self):
        host = self.serve(env=self.env)
        run = self.start(host)
        release = get_run(host, run)["release"]
        for i in range(20):
            self.change(host, {"a.lua": f"return function() return {i} end"})
        self.gate.set()
        self.assertEqual(wait_for_run(host, run)["output"], "old")
        host.kill()
        host.start()

        def is_gone():
            releases = [item["release"] for item in ask(host, "GET", "/v1/flows/a/versions").body["items"]]
            return release not in releases and len(releases) == 5
        wait_until(is_gone, SECONDS, "the first release to be removed")


class NoRequestDropped(ReloadCase):

    def test_while_files_are_saved(self):
        with Host(self.folder, args=["--shards", "2"]) as host:
            is_over = threading.Event()

            def load():
                client, statuses = Client(host.port), set()
                while not is_over.is_set():
                    statuses.add((ask(client, "GET", "/b").status, start_run(client, "a").status))
                client.disconnect()
                return statuses
            loads = [Background(load) for _ in range(4)]
            for i in range(30):
                self.save("a.lua", returns(f"word {i}"))
                self.wait_for(host, "a", f"word {i}")
            is_over.set()
            for one in loads:
                self.assertEqual(one.result(), {(200, 200)})


class Signals(ReloadCase):

    def test_sighup_reloads(self):
        host = self.serve(args=["--watch", "false"])
        self.save("a.lua", returns("two"))
        self.assertEqual(self.answer(host, "a"), "one")
        host.signal(signal.SIGHUP)
        self.wait_for(host, "a", "two")
        host.signal(signal.SIGHUP)
        self.wait_for_log(host, "is served as before")

    def test_many_signals(self):
        host = self.serve(args=["--watch", "false"])
        for i in range(50):
            self.save("a.lua", returns(f"word {i}"))
            host.signal(signal.SIGHUP)
        self.wait_for(host, "a", "word 49")

    @unittest.skipUnless("debug" in os.environ.get("FLOWHOST_BINARY", "debug")
                         or "asan" in os.environ.get("FLOWHOST_BINARY", ""), "needs a build with fault points")
    def test_without_watches_it_says_so_once(self):
        self.write({"x/c.lua": returns("c"), "y/d.lua": returns("d")})
        host = self.serve(env={"FLOWHOST_FAULT": "host.watch:DISK_FULL"})
        self.save("a.lua", returns("two"))
        host.signal(signal.SIGHUP)
        self.wait_for(host, "a", "two")
        self.assertEqual(host.log.count("are not noticed"), 1, host.log)
        self.assertIn("there are no more watches; raise fs.inotify.max_user_watches, or send SIGHUP", host.log)


class Overrides(ReloadCase):

    def versions(self, client, flow="a"):
        return ask(client, "GET", f"/v1/flows/{flow}/versions").body["items"]

    def change(self, client, verb, body=None, flow="a"):
        return ask(client, "POST", f"/v1/flows/{flow}/{verb}", body)

    def test_they_outlive_saves_and_crashes_on_all_shards(self):
        with Host(self.folder, args=["--shards", "2"]) as host:
            self.save("a.lua", returns("two"))
            self.wait_for(host, "a", "two")
            older = self.versions(host)[1]["version"]
            clients = clients_by_shard(host, 2, "b")
            self.assertEqual(self.change(clients[1], "activate", {"version": older}).status, 200)
            self.assertEqual(self.change(clients[1], "disable", flow="b").status, 200)
            for client in clients.values():
                self.assertEqual(self.answer(client, "a"), "one")
                self.assert_problem(start_run(client, "b"), 409, "FLOW_DISABLED")
                self.assert_problem(ask(client, "GET", "/b"), 409, "FLOW_DISABLED")
                client.disconnect()
            self.save("a.lua", returns("three"))
            self.wait_for_log(host, f"flow a stays at version {older}, chosen by hand")
            host.kill()
            host.start()
            self.assertEqual(self.answer(host, "a"), "one")
            self.assert_problem(start_run(host, "b"), 409, "FLOW_DISABLED")
            shown = {flow["name"]: flow for flow in ask(host, "GET", "/v1/flows").body["items"]}
            self.assertEqual((shown["a"]["version"], shown["a"]["pinned"], shown["b"]["enabled"]), (older, True, False))
            self.assertNotEqual(shown["a"]["newest_version"], older)
            self.change(host, "activate", {"release": "newest"})
            self.change(host, "enable", flow="b")
            self.assertEqual((self.answer(host, "a"), self.answer(host, "b")), ("three", "b"))

    def test_canary(self):
        host = self.serve(args=["--shards", "1"])
        first = self.versions(host)[0]
        self.change(host, "activate", {"release": first["release"]})
        self.save("a.lua", returns("two"))
        wait_until(lambda: len(self.versions(host)) == 2, SECONDS, "the second version")
        self.assertEqual(self.change(host, "activate", {"version": first["version"]}).status, 200)
        answer = self.change(host, "activate", {"release": "newest", "weight": 25})
        self.assertEqual(answer.body["canary"]["weight"], 25)
        answers = [self.answer(host, "a") for _ in range(40)]
        self.assertEqual((answers.count("one"), answers.count("two")), (30, 10))
        self.assertEqual([item["weight"] for item in self.versions(host)], [25, 75])


if __name__ == "__main__":
    unittest.main()
