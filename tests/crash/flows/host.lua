-- Every start of the crash suite names another round: each is a release of its own, so that older runs need theirs.
return {
    env = {
        USER_URL = os.getenv "USER_URL" or "",
        COUPON_URL = os.getenv "COUPON_URL" or "",
        MESSAGE_URL = os.getenv "MESSAGE_URL" or "",
        ROUND = os.getenv "ROUND" or "",
    },
}
