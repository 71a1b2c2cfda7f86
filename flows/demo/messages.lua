-- Stands for a message service.
return {
    http = "POST /demo/messages",
    durable = "never",
    request = { body = { phone = { type = "string", required = true }, text = { type = "string" } } },
    run = function(_, input)
        return { sent = true, to = input.body.phone }
    end,
}
