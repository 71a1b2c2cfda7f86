-- Stands for a user service: nothing is kept.
return {
    http = "POST /demo/users",
    durable = "never",
    request = { body = { phone = { type = "string", required = true } } },
    run = function(_, input)
        return { id = 17, phone = input.body.phone }
    end,
}
