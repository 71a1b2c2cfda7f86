-- Every start names another round: each is a release of its own, so that older runs need theirs.
return {
    env = { URL = os.getenv "UPSTREAM_URL" or "", ROUND = os.getenv "ROUND" or "" },
}
