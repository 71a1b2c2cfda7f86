-- Stands for a coupon service.
return {
    http = "POST /demo/coupons",
    durable = "never",
    request = { body = { user_id = { type = "int", required = true } } },
    run = function(_, input)
        return { code = "WELCOME-" .. input.body.user_id, percent = 10 }
    end,
}
