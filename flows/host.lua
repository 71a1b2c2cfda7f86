-- Settings of the host and the values that flows read as ctx.env. Put real services in by environment variable.
local function from_environment(name, default)
    return os.getenv(name) or default
end

return {
    env = {
        USER_URL = from_environment("USER_URL", "http://127.0.0.1:8080/demo/users"),
        COUPON_URL = from_environment("COUPON_URL", "http://127.0.0.1:8080/demo/coupons"),
        MESSAGE_URL = from_environment("MESSAGE_URL", "http://127.0.0.1:8080/demo/messages"),
        CALLBACK_KEY = from_environment("CALLBACK_KEY", "good for nothing but the demo"),
        CARD_URL = from_environment("CARD_URL", "http://127.0.0.1:8080/demo/cards"),
    },
}
