-- The smallest flow: curl 'localhost:8080/hello?name=Ada'
return {
    description = "Greets.",
    http = "GET /hello",
    durable = "never",
    run = function(_, input)
        local name = input ~= nil and input.query and input.query.name or "world"
        return { hello = name }
    end,
}
